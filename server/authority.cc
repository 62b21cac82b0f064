#include "server/authority.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "base/address.h"
#include "base/status.h"
#include "base/text.h"
#include "livekit/token/access_token.h"
#include "livekit/token/grants.h"
#include "service/log.h"

namespace livekit::token {
namespace {

constexpr char kUnknownCaller[] = "other";  // a label for callers that the configuration does not name

void SetTime(std::chrono::system_clock::time_point time, google::protobuf::Timestamp& out) {
  out.set_seconds(UnixSeconds(time));
}

// The address for the client: the project's, or in development mode that of the host by which it reached us.
std::string ServerUrl(const Project& project, std::string_view host) {
  if (!project.client_url.empty()) return project.client_url;
  if (host.empty()) host = "localhost";
  const bool v6 = host.find(':') != std::string_view::npos;
  return (v6 ? "ws://[" : "ws://") + std::string(host) + (v6 ? "]:7880" : ":7880");
}

// The refusal of a token that the client could not use, naming the largest of the fields that made it so.
absl::Status TooLarge(const livekit::TokenSourceRequest& request) {
  std::size_t attributes = 0;
  for (const auto& [key, value] : request.participant_attributes()) attributes += key.size() + value.size();
  const std::array<std::pair<std::size_t, std::string_view>, 3> sizes = {
      {{request.participant_metadata().size(), "participant_metadata"},
       {attributes, "participant_attributes"},
       {request.room_config().ByteSizeLong(), "room_config"}}};
  return RefuseField(v1::TOKEN_TOO_LARGE, std::max_element(sizes.begin(), sizes.end())->second,
                     "is the largest part of the token");
}

absl::StatusOr<std::chrono::seconds> TtlOf(const v1::MintAccessTokenRequest& request, const MintCeiling& ceiling) {
  if (!request.has_ttl()) return std::min(kDefaultTtl, ceiling.max_ttl);
  if (request.ttl().nanos() != 0) return RefuseField(v1::FIELD_INVALID, "ttl", "must be whole seconds");
  const std::chrono::seconds ttl(request.ttl().seconds());
  if (ttl.count() < 1) return RefuseField(v1::FIELD_INVALID, "ttl", "must be at least one second");
  if (ttl > ceiling.max_ttl) {
    return RefuseField(v1::TTL_NOT_PERMITTED, "ttl", "exceeds what the calling program may mint");
  }
  return ttl;
}

// Makes nothing of a peer that may be a proxy but says nothing.
void DropSilentProxy(Credentials& credentials) {
  if (credentials.trusted_headers && credentials.trusted_headers->empty()) credentials.trusted_headers.reset();
}

absl::StatusOr<const Project*> FindProject(const ServiceRules& service, const std::string& name) {
  if (name.empty()) {
    if (service.projects.size() == 1) return service.projects.front().get();
    return RefuseField(v1::FIELD_REQUIRED, "project", "is required, since the calling program has several projects");
  }
  for (const auto& project : service.projects) {
    if (project->name == name) return project.get();
  }
  return RefuseField(v1::PROJECT_NOT_PERMITTED, "project", "is not a project of the calling program");
}

absl::Status CheckBatchSize(int items, std::size_t bytes, std::size_t max_bytes) {
  if (items < 1 || items > TokenAuthority::kMaxBatchItems || bytes > max_bytes) return Refuse(v1::BATCH_SIZE_INVALID);
  return absl::OkStatus();
}

// The end user whom `service` vouches for.
absl::StatusOr<Principal> AssertedBy(const ServiceRules& service, const v1::AssertedPrincipal& asserted) {
  constexpr char kField[] = "principal.subject";
  const std::string& subject = asserted.subject();
  if (subject.empty()) return RefuseField(v1::FIELD_REQUIRED, kField, "is required");
  if (subject.size() > kMaxSubjectBytes) {
    return RefuseField(v1::FIELD_TOO_LONG, kField, "has more than 256 bytes");
  }
  if (!IsPlainText(subject)) {
    return RefuseField(v1::FIELD_INVALID, kField, "must be UTF-8 without control characters");
  }
  return Principal{"", subject, Claims::FromStruct(asserted.claims()), service.name};
}

v1::VerifyAccessTokenResponse ToResponse(const ServiceRules& service, const Verdict& verdict) {
  v1::VerifyAccessTokenResponse response;
  if (!verdict.ok()) {
    response.mutable_rejection()->set_reason(verdict.reason);
    response.mutable_rejection()->set_message(std::string(Describe(verdict.reason)));
    return response;
  }
  const VerifiedToken& token = *verdict.token;
  auto& verified = *response.mutable_verified();
  *verified.mutable_grants() = token.grants();
  verified.set_key_id(token.issuer());
  verified.set_jti(token.jti());
  if (token.issue_time()) SetTime(*token.issue_time(), *verified.mutable_issue_time());
  if (token.not_before()) SetTime(*token.not_before(), *verified.mutable_not_before_time());
  SetTime(token.expire_time(), *verified.mutable_expire_time());
  for (const auto& project : service.projects) {
    if (project->keys->Find(token.issuer()) != nullptr) verified.set_project(project->name);
  }
  return response;
}

}  // namespace

TokenAuthority::TokenAuthority(std::shared_ptr<const AuthorityState> state, const Clock& clock, Metrics& metrics)
    : state_(std::move(state)), clock_(clock), metrics_(metrics) {}

void TokenAuthority::Refused(std::string_view method, std::string_view caller, const std::string& request_id,
                             const absl::Status& status) const {
  const v1::ErrorReason reason = ReasonOf(status);
  metrics_.Denied(caller, reason);
  Log(LogLevel::kInfo, "request_denied",
      {{"request_id", request_id}, {"method", method}, {"caller", caller}, {"reason", v1::ErrorReason_Name(reason)}});
}

absl::StatusOr<v1::IssueParticipantTokenResponse> TokenAuthority::Issue(const Principal& principal,
                                                                        const ServiceRules* via,
                                                                        const livekit::TokenSourceRequest& request,
                                                                        std::string_view host, int max_token_bytes,
                                                                        std::string_view sandbox_id) const {
  // A gateway's own identity must not become that of an end user who sent none, and whoever has stolen its key must not
  // get a token by relaying that.
  const ServiceRules* service = state_->services.Find(principal);
  if (service != nullptr && (service->relay || service->asserts) && !principal.subject.empty()) {
    return Refuse(v1::NO_POLICY, "A program that speaks for end users has no tokens of its own.");
  }
  LKT_ASSIGN_OR_RETURN(const Decision decision, state_->policies.Decide(principal, request, sandbox_id));
  const Project& project = *decision.policy->project;
  if (via != nullptr && !via->MayUse(project)) return Refuse(v1::PROJECT_NOT_PERMITTED);
  const Time now = clock_.Now();
  if (state_->deny_list.Blocks(project.name, decision.grants, now)) return Refuse(v1::PARTICIPANT_BLOCKED);
  SignOptions options;
  options.ttl = decision.policy->ttl;
  options.sfu_version = project.sfu_version;
  auto signed_token = Sign(*project.signing_key, decision.grants, options, now);
  if (!signed_token.ok()) return ToRequestFields(signed_token.status());
  const int own_limit = decision.policy->max_token_bytes;
  if (own_limit > 0 && (max_token_bytes <= 0 || own_limit < max_token_bytes)) max_token_bytes = own_limit;
  if (max_token_bytes > 0 && signed_token->token.size() > static_cast<std::size_t>(max_token_bytes)) {
    return TooLarge(request);
  }
  metrics_.Issued(project.signing_key->id(), decision.policy->name, "participant");

  v1::IssueParticipantTokenResponse response;
  response.set_server_url(ServerUrl(project, host));
  response.set_participant_token(std::move(signed_token->token));
  response.set_room_name(decision.grants.video().room());
  response.set_participant_identity(decision.grants.identity());
  response.set_participant_name(decision.grants.name());
  SetTime(signed_token->expire_time, *response.mutable_expire_time());
  response.set_key_id(project.signing_key->id());
  response.set_jti(std::move(signed_token->jti));
  return response;
}

absl::StatusOr<TokenAuthority::Presented> TokenAuthority::PresentedIn(const CallContext& context) const {
  Presented presented{state_->authenticators.CallerOf(context.caller), context.credentials};
  LKT_RETURN_IF_ERROR(state_->authenticators.SortProxyHeaders(context.peer_address, presented.principal));
  return presented;
}

void TokenAuthority::AuthenticatePrincipal(const CallContext& context, const WithPrincipal& done) const {
  auto presented = PresentedIn(context);
  if (!presented.ok()) return done(presented.status(), nullptr);
  const auto& authenticators = state_->authenticators;
  // A program may have its place in a proxy's network. But the certificate alone is the proxy's own: whoever it does
  // not name must not become the proxy.
  if (!presented->caller.headers.empty()) DropSilentProxy(presented->principal);
  if (presented->caller.empty() || presented->principal.empty()) {
    const bool is_caller = presented->principal.empty() && !presented->caller.empty();
    return authenticators.Authenticate(
        is_caller ? presented->caller : presented->principal, clock_.Now(),
        [done](absl::StatusOr<Principal> principal) { done(std::move(principal), nullptr); });
  }
  // One call, two identities: whose token it would be is unclear.
  if (!presented->caller.headers.empty()) return done(Refuse(v1::AMBIGUOUS_CREDENTIALS), nullptr);
  authenticators.Authenticate(
      presented->caller, clock_.Now(),
      [this, credentials = std::move(presented->principal), done](absl::StatusOr<Principal> caller) {
        if (!caller.ok()) return done(caller.status(), nullptr);
        const ServiceRules* service = state_->services.Find(*caller);
        if (service != nullptr && !service->relay && !service->asserts) service = nullptr;
        state_->authenticators.Authenticate(
            credentials, clock_.Now(),
            [service, done](absl::StatusOr<Principal> principal) { done(std::move(principal), service); });
      });
}

void TokenAuthority::IssueParticipantToken(const CallContext& context, const v1::IssueParticipantTokenRequest& request,
                                           Done<v1::IssueParticipantTokenResponse> done) const {
  if (request.has_principal()) return IssueAsserted(context, request, std::move(done));
  AuthenticatePrincipal(
      context, [this, &request, host = context.host, request_id = context.request_id, done = std::move(done)](
                   absl::StatusOr<Principal> principal, const ServiceRules* via) {
        auto result = principal.ok()
                          ? Issue(*principal, via, request.request(), host, /*max_token_bytes=*/0, /*sandbox_id=*/"")
                          : absl::StatusOr<v1::IssueParticipantTokenResponse>(principal.status());
        if (!result.ok()) Refused("IssueParticipantToken", kUnknownCaller, request_id, result.status());
        done(std::move(result));
      });
}

void TokenAuthority::IssueAsserted(const CallContext& context, const v1::IssueParticipantTokenRequest& request,
                                   Done<v1::IssueParticipantTokenResponse> done) const {
  AuthenticateCaller(context, [this, &request, host = context.host, request_id = context.request_id,
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    const auto issue = [&]() -> absl::StatusOr<v1::IssueParticipantTokenResponse> {
      const bool known = service.ok() || ReasonOf(service.status()) == v1::METHOD_NOT_PERMITTED;
      if (!known) return service.status();
      if (!service.ok() || !(*service)->asserts) {
        return RefuseField(v1::METHOD_NOT_PERMITTED, "principal", "may be stated only by programs with `assert`");
      }
      LKT_ASSIGN_OR_RETURN(const Principal principal, AssertedBy(**service, request.principal()));
      return Issue(principal, *service, request.request(), host, /*max_token_bytes=*/0, /*sandbox_id=*/"");
    };
    auto result = issue();
    if (!result.ok()) {
      Refused("IssueParticipantToken", service.ok() ? (*service)->name : kUnknownCaller, request_id, result.status());
    }
    done(std::move(result));
  });
}

void TokenAuthority::IssueRelayed(const RelayedItem& item, std::function<void(RelayedResult)> done) const {
  IssueRelayed(item, /*via=*/nullptr, std::move(done));
}

void TokenAuthority::IssueRelayed(const RelayedItem& item, const ServiceRules* via,
                                  std::function<void(RelayedResult)> done) const {
  const auto finish = [this, &item, via, done = std::move(done)](absl::StatusOr<Principal> principal) {
    absl::StatusOr<v1::IssueParticipantTokenResponse> issued =
        principal.ok() ? Issue(*principal, via, item.request(), HostOf(item.host()).value_or(""),
                               item.max_token_bytes(), item.sandbox_id())
                       : absl::StatusOr<v1::IssueParticipantTokenResponse>(principal.status());
    RelayedResult result;
    if (issued.ok()) {
      *result.mutable_token() = *std::move(issued);
    } else {
      *result.mutable_error() = ToError(issued.status());
      Refused("BatchIssueParticipantTokens", kUnknownCaller, item.request_id(), issued.status());
    }
    done(std::move(result));
  };
  Credentials credentials;
  for (const auto& credential : item.credentials()) {
    // No end user has a credential there. Leaving it out would make its sender anonymous, which is for those who
    // present nothing.
    if (credential.header() == kCallerHeader) return finish(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)));
    credentials.headers.push_back({credential.header(), credential.value()});
  }
  if (item.has_trusted_headers()) {
    auto& trusted = credentials.trusted_headers.emplace();
    for (const auto& header : item.trusted_headers().headers()) trusted.push_back({header.header(), header.value()});
  }
  state_->authenticators.Authenticate(credentials, clock_.Now(), finish);
}

