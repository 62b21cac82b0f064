// Configuration of authenticators of kind `oauth2_introspection`.
#pragma once

#include <memory>
#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authenticator.h"

namespace livekit::token::build {

struct Context;

// Makes the authenticator `name`, after the projects. Null if there are problems, or if the build is only a check.
std::unique_ptr<const Authenticator> BuildIntrospection(const std::string& path, const std::string& name,
                                                        const config::v1::OAuth2Introspection& introspection,
                                                        Context& context);

// Notes authenticators of this kind that read tokens which another one reads too: nothing in an opaque token tells
// whose it is.
void CheckOpaqueTokens(const google::protobuf::RepeatedPtrField<config::v1::Authenticator>& authenticators,
                       Context& context);

}  // namespace livekit::token::build
