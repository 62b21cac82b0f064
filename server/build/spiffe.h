// Configuration of authenticators of kind `spiffe_jwt`.
#pragma once

#include <memory>
#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authenticator.h"

namespace livekit::token::build {

struct Context;

// Makes the authenticator `name`, after the projects. Reads the files that `spiffe` names; keys at an address begin to
// be fetched unless the build is only a check. Null if there are problems, or for a check.
std::unique_ptr<const Authenticator> BuildSpiffe(const std::string& path, const std::string& name,
                                                 const config::v1::SpiffeJwt& spiffe, Context& context);

}  // namespace livekit::token::build
