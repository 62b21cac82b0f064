// Configuration of the deny-list.
#pragma once

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/deny_list.h"

namespace livekit::token::build {

struct Context;

// Reads the deny-list's file; an empty list if there is none. After projects.
DenyList BuildDenyList(const config::v1::ServerConfig& config, Context& context);

}  // namespace livekit::token::build