void TokenAuthority::AuthenticateCaller(const CallContext& context, WithService done) const {
  auto presented = PresentedIn(context);
  if (!presented.ok()) return done(presented.status());
  auto& [caller, own] = *presented;
  if (!caller.empty()) DropSilentProxy(own);
  if (!caller.empty() && !own.empty()) return done(Refuse(v1::AMBIGUOUS_CREDENTIALS));
  state_->authenticators.Authenticate(caller.empty() ? own : caller, clock_.Now(),
                                      [this, done](absl::StatusOr<Principal> principal) {
                                        if (!principal.ok()) return done(principal.status());
                                        const ServiceRules* service = state_->services.Find(*principal);
                                        if (service == nullptr) return done(Refuse(v1::METHOD_NOT_PERMITTED));
                                        done(service);
                                      });
}

void TokenAuthority::BatchIssueParticipantTokens(const CallContext& context,
                                                 const v1::BatchIssueParticipantTokensRequest& request,
                                                 Done<v1::BatchIssueParticipantTokensResponse> done) const {
  AuthenticateCaller(context, [this, &request, request_id = context.request_id,
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    const auto refuse = [&](std::string_view caller, const absl::Status& status) {
      Refused("BatchIssueParticipantTokens", caller, request_id, status);
      done(status);
    };
    if (!service.ok()) {
      // It is the gateway whose credential is bad, not an end user's.
      const bool unauthenticated = service.status().code() == absl::StatusCode::kUnauthenticated;
      return refuse(kUnknownCaller, unauthenticated ? Refuse(v1::CALLER_AUTHENTICATION_FAILED) : service.status());
    }
    if (!(*service)->relay) return refuse((*service)->name, Refuse(v1::METHOD_NOT_PERMITTED));
    const absl::Status size = CheckBatchSize(request.items_size(), request.ByteSizeLong(), kMaxIssueBatchBytes);
    if (!size.ok()) return refuse((*service)->name, size);

    struct Batch {
      std::atomic<int> left;
      v1::BatchIssueParticipantTokensResponse response;
      Done<v1::BatchIssueParticipantTokensResponse> done;
    };
    auto batch = std::make_shared<Batch>();
    batch->left = request.items_size();
    batch->done = done;
    for (int i = 0; i < request.items_size(); ++i) batch->response.add_results();
    for (int i = 0; i < request.items_size(); ++i) {
      // Every item has its own place in the response, so the items need no lock.
      IssueRelayed(request.items(i), *service, [batch, i](RelayedResult result) {
        *batch->response.mutable_results(i) = std::move(result);
        if (--batch->left == 0) batch->done(std::move(batch->response));
      });
    }
  });
}

