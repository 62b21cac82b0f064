// The core of the service: authenticates, decides, signs. It knows no transport, so that every way in gives the same
// verdicts.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "livekit/token/token_verifier.h"
#include "livekit/token/v1/token_service.pb.h"
#include "server/authenticator.h"
#include "server/ceiling.h"
#include "server/deny_list.h"
#include "server/policy.h"
#include "server/projects.h"
#include "service/metrics.h"

namespace livekit::token {

// What one service, a calling program, may do.
struct ServiceRules {
  std::string name;
  std::string authenticator;  // the caller must have used it
  std::string subject;        // and have this subject
  std::vector<std::shared_ptr<const Project>> projects;
  bool relay = false;
  std::shared_ptr<const MintCeiling> mint;        // null: may not mint
  std::shared_ptr<const TokenVerifier> verifier;  // over the keys of `projects`; null: may not verify
};

// Everything that the configuration decides. Built whole by authority_builder.h and never changed.
struct AuthorityState {
  AuthenticatorSet authenticators;
  PolicySet policies;
  std::vector<ServiceRules> services;
  DenyList deny_list = {};
};

// The circumstances of a call.
struct CallContext {
  Credentials caller;       // of the calling program
  Credentials credentials;  // of the principal, unless it is relayed
  std::string host;         // host by which the client reached us, without port
  std::string request_id;
};

// Issues, mints and verifies. Every method calls `done` exactly once: before it returns, unless an authenticator has to
// ask elsewhere. Nothing blocks. Refusals carry reasons of livekit.token.v1.ErrorReason.
//
// Thread safety: all methods may be called concurrently.
class TokenAuthority {
 public:
  template <typename Response>
  using Done = std::function<void(absl::StatusOr<Response>)>;
  using RelayedItem = v1::BatchIssueParticipantTokensRequest::Item;
  using RelayedResult = v1::BatchIssueParticipantTokensResponse::Result;

  static constexpr int kMaxBatchItems = 1000;
  static constexpr std::size_t kMaxIssueBatchBytes = 1 << 20;
  static constexpr std::size_t kMaxMintBatchBytes = 16 << 20;  // of the answer

  // `clock` and `metrics` must outlive the authority.
  TokenAuthority(std::shared_ptr<const AuthorityState> state, const Clock& clock, Metrics& metrics);

  // Headers in which a principal's credentials may stand, in lower case.
  const std::vector<std::string>& credential_headers() const { return state_->authenticators.headers(); }

  void IssueParticipantToken(const CallContext& context, const v1::IssueParticipantTokenRequest& request,
                             Done<v1::IssueParticipantTokenResponse> done) const;
  // For callers with `relay`.
  void BatchIssueParticipantTokens(const CallContext& context, const v1::BatchIssueParticipantTokensRequest& request,
                                   Done<v1::BatchIssueParticipantTokensResponse> done) const;
  // One relayed request of a gateway that is part of this process and needs no credential of its own.
  void IssueRelayed(const RelayedItem& item, std::function<void(RelayedResult)> done) const;
  void MintAccessToken(const CallContext& context, const v1::MintAccessTokenRequest& request,
                       Done<v1::MintAccessTokenResponse> done) const;
  void BatchMintAccessTokens(const CallContext& context, const v1::BatchMintAccessTokensRequest& request,
                             Done<v1::BatchMintAccessTokensResponse> done) const;
  void VerifyAccessToken(const CallContext& context, const v1::VerifyAccessTokenRequest& request,
                         Done<v1::VerifyAccessTokenResponse> done) const;

 private:
  using Time = std::chrono::system_clock::time_point;
  using WithService = std::function<void(absl::StatusOr<const ServiceRules*>)>;

  // Finds the service that the caller is.
  void AuthenticateCaller(const CallContext& context, WithService done) const;
  const ServiceRules* FindService(const Principal& principal) const;
  absl::StatusOr<v1::IssueParticipantTokenResponse> Issue(const Principal& principal,
                                                          const livekit::TokenSourceRequest& request,
                                                          std::string_view host, int max_token_bytes,
                                                          std::string_view sandbox_id) const;
  // Mints one token into `response`. `grants` is room to work in, kept from token to token.
  absl::Status Mint(const ServiceRules& service, const v1::MintAccessTokenRequest& request, Time now,
                    v1::Grants& grants, v1::MintAccessTokenResponse& response) const;
  absl::StatusOr<v1::BatchMintAccessTokensResponse> MintAll(const ServiceRules& service,
                                                            const v1::BatchMintAccessTokensRequest& request) const;
  // Counts and logs the refusal.
  void Refused(std::string_view method, std::string_view caller, const std::string& request_id,
               const absl::Status& status) const;

  std::shared_ptr<const AuthorityState> state_;
  const Clock& clock_;
  Metrics& metrics_;
};

}  // namespace livekit::token
