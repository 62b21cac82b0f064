#include "server/authority.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/address.h"
#include "base/network.h"
#include "base/status.h"
#include "base/text.h"
#include "base/trace_context.h"
#include "livekit/token/access_token.h"
#include "livekit/token/grants.h"
#include "server/explain.h"
#include "server/key_ledger.h"
#include "server/minting.h"

namespace livekit::token {
namespace {

void SetTime(Time time, google::protobuf::Timestamp& out) { out.set_seconds(UnixSeconds(time)); }

void NoteService(const absl::StatusOr<const ServiceRules*>& service, AuditEvent& event) {
  if (service.ok()) event.caller = (*service)->name;
}

// Makes nothing of a peer that may be a proxy but says nothing.
void DropSilentProxy(Credentials& credentials) {
  if (credentials.trusted_headers && credentials.trusted_headers->empty()) credentials.trusted_headers.reset();
}

// Notes what an item of a batch says about its own request. The gateway has checked it; one that has not can only make
// its own record wrong.
void NoteRequest(const TokenAuthority::RelayedItem& item, AuditEvent& event) {
  event.request_id = IsRequestId(item.request_id()) ? item.request_id() : RandomName();
  const auto trace_id = TraceContext::TraceIdIn(item.traceparent());
  event.trace_id = trace_id ? *trace_id : TraceContext().trace_id();
  if (const auto address = IpAddress::Parse(item.client_address())) {
    // Of IPv4 addresses there is one form, of which a colon is no part.
    const bool has_one_form = item.client_address().find(':') == std::string::npos;
    event.client = has_one_form ? item.client_address() : address->ToString();
  }
}

absl::Status CheckBatchSize(int items, std::size_t bytes, std::size_t max_bytes) {
  if (items < 1 || items > TokenAuthority::kMaxBatchItems || bytes > max_bytes) return Refuse(v1::BATCH_SIZE_INVALID);
  return absl::OkStatus();
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

TokenAuthority::TokenAuthority(std::shared_ptr<const AuthorityState> state, const Clock& clock, Metrics& metrics,
                               AuthorityOptions options)
    : state_(std::move(state)),
      clock_(clock),
      metrics_(metrics),
      decisions_(options.audit, state_->audit_hash, std::move(options.generation), clock, metrics),
      admission_(state_->rate_limits, clock, metrics,
                 options.load != nullptr ? std::move(options.load) : std::make_shared<Load>()) {}

template <typename Response>
bool TokenAuthority::Enter(std::string_view method, const CallContext& context, Done<Response>& done, int items) const {
  auto place = admission_.Enter(items);
  if (!place.ok()) {
    decisions_.Conclude(decisions_.Begin(method, context), absl::StatusOr<Response>(place.status()), done);
    return false;
  }
  if (*place != nullptr) {
    done = [place = *std::move(place), done = std::move(done)](absl::StatusOr<Response>&& result) {
      done(std::move(result));
    };
  }
  return true;
}

absl::StatusOr<v1::IssueParticipantTokenResponse> TokenAuthority::Issue(const ParticipantRequest& asked,
                                                                        std::string_view host,
                                                                        AuditEvent& event) const {
  const Time now = clock_.Now();
  event.time = now;
  event.authenticator = asked.principal.authenticator;
  event.principal = asked.principal.subject;
  const Requester requester(asked.principal, event.client);
  LKT_RETURN_IF_ERROR(admission_.Issue(requester));
  const auto decided = PlanToken(*state_, asked, now);
  if (!decided.ok()) {
    const PolicyRules* policy = state_->policies.Find(asked.principal, asked.request.room_name(), asked.sandbox_id);
    if (policy != nullptr) event.policy = policy->name;
    return decided.status();
  }
  const TokenPlan& plan = *decided;
  event.policy = plan.policy().name;
  const v1::Grants& grants = plan.decision.grants;
  LKT_RETURN_IF_ERROR(admission_.Dispatch(requester, AgentsIn(grants)));
  const ApiKey& key = *plan.project().signing_key;
  auto signed_token = SignCounted(plan.project(), grants, plan.options, now, metrics_);
  LKT_RETURN_IF_ERROR(CheckSignable(plan, asked,
                                    signed_token.ok() ? absl::StatusOr<std::size_t>(signed_token->token.size())
                                                      : absl::StatusOr<std::size_t>(signed_token.status())));
  plan.project().signing_record->Signed(signed_token->expire_time);
  NoteToken(plan.project().name, key.id(), grants, signed_token->jti, signed_token->expire_time, event);

  v1::IssueParticipantTokenResponse response;
  response.set_server_url(ServerUrl(plan.project(), host));
  response.set_participant_token(std::move(signed_token->token));
  response.set_room_name(grants.video().room());
  response.set_participant_identity(grants.identity());
  response.set_participant_name(grants.name());
  SetTime(signed_token->expire_time, *response.mutable_expire_time());
  response.set_key_id(key.id());
  response.set_jti(std::move(signed_token->jti));
  return response;
}

absl::StatusOr<TokenAuthority::Presented> TokenAuthority::PresentedIn(const CallContext& context) const {
  Presented presented{state_->authenticators.CallerOf(context.caller), context.credentials};
  LKT_RETURN_IF_ERROR(state_->authenticators.SortHeaders(context.peer_address, presented.principal));
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
        if (service != nullptr) {
          if (auto limited = admission_.Call(*service); !limited.ok()) return done(std::move(limited), service);
        }
        state_->authenticators.Authenticate(
            credentials, clock_.Now(),
            [service, done](absl::StatusOr<Principal> principal) { done(std::move(principal), service); });
      });
}

void TokenAuthority::IssueParticipantToken(const CallContext& context, const v1::IssueParticipantTokenRequest& request,
                                           Done<v1::IssueParticipantTokenResponse> done) const {
  if (!Enter("IssueParticipantToken", context, done)) return;
  if (request.has_principal()) return IssueAsserted(context, request, std::move(done));
  AuthenticatePrincipal(
      context, [this, &request, host = context.host, begun = decisions_.Begin("IssueParticipantToken", context),
                done = std::move(done)](absl::StatusOr<Principal> principal, const ServiceRules* via) {
        AuditEvent event = begun;
        if (via != nullptr) event.caller = via->name;
        auto result = principal.ok() ? Issue({*principal, via, request.request()}, host, event)
                                     : admission_.Unauthenticated(principal.status(), begun.client);
        decisions_.Conclude(std::move(event), std::move(result), done);
      });
}

void TokenAuthority::IssueAsserted(const CallContext& context, const v1::IssueParticipantTokenRequest& request,
                                   Done<v1::IssueParticipantTokenResponse> done) const {
  AuthenticateCaller(
      context, [this, &request, host = context.host, begun = decisions_.Begin("IssueParticipantToken", context),
                done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
        AuditEvent event = begun;
        NoteService(service, event);
        const auto issue = [&]() -> absl::StatusOr<v1::IssueParticipantTokenResponse> {
          const bool known = service.ok() || ReasonOf(service.status()) == v1::METHOD_NOT_PERMITTED;
          if (!known) return service.status();
          if (!service.ok() || !(*service)->asserts) {
            return RefuseField(v1::METHOD_NOT_PERMITTED, "principal", "may be stated only by programs with `assert`");
          }
          LKT_RETURN_IF_ERROR(admission_.Call(**service));
          const v1::AssertedPrincipal& stated = request.principal();
          LKT_ASSIGN_OR_RETURN(const Principal principal, AssertedBy(**service, stated.subject(), stated.claims()));
          return Issue({principal, *service, request.request()}, host, event);
        };
        auto result = issue();
        decisions_.Conclude(std::move(event), std::move(result), done);
      });
}

void TokenAuthority::IssueRelayed(const RelayedItem& item, std::function<void(RelayedResult&&)> done) const {
  IssueRelayed(item, /*via=*/nullptr, std::move(done));
}

void TokenAuthority::IssueRelayed(const RelayedItem& item, const ServiceRules* via,
                                  std::function<void(RelayedResult&&)> done) const {
  const auto place = admission_.Enter();
  Done<v1::IssueParticipantTokenResponse> answer =
      [place, done = std::move(done)](absl::StatusOr<v1::IssueParticipantTokenResponse>&& issued) {
        RelayedResult result;
        if (issued.ok()) {
          *result.mutable_token() = *std::move(issued);
        } else {
          *result.mutable_error() = ToError(issued.status());
        }
        done(std::move(result));
      };
  auto finish = [this, &item, via, answer = std::move(answer)](absl::StatusOr<Principal> principal) {
    AuditEvent event = decisions_.Begin("BatchIssueParticipantTokens");
    NoteRequest(item, event);
    if (via != nullptr) event.caller = via->name;
    auto issued = principal.ok() ? Issue({*principal, via, item.request(), item.sandbox_id(), item.max_token_bytes()},
                                         HostOf(item.host()).value_or(""), event)
                                 : admission_.Unauthenticated(principal.status(), event.client);
    decisions_.Conclude(std::move(event), std::move(issued), answer);
  };
  if (!place.ok()) return finish(place.status());
  if (via != nullptr) {
    if (auto limited = admission_.Call(*via); !limited.ok()) return finish(std::move(limited));
  }
  const auto credentials =
      RelayedCredentials(item.credentials(), item.has_trusted_headers() ? &item.trusted_headers() : nullptr);
  if (!credentials.ok()) return finish(credentials.status());
  state_->authenticators.Authenticate(*credentials, clock_.Now(), std::move(finish));
}

void TokenAuthority::AuthenticateCaller(const CallContext& context, WithService done) const {
  auto presented = PresentedIn(context);
  if (!presented.ok()) return done(admission_.Unauthenticated(presented.status(), context.peer_address));
  auto& [caller, own] = *presented;
  if (!caller.empty()) DropSilentProxy(own);
  if (!caller.empty() && !own.empty()) return done(Refuse(v1::AMBIGUOUS_CREDENTIALS));
  state_->authenticators.Authenticate(
      caller.empty() ? own : caller, clock_.Now(),
      [this, address = context.peer_address, done](absl::StatusOr<Principal> principal) {
        if (!principal.ok()) {
          return done(admission_.Unauthenticated(principal.status(), address));
        }
        const ServiceRules* service = state_->services.Find(*principal);
        if (service == nullptr) return done(Refuse(v1::METHOD_NOT_PERMITTED));
        done(service);
      });
}

void TokenAuthority::BatchIssueParticipantTokens(const CallContext& context,
                                                 const v1::BatchIssueParticipantTokensRequest& request,
                                                 Done<v1::BatchIssueParticipantTokensResponse> done) const {
  if (!Enter("BatchIssueParticipantTokens", context, done)) return;
  AuthenticateCaller(context, [this, &request, begun = decisions_.Begin("BatchIssueParticipantTokens", context),
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    const auto refuse = [&](const std::string& caller, const absl::Status& status) {
      AuditEvent event = begun;
      event.caller = caller;
      decisions_.Conclude(std::move(event), absl::StatusOr<v1::BatchIssueParticipantTokensResponse>(status), done);
    };
    if (!service.ok()) {
      // It is the gateway whose credential is bad, not an end user's.
      const bool unauthenticated = service.status().code() == absl::StatusCode::kUnauthenticated;
      return refuse("", unauthenticated ? Refuse(v1::CALLER_AUTHENTICATION_FAILED) : service.status());
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
      IssueRelayed(request.items(i), *service, [batch, i](RelayedResult&& result) {
        *batch->response.mutable_results(i) = std::move(result);
        if (--batch->left == 0) batch->done(std::move(batch->response));
      });
    }
  });
}

void TokenAuthority::MintAccessToken(const CallContext& context, const v1::MintAccessTokenRequest& request,
                                     Done<v1::MintAccessTokenResponse> done) const {
  if (!Enter("MintAccessToken", context, done)) return;
  AuthenticateCaller(context, [this, &request, begun = decisions_.Begin("MintAccessToken", context),
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    AuditEvent event = begun;
    NoteService(service, event);
    const auto mint = [&]() -> absl::StatusOr<v1::MintAccessTokenResponse> {
      if (!service.ok()) return service.status();
      LKT_RETURN_IF_ERROR(admission_.Call(**service));
      if ((*service)->mint == nullptr) return Refuse(v1::METHOD_NOT_PERMITTED);
      LKT_RETURN_IF_ERROR(admission_.Dispatch(**service, AgentsIn(request.grants())));
      v1::Grants grants;
      v1::MintAccessTokenResponse response;
      LKT_RETURN_IF_ERROR(MintToken(*state_, **service, request, clock_.Now(), metrics_, grants, response, event));
      return response;
    };
    auto result = mint();
    decisions_.Conclude(std::move(event), std::move(result), done);
  });
}

absl::StatusOr<v1::BatchMintAccessTokensResponse> TokenAuthority::MintAll(
    const ServiceRules& service, const v1::BatchMintAccessTokensRequest& request, const AuditEvent& call,
    std::vector<AuditEvent>& events) const {
  LKT_RETURN_IF_ERROR(CheckBatchSize(request.requests_size(), 0, 0));
  LKT_RETURN_IF_ERROR(admission_.Call(service, request.requests_size()));
  if (service.mint == nullptr) return Refuse(v1::METHOD_NOT_PERMITTED);
  // All or none: a batch that is refused must not have spent what a smaller one could have used.
  int agents = 0;
  for (const auto& asked : request.requests()) agents += AgentsIn(asked.grants());
  LKT_RETURN_IF_ERROR(admission_.Dispatch(service, agents));
  const Time now = clock_.Now();
  v1::Grants grants;
  v1::BatchMintAccessTokensResponse response;
  response.mutable_tokens()->Reserve(request.requests_size());
  std::size_t bytes = 0;
  for (int i = 0; i < request.requests_size(); ++i) {
    auto& token = *response.add_tokens();
    AuditEvent& event = events.emplace_back(call);
    if (const absl::Status minted =
            MintToken(*state_, service, request.requests(i), now, metrics_, grants, token, event);
        !minted.ok()) {
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
  if (!Enter("BatchMintAccessTokens", context, done, std::max(request.requests_size(), 1))) return;
  AuthenticateCaller(context, [this, &request, begun = decisions_.Begin("BatchMintAccessTokens", context),
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    AuditEvent call = begun;
    NoteService(service, call);
    std::vector<AuditEvent> events;
    auto result = service.ok() ? MintAll(**service, request, call, events)
                               : absl::StatusOr<v1::BatchMintAccessTokensResponse>(service.status());
    if (!result.ok()) return decisions_.Conclude(std::move(call), std::move(result), done);
    decisions_.Conclude(std::move(events), std::move(result), done);
  });
}

void TokenAuthority::VerifyAccessToken(const CallContext& context, const v1::VerifyAccessTokenRequest& request,
                                       Done<v1::VerifyAccessTokenResponse> done) const {
  if (!Enter("VerifyAccessToken", context, done)) return;
  AuthenticateCaller(context, [this, &request, begun = decisions_.Begin("VerifyAccessToken", context),
                               done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
    absl::Status refusal = service.ok() ? admission_.Call(**service) : service.status();
    if (refusal.ok() && (*service)->verifier == nullptr) refusal = Refuse(v1::METHOD_NOT_PERMITTED);
    if (!refusal.ok()) {
      AuditEvent event = begun;
      NoteService(service, event);
      return decisions_.Conclude(std::move(event), absl::StatusOr<v1::VerifyAccessTokenResponse>(refusal), done);
    }
    const TokenVerifier& verifier = *(*service)->verifier;
    const bool join = request.check() == v1::VerifyAccessTokenRequest::JOIN;
    done(ToResponse(**service, join ? verifier.VerifyJoin(request.token(), clock_.Now())
                                    : verifier.Verify(request.token(), clock_.Now())));
  });
}

void TokenAuthority::ExplainParticipantToken(const CallContext& context,
                                             const v1::ExplainParticipantTokenRequest& request,
                                             Done<v1::ExplainParticipantTokenResponse> done) const {
  if (!Enter("ExplainParticipantToken", context, done)) return;
  AuthenticateCaller(
      context, [this, &request, host = context.host, begun = decisions_.Begin("ExplainParticipantToken", context),
                done = std::move(done)](absl::StatusOr<const ServiceRules*> service) {
        AuditEvent event = begun;
        NoteService(service, event);
        event.outcome = kExplained;
        const auto finish = [this, event, done](absl::StatusOr<v1::ExplainParticipantTokenResponse>&& result) {
          decisions_.Conclude(AuditEvent(event), std::move(result), done);
        };
        if (!service.ok()) return finish(service.status());
        if (auto limited = admission_.Call(**service); !limited.ok()) return finish(std::move(limited));
        if (!(*service)->explain) return finish(Refuse(v1::METHOD_NOT_PERMITTED));
        Explain(*state_, **service, request, host, clock_, finish);
      });
}

}  // namespace livekit::token