absl::Status TokenAuthority::Mint(const ServiceRules& service, const v1::MintAccessTokenRequest& request, Time now,
                                  v1::Grants& grants, v1::MintAccessTokenResponse& response) const {
  const MintCeiling& ceiling = *service.mint;
  LKT_ASSIGN_OR_RETURN(const Project* project, FindProject(service, request.project()));
  SignOptions options;
  LKT_ASSIGN_OR_RETURN(options.ttl, TtlOf(request, ceiling));
  options.allow_sensitive_credentials = ceiling.sensitive_room_config;
  options.sfu_version = project->sfu_version;
  if (const absl::Status valid = CheckGrants(request.grants()); !valid.ok()) return PrefixFields(valid, "grants");
  grants = request.grants();
  if (const absl::Status within = ApplyCeiling(ceiling, grants); !within.ok()) return PrefixFields(within, "grants");
  if (state_->deny_list.Blocks(project->name, grants, now)) {
    return RefuseField(v1::PARTICIPANT_BLOCKED, "grants.identity", "is blocked");
  }
  auto signed_token = Sign(*project->signing_key, grants, options, now);
  if (!signed_token.ok()) return PrefixFields(signed_token.status(), "grants");
  metrics_.Issued(project->signing_key->id(), service.name, "minted");

  response.set_token(std::move(signed_token->token));
  SetTime(signed_token->expire_time, *response.mutable_expire_time());
  response.set_key_id(project->signing_key->id());
  response.set_jti(std::move(signed_token->jti));
  response.set_server_url(project->client_url);
  return absl::OkStatus();
}

