// What the programs were built from.
#pragma once

namespace livekit::token {

// Revision of the sources, or `unknown`. It is linked into the programs only, so that a commit changes nothing else.
extern const char kRevision[];

}  // namespace livekit::token
