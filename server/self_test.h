// What a configuration must prove before it is used.
#pragma once

#include "absl/status/status.h"
#include "base/clock.h"
#include "server/projects.h"

namespace livekit::token {

// Signs a token with each key of `project` at the time `now`, verifies it as a LiveKit server would, and makes sure
// that no other key of the project would have been believed. Errors: INTERNAL, with the id of the key.
absl::Status TestKeys(const Project& project, Time now);

}  // namespace livekit::token