void TokenAuthority::MintAccessToken(const CallContext& context, const v1::MintAccessTokenRequest& request,
                                     Done<v1::MintAccessTokenResponse> done) const {
  AuthenticateCaller(context, [this, &request, request_id = context.request_id,
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    const auto mint = [&]() -> absl::StatusOr<v1::MintAccessTokenResponse> {
      if (!service.ok()) return service.status();
      if ((*service)->mint == nullptr) return Refuse(v1::METHOD_NOT_PERMITTED);
      v1::Grants grants;
      v1::MintAccessTokenResponse response;
      LKT_RETURN_IF_ERROR(Mint(**service, request, clock_.Now(), grants, response));
      return response;
    };
    auto result = mint();
    if (!result.ok()) {
      Refused("MintAccessToken", service.ok() ? (*service)->name : kUnknownCaller, request_id, result.status());
    }
    done(std::move(result));
  });
}

absl::StatusOr<v1::BatchMintAccessTokensResponse> TokenAuthority::MintAll(
    const ServiceRules& service, const v1::BatchMintAccessTokensRequest& request) const {
  LKT_RETURN_IF_ERROR(CheckBatchSize(request.requests_size(), 0, 0));
  const Time now = clock_.Now();
  v1::Grants grants;
  v1::BatchMintAccessTokensResponse response;
  response.mutable_tokens()->Reserve(request.requests_size());
  std::size_t bytes = 0;
  for (int i = 0; i < request.requests_size(); ++i) {
    auto& token = *response.add_tokens();
    if (const absl::Status minted = Mint(service, request.requests(i), now, grants, token); !minted.ok()) {
      return PrefixFields(minted, "requests[" + std::to_string(i) + "]");
    }
    bytes += token.ByteSizeLong() + 8;  // and the framing of a repeated field
    if (bytes > kMaxMintBatchBytes) {
      return Refuse(v1::BATCH_SIZE_INVALID, "The tokens of this batch would have more than 16 MiB; split it.");
    }
  }
  return response;
}

