// Policies that take over fields of others.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "livekit/token/config/v1/server_config.pb.h"

namespace livekit::token::build {

struct Context;

// A policy with the fields that it takes over.
struct MergedPolicy {
  config::v1::Policy policy;
  std::map<std::string, int> origins;  // of fields taken over: the index of the policy that states them
  int depth = 0;                       // policies above it
  bool valid = false;                  // false: `extends` leads nowhere, which is a problem already
};

// Merges every policy with those that it extends, whatever their order: a field that a policy states holds as a whole.
// Notes what `extends` names wrongly.
std::vector<MergedPolicy> MergePolicies(const config::v1::ServerConfig& config, Context& context);

}  // namespace livekit::token::build
