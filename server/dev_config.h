// The configuration of development mode.
#pragma once

#include "livekit/token/config/v1/server_config.pb.h"
#include "livekit/token/key_source.h"

namespace livekit::token {

// The configuration of development mode: a project from the environment, anonymous callers who may do everything, and
// made-up identities and rooms.
config::v1::ServerConfig DevConfig(const Environment& environment);

}  // namespace livekit::token
