// Configuration of policies.
#pragma once

#include <vector>

#include "google/protobuf/repeated_field.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/policy.h"

namespace livekit::token::build {

struct Context;

// Makes the rules of the policies, in order. After projects and authenticators.
std::vector<PolicyRules> BuildPolicies(const google::protobuf::RepeatedPtrField<config::v1::Policy>& policies,
                                       Context& context);

}  // namespace livekit::token::build
