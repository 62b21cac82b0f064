// The core of the service: authenticates, decides, signs. It knows no transport, so that every way in gives the same
// verdicts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "livekit/token/v1/token_service.pb.h"
#include "server/admission.h"
#include "server/audit.h"
#include "server/authority_state.h"
#include "server/call_context.h"
#include "server/decisions.h"
#include "server/participant_token.h"
#include "server/services.h"
#include "service/metrics.h"

namespace livekit::token {

// What an authority has to do with beside its configuration.
struct AuthorityOptions {
  Audit* audit = nullptr;                // must outlive the authority; null: nothing is recorded
  std::string generation = {};           // fingerprint of the configuration, for the record
  std::shared_ptr<Load> load = nullptr;  // of all configurations together; null: it has its own
};

// Issues, mints, verifies and explains. Every method calls `done` exactly once: before it returns, unless an
// authenticator has to ask elsewhere. Nothing blocks. Refusals carry reasons of livekit.token.v1.ErrorReason.
//
// Thread safety: all methods may be called concurrently.
class TokenAuthority {
 public:
  template <typename Response>
  using Done = Decisions::Done<Response>;
  using RelayedItem = v1::BatchIssueParticipantTokensRequest::Item;
  using RelayedResult = v1::BatchIssueParticipantTokensResponse::Result;

  static constexpr int kMaxBatchItems = limits::kBatchItems;
  static constexpr std::size_t kMaxIssueBatchBytes = limits::kIssueBatchBytes;
  static constexpr std::size_t kMaxMintBatchBytes = limits::kAnswerMessageBytes;

  // `clock` and `metrics` must outlive the authority.
  TokenAuthority(std::shared_ptr<const AuthorityState> state, const Clock& clock, Metrics& metrics,
                 AuthorityOptions options = {});

  // Headers in which a principal's credentials may stand, in lower case.
  const std::vector<std::string>& credential_headers() const { return state_->authenticators.headers(); }
  double access_log_sample() const { return state_->access_log_sample; }

  // For any principal: the one that the request states, if the caller may do that (`assert`), and otherwise the one
  // whose credentials the call presents. A caller's certificate beside those proves only which program relays them.
  void IssueParticipantToken(const CallContext& context, const v1::IssueParticipantTokenRequest& request,
                             Done<v1::IssueParticipantTokenResponse> done) const;
  // For callers with `relay`.
  void BatchIssueParticipantTokens(const CallContext& context, const v1::BatchIssueParticipantTokensRequest& request,
                                   Done<v1::BatchIssueParticipantTokensResponse> done) const;
  // One relayed request of a gateway that is part of this process and needs no credential of its own.
  void IssueRelayed(const RelayedItem& item, std::function<void(RelayedResult&&)> done) const;
  void MintAccessToken(const CallContext& context, const v1::MintAccessTokenRequest& request,
                       Done<v1::MintAccessTokenResponse> done) const;
  void BatchMintAccessTokens(const CallContext& context, const v1::BatchMintAccessTokensRequest& request,
                             Done<v1::BatchMintAccessTokensResponse> done) const;
  void VerifyAccessToken(const CallContext& context, const v1::VerifyAccessTokenRequest& request,
                         Done<v1::VerifyAccessTokenResponse> done) const;
  // For callers with `explain`: what IssueRelayed would answer, and why. PROJECT_NOT_PERMITTED if the policy that
  // applies is of a project that the caller may not use; FIELD_INVALID, FIELD_REQUIRED, FIELD_TOO_LONG for a principal
  // or a service that there cannot be.
  void ExplainParticipantToken(const CallContext& context, const v1::ExplainParticipantTokenRequest& request,
                               Done<v1::ExplainParticipantTokenResponse> done) const;

  // Of the authenticators that fetch their keys, for metrics.
  std::vector<JwksMetrics> KeyStates() const { return state_->authenticators.KeyStates(); }

 private:
  using WithService = std::function<void(absl::StatusOr<const ServiceRules*>)>;

  // The credentials of a call by their role; those that count for nothing are left out.
  struct Presented {
    Credentials caller;
    Credentials principal;
  };
  absl::StatusOr<Presented> PresentedIn(const CallContext& context) const;
  // Finds the service that the caller is.
  void AuthenticateCaller(const CallContext& context, WithService done) const;
  // Finds the principal of a call that states none, and the service that relays its credentials; null if none does.
  using WithPrincipal = std::function<void(absl::StatusOr<Principal>, const ServiceRules* via)>;
  void AuthenticatePrincipal(const CallContext& context, const WithPrincipal& done) const;
  void IssueAsserted(const CallContext& context, const v1::IssueParticipantTokenRequest& request,
                     Done<v1::IssueParticipantTokenResponse> done) const;
  // `via` is the service that relays or asserts the principal; null without.
  void IssueRelayed(const RelayedItem& item, const ServiceRules* via, std::function<void(RelayedResult&&)> done) const;
  // `host` is that of ServerUrl. Notes in `event` what has been decided.
  absl::StatusOr<v1::IssueParticipantTokenResponse> Issue(const ParticipantRequest& asked, std::string_view host,
                                                          AuditEvent& event) const;
  // Adds an event for every token to `events`.
  absl::StatusOr<v1::BatchMintAccessTokensResponse> MintAll(const ServiceRules& service,
                                                            const v1::BatchMintAccessTokensRequest& request,
                                                            const AuditEvent& call,
                                                            std::vector<AuditEvent>& events) const;

  // Begins a call: keeps its place among those in progress until `done` is called. False if there is none; the call has
  // then been refused.
  template <typename Response>
  bool Enter(std::string_view method, const CallContext& context, Done<Response>& done, int items = 1) const;
  std::shared_ptr<const AuthorityState> state_;
  const Clock& clock_;
  Metrics& metrics_;
  const Decisions decisions_;
  const Admission admission_;
};

}  // namespace livekit::token