void TokenAuthority::BatchMintAccessTokens(const CallContext& context, const v1::BatchMintAccessTokensRequest& request,
                                           Done<v1::BatchMintAccessTokensResponse> done) const {
  AuthenticateCaller(context, [this, &request, request_id = context.request_id,
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    auto result = !service.ok()                 ? absl::StatusOr<v1::BatchMintAccessTokensResponse>(service.status())
                  : (*service)->mint == nullptr ? Refuse(v1::METHOD_NOT_PERMITTED)
                                                : MintAll(**service, request);
    if (!result.ok()) {
      Refused("BatchMintAccessTokens", service.ok() ? (*service)->name : kUnknownCaller, request_id, result.status());
    }
    done(std::move(result));
  });
}

void TokenAuthority::VerifyAccessToken(const CallContext& context, const v1::VerifyAccessTokenRequest& request,
                                       Done<v1::VerifyAccessTokenResponse> done) const {
  AuthenticateCaller(context, [this, &request, request_id = context.request_id,
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    const absl::Status refusal = !service.ok()                     ? service.status()
                                 : (*service)->verifier == nullptr ? Refuse(v1::METHOD_NOT_PERMITTED)
                                                                   : absl::OkStatus();
    if (!refusal.ok()) {
      Refused("VerifyAccessToken", service.ok() ? (*service)->name : kUnknownCaller, request_id, refusal);
      return done(refusal);
    }
    const TokenVerifier& verifier = *(*service)->verifier;
    const bool join = request.check() == v1::VerifyAccessTokenRequest::JOIN;
    done(ToResponse(**service, join ? verifier.VerifyJoin(request.token(), clock_.Now())
                                    : verifier.Verify(request.token(), clock_.Now())));
  });
}

}  // namespace livekit::token
