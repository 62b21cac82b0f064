// Configuration of services.
#pragma once

#include <vector>

#include "google/protobuf/repeated_field.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authority_state.h"

namespace livekit::token::build {

struct Context;

// Makes the rules of the services. After projects and authenticators.
std::vector<ServiceRules> BuildServices(const google::protobuf::RepeatedPtrField<config::v1::Service>& services,
                                        Context& context);

}  // namespace livekit::token::build
