// From a participant's request to everything about its token but the signature: what issuing and explaining share.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "livekit/token/access_token.h"
#include "livekit/token/v1/token_service.pb.h"
#include "server/policy.h"
#include "server/principal.h"
#include "server/services.h"

namespace livekit::token {

struct AuthorityState;

// One request whose principal is known.
struct ParticipantRequest {
  const Principal& principal;
  const ServiceRules* via;  // relays or asserts the principal; null without
  const livekit::TokenSourceRequest& request;
  std::string_view sandbox_id = {};
  int max_token_bytes = 0;  // of the way in; 0 or less: no limit
};

// A token that could be signed.
struct TokenPlan {
  Decision decision;
  SignOptions options;

  const PolicyRules& policy() const { return *decision.policy; }
  const Project& project() const { return *decision.policy->project; }
};

// Decides what the token would say. Errors: those of PolicySet::Decide; NO_POLICY for programs that speak for others,
// PROJECT_NOT_PERMITTED by `via`, PARTICIPANT_BLOCKED. With `trace` the way to the decision is noted there.
absl::StatusOr<TokenPlan> PlanToken(const AuthorityState& state, const ParticipantRequest& asked, Time now,
                                    PolicyTrace* trace = nullptr);

// What signing or measuring said about the plan: its error in the request's fields, or TOKEN_TOO_LARGE if `bytes` are
// more than the policy or the way in permits.
absl::Status CheckSignable(const TokenPlan& plan, const ParticipantRequest& asked,
                           const absl::StatusOr<std::size_t>& bytes);

// The address for the client: the project's, or in development mode that of the host by which it reached us.
std::string ServerUrl(const Project& project, std::string_view host);

// The credentials of an end user as a gateway relays them. `trusted_headers` is null without. Errors:
// AUTHENTICATION_FAILED for a header that is no end user's.
absl::StatusOr<Credentials> RelayedCredentials(const google::protobuf::RepeatedPtrField<v1::Credential>& credentials,
                                               const v1::TrustedHeaders* trusted_headers);

// Checks a subject that somebody states. Errors: FIELD_REQUIRED, FIELD_TOO_LONG and FIELD_INVALID for
// `principal.subject`.
absl::Status CheckStatedSubject(const std::string& subject);

// The end user whom `service` vouches for. Errors: those of CheckStatedSubject.
absl::StatusOr<Principal> AssertedBy(const ServiceRules& service, const std::string& subject,
                                     const google::protobuf::Struct& claims);

}  // namespace livekit::token
