// Configuration of policies.
#pragma once

#include <vector>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/policy.h"

namespace livekit::token::build {

struct Context;

// Makes the rules of the policies, in order. After projects, authenticators and the key of `{hmac:…}`; `config` is
// asked for the services that policies name.
std::vector<PolicyRules> BuildPolicies(const config::v1::ServerConfig& config, Context& context);

}  // namespace livekit::token::build
