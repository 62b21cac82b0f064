// Configuration of authenticators.
#pragma once

#include "google/protobuf/repeated_field.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authenticator.h"

namespace livekit::token::build {

struct Context;

// Reads the files that the authenticators name, and leaves the authenticators' names in `context`. After the projects.
AuthenticatorSet BuildAuthenticators(
    const google::protobuf::RepeatedPtrField<config::v1::Authenticator>& authenticators, Context& context);

}  // namespace livekit::token::build
