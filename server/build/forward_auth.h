// Configuration of authenticators of kind `forward_auth`.
#pragma once

#include <memory>
#include <string>

#include "google/protobuf/repeated_field.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authenticator.h"

namespace livekit::token::build {

struct Context;

// Makes the authenticator `name`. Null if there are problems, or for a check.
std::unique_ptr<const Authenticator> BuildForwardAuth(const std::string& path, const std::string& name,
                                                      const config::v1::ForwardAuth& forward, Context& context);

// Notes headers that are passed on to an application and in which another authenticator reads its own credentials: with
// those, every request would be for two.
void CheckForwardedHeaders(const google::protobuf::RepeatedPtrField<config::v1::Authenticator>& authenticators,
                           Context& context);

}  // namespace livekit::token::build
