// Configuration of whom policies are for.
#pragma once

#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/policy.h"

namespace livekit::token::build {

struct Context;

// Makes a policy's conditions and notes what is wrong with them. `config` is asked for services.
PolicyMatch BuildMatch(const std::string& path, const config::v1::PolicyMatch& match,
                       const config::v1::ServerConfig& config, Context& context);

}  // namespace livekit::token::build
