// Policies: what a participant may have, decided from the principal and the request.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "livekit/token/v1/grants.pb.h"
#include "livekit_token_source.pb.h"
#include "server/principal.h"
#include "server/projects.h"
#include "server/template.h"

namespace livekit::token {

// What a client may do with a string field.
struct FieldRule {
  enum class Mode { kForbid, kAllow, kIfEqual };
  Mode mode = Mode::kForbid;
  std::optional<Template> default_value;  // when the client sends nothing
  std::optional<Template> value;          // the forced one
};

// What a client may do with `room_config`.
struct RoomConfigRule {
  bool allowed = false;
  std::vector<std::string> agents;  // globs
  int max_agents = 1;
  bool egress = false;
};

// What a policy says, ready to be applied.
struct PolicyRules {
  std::string name;
  std::string authenticator;  // the principal must have used it
  std::shared_ptr<const Project> project;
  FieldRule room;
  FieldRule identity;
  FieldRule display_name;
  FieldRule metadata;
  bool attributes_allowed = false;
  RoomConfigRule room_config;
  v1::VideoGrant grants;  // without room and room_join
  std::chrono::seconds ttl{15 * 60};
};

// What a policy decided: the token to sign.
struct Decision {
  const PolicyRules* policy;
  v1::Grants grants;
};

// The policies of a configuration, in order. Thread safety: immutable.
class PolicySet {
 public:
  explicit PolicySet(std::vector<PolicyRules> policies) : policies_(std::move(policies)) {}

  // Applies the first policy that matches `principal`. Empty strings and empty messages in `request` count as absent.
  // What the client asks for is never widened: the result holds a value of the client only where the policy lets the
  // client choose it. Errors name the fields of TokenSourceRequest: NO_POLICY, FIELD_REQUIRED, FIELD_NOT_PERMITTED,
  // ROOM_NOT_PERMITTED, IDENTITY_NOT_PERMITTED, AGENT_NOT_PERMITTED, CLAIM_MISSING, CLAIM_AMBIGUOUS.
  absl::StatusOr<Decision> Decide(const Principal& principal, const livekit::TokenSourceRequest& request) const;

 private:
  std::vector<PolicyRules> policies_;
};

// Renames the fields of a refusal from their places in Grants to those in TokenSourceRequest.
absl::Status ToRequestFields(const absl::Status& status);

}  // namespace livekit::token
