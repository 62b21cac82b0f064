// Configuration of authenticators of kind `forward_auth`.
#pragma once

#include <memory>
#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authenticator.h"

namespace livekit::token::build {

struct Context;

// Makes the authenticator `name`. Null if there are problems, or for a check.
std::unique_ptr<const Authenticator> BuildForwardAuth(const std::string& path, const std::string& name,
                                                      const config::v1::ForwardAuth& forward, Context& context);

}  // namespace livekit::token::build
