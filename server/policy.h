// Policies: what a participant may have, decided from the principal and the request.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "livekit/token/grants.h"
#include "livekit/token/v1/grants.pb.h"
#include "livekit_token_source.pb.h"
#include "server/claim_match.h"
#include "server/field_rule.h"
#include "server/policy_trace.h"
#include "server/principal.h"
#include "server/projects.h"
#include "server/room_config_rule.h"

namespace livekit::token {

// Whom and what a policy is for. Everything stated must hold.
struct PolicyMatch {
  std::string authenticator;  // the principal must have used it; either this
  std::string service;        // or this, which must have asserted the principal
  std::vector<ClaimCondition> claims;
  std::vector<std::string> scopes;
  std::vector<std::string> rooms;        // globs of which the requested room must match one; none: any room or none
  std::vector<std::string> sandbox_ids;  // globs of which its sandbox id must match one; none: it must not have any
};

// What a policy says, ready to be applied.
struct PolicyRules {
  std::string name;
  PolicyMatch match;
  std::shared_ptr<const Project> project;
  FieldRule room;
  FieldRule identity;
  FieldRule display_name;
  FieldRule metadata;
  AttributesRule attributes;
  RoomConfigRule room_config;
  v1::VideoGrant grants;  // without room and room_join
  std::chrono::seconds ttl{15 * 60};
  int max_token_bytes = 0;  // 0: the limit of the way in
};

// The string fields of a request.
inline constexpr FieldPlace kRoomField = {"room_name", TextUse::kRoom, v1::ROOM_NOT_PERMITTED, kMaxRoomNameBytes, true};
inline constexpr FieldPlace kIdentityField = {"participant_identity", TextUse::kIdentity, v1::IDENTITY_NOT_PERMITTED,
                                              kMaxIdentityBytes, true};
inline constexpr FieldPlace kDisplayNameField = {"participant_name", TextUse::kDisplayName, v1::FIELD_NOT_PERMITTED,
                                                 kMaxNameBytes, false};
inline constexpr FieldPlace kMetadataField = {"participant_metadata", TextUse::kFreeText, v1::FIELD_NOT_PERMITTED,
                                              kMaxMetadataBytes, false};

// What a policy decided: the token to sign.
struct Decision {
  const PolicyRules* policy = nullptr;
  v1::Grants grants;
};

// The policies of a configuration, in order. Thread safety: immutable.
class PolicySet {
 public:
  explicit PolicySet(std::vector<PolicyRules> policies) : policies_(std::move(policies)) {}

  // Applies the first policy that matches. `sandbox_id` is that of the sandbox route, empty on every other. Empty
  // strings and empty messages in `request` count as absent. What the client asks for is never widened: the result
  // holds a value of the client only where the policy lets the client choose it. Errors name the fields of
  // TokenSourceRequest: NO_POLICY, FIELD_REQUIRED, FIELD_INVALID, FIELD_TOO_LONG, FIELD_NOT_PERMITTED,
  // ROOM_NOT_PERMITTED, IDENTITY_NOT_PERMITTED, AGENT_NOT_PERMITTED, CLAIM_MISSING, CLAIM_AMBIGUOUS.
  //
  // With `trace` the way to the decision is noted there, and the fields behind one that is refused are looked at too.
  // The decision is the same.
  absl::StatusOr<Decision> Decide(const Principal& principal, const livekit::TokenSourceRequest& request,
                                  std::string_view sandbox_id = {}, PolicyTrace* trace = nullptr) const;

  // The policy that Decide applies; null if none matches.
  const PolicyRules* Find(const Principal& principal, const std::string& room, std::string_view sandbox_id = {}) const;

 private:
  std::vector<PolicyRules> policies_;
};

// Renames the fields of a refusal from their places in Grants to those in TokenSourceRequest.
absl::Status ToRequestFields(const absl::Status& status);

}  // namespace livekit::token
