// Ceilings: the most that a service may mint.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// The most that a service may put into a token. What it does not state is denied. Lists are globs.
struct MintCeiling {
  std::vector<std::string> rooms;
  std::vector<std::string> identities;
  v1::VideoGrant video;
  v1::SipGrant sip;
  v1::AgentGrant agent;
  v1::InferenceGrant inference;
  v1::ObservabilityGrant observability;
  std::vector<std::string> kinds;
  std::vector<std::string> kind_details;
  std::vector<std::string> room_presets;
  bool sha256 = false;
  bool extra_claims = false;
  bool room_config = false;
  bool sensitive_room_config = false;
  std::chrono::seconds max_ttl{15 * 60};
};

// Makes the grants that are asked for, which have passed CheckGrants, those to sign. What is asked for explicitly and
// exceeds the ceiling is refused. What LiveKit would grant by default, since the request leaves it unstated, and
// exceeds the ceiling is written as denied: an absent `can_publish`, `can_subscribe` or `can_publish_data` means true,
// an empty list of sources means all.
//
// Errors, with field paths inside Grants: GRANT_NOT_PERMITTED, ROOM_NOT_PERMITTED, IDENTITY_NOT_PERMITTED; `grants` may
// then be partly changed.
absl::Status ApplyCeiling(const MintCeiling& ceiling, v1::Grants& grants);

}  // namespace livekit::token
