// Abseil's checks of the order in which locks are taken.
#pragma once

namespace livekit::token {

// Turns them off. Distributions build Abseil without NDEBUG, so that each of gRPC's locks is written down in a graph
// that all threads share: 3 % of a busy server's instructions. To be called before there are other threads.
void SkipMutexChecks();

}  // namespace livekit::token
