#include "server/explain.h"

#include <utility>
#include <vector>

#include "base/status.h"
#include "livekit/token/access_token.h"
#include "livekit/token/room_config.h"
#include "server/authority_state.h"
#include "server/policy_trace.h"

namespace livekit::token {
namespace {

using Request = v1::ExplainParticipantTokenRequest;
using Response = v1::ExplainParticipantTokenResponse;

Response::Source ToSource(ValueSource source) {
  switch (source) {
    case ValueSource::kClient:
      return Response::CLIENT;
    case ValueSource::kPolicyDefault:
      return Response::POLICY_DEFAULT;
    case ValueSource::kPolicyValue:
      return Response::POLICY_VALUE;
    case ValueSource::kNone:
      break;
  }
  return Response::SOURCE_UNSPECIFIED;
}

// Writes the way to the decision, as far as `reader` may see it.
void WriteTrace(const PolicyTrace& trace, const ServiceRules* reader, Response& response) {
  for (const auto& [rules, result] : trace.policies) {
    if (reader != nullptr && !reader->MayUse(*rules->project)) continue;
    auto& policy = *response.add_policies();
    policy.set_name(rules->name);
    policy.set_matched(result.matches());
    policy.set_message(Describe(result, rules->match));
  }
  for (const auto& [name, source, refusal, ignored] : trace.fields) {
    auto& field = *response.add_fields();
    field.set_field(std::string(name));
    field.set_source(ToSource(source));
    if (!refusal.ok()) *field.mutable_refusal() = ToError(refusal);
    field.set_ignored(ignored);
  }
}

// The grants as the token would have them.
v1::Grants SignedGrants(const TokenPlan& plan) {
  v1::Grants grants = plan.decision.grants;
  if (grants.has_room_config() && plan.options.sfu_version) {
    PruneForSfu(*plan.options.sfu_version, *grants.mutable_room_config());
  }
  return grants;
}

void WritePrincipal(const Principal& principal, Response& response) {
  auto& out = *response.mutable_principal();
  out.set_authenticator(principal.authenticator);
  out.set_service(principal.service);
  out.set_subject(principal.subject);
  const google::protobuf::Struct claims = principal.claims.ToStruct();
  if (!claims.fields().empty()) *out.mutable_claims() = claims;
}

absl::Status CheckAnonymous(const Request::Principal& stated) {
  constexpr char kNothingKnown[] = "is not known of anonymous callers";
  if (!stated.subject().empty()) return RefuseField(v1::FIELD_INVALID, "principal.subject", kNothingKnown);
  if (!stated.claims().fields().empty()) return RefuseField(v1::FIELD_INVALID, "principal.claims", kNothingKnown);
  return absl::OkStatus();
}

// The service that relays the request; null if it names none.
absl::StatusOr<const ServiceRules*> FindVia(const AuthorityState& state, const std::string& name) {
  if (name.empty()) return nullptr;
  const ServiceRules* via = state.services.FindByName(name);
  if (via != nullptr && (via->relay || via->asserts)) return via;
  return RefuseField(v1::FIELD_INVALID, "via", "is not the name of a service with `relay` or `assert`");
}

}  // namespace

absl::StatusOr<ImaginedPrincipal> ImaginePrincipal(const AuthorityState& state, const Request::Principal& stated) {
  const std::string& authenticator = stated.authenticator();
  if (stated.service().empty()) {
    constexpr char kField[] = "principal.authenticator";
    if (authenticator.empty()) return RefuseField(v1::FIELD_INVALID, kField, "is required, or `service`");
    if (state.authenticator_names.count(authenticator) == 0) {
      return RefuseField(v1::FIELD_INVALID, kField, "is not the name of an authenticator");
    }
    LKT_RETURN_IF_ERROR(authenticator == state.authenticators.anonymous() ? CheckAnonymous(stated)
                                                                          : CheckStatedSubject(stated.subject()));
    return ImaginedPrincipal{{authenticator, stated.subject(), Claims::FromStruct(stated.claims())}, nullptr};
  }
  constexpr char kField[] = "principal.service";
  if (!authenticator.empty()) return RefuseField(v1::FIELD_INVALID, kField, "does not go with `authenticator`");
  const ServiceRules* service = state.services.FindByName(stated.service());
  if (service == nullptr || !service->asserts) {
    return RefuseField(v1::FIELD_INVALID, kField, "is not the name of a service with `assert`");
  }
  LKT_ASSIGN_OR_RETURN(Principal principal, AssertedBy(*service, stated.subject(), stated.claims()));
  return ImaginedPrincipal{std::move(principal), service};
}

absl::StatusOr<Response> ExplainDecision(const AuthorityState& state, const ParticipantRequest& asked,
                                         std::string_view host, Time now, const ServiceRules* reader) {
  PolicyTrace trace;
  const auto plan = PlanToken(state, asked, now, &trace);
  Response response;
  if (!trace.policies.empty() && trace.policies.back().result.matches()) {
    const Project& project = *trace.policies.back().rules->project;
    if (reader != nullptr && !reader->MayUse(project)) {
      return Refuse(v1::PROJECT_NOT_PERMITTED,
                    "The policy that applies is of a project that the calling program may not use.");
    }
    response.set_project(project.name);
  }
  WritePrincipal(asked.principal, response);
  WriteTrace(trace, reader, response);
  absl::Status refusal = plan.status();
  if (plan.ok()) {
    refusal = CheckSignable(*plan, asked,
                            MeasureToken(*plan->project().signing_key, plan->decision.grants, plan->options, now));
  }
  if (!refusal.ok()) {
    *response.mutable_refusal() = ToError(refusal);
    return response;
  }
  *response.mutable_grants() = SignedGrants(*plan);
  response.mutable_ttl()->set_seconds(plan->options.ttl.count());
  response.set_server_url(ServerUrl(plan->project(), host));
  return response;
}

void Explain(const AuthorityState& state, const ServiceRules& reader, const Request& request, std::string host,
             const Clock& clock, const std::function<void(absl::StatusOr<Response>)>& done) {
  const auto via = FindVia(state, request.via());
  if (!via.ok()) return done(via.status());
  const auto explain = [&state, &reader, &request, host = std::move(host), &clock](const Principal& principal,
                                                                                   const ServiceRules* through) {
    return ExplainDecision(state,
                           {principal, through, request.request(), request.sandbox_id(), request.max_token_bytes()},
                           host, clock.Now(), &reader);
  };
  if (request.has_principal()) {
    const auto imagined = ImaginePrincipal(state, request.principal());
    if (!imagined.ok()) return done(imagined.status());
    if (imagined->via != nullptr && *via != nullptr && imagined->via != *via) {
      return done(
          RefuseField(v1::FIELD_INVALID, "via", "must be left out or be the service that states the principal"));
    }
    return done(explain(imagined->principal, imagined->via != nullptr ? imagined->via : *via));
  }
  const auto finish = [explain, via = *via, done](absl::StatusOr<Principal> principal,
                                                  std::vector<AuthenticatorVerdict> verdicts) {
    auto response = principal.ok() ? explain(*principal, via) : absl::StatusOr<Response>(Response());
    if (!response.ok()) return done(std::move(response));
    if (!principal.ok()) *response->mutable_refusal() = ToError(principal.status());
    for (auto& verdict : verdicts) {
      auto& authenticator = *response->add_authenticators();
      authenticator.set_name(std::move(verdict.name));
      authenticator.set_selected(verdict.selected);
      authenticator.set_message(std::move(verdict.message));
    }
    done(std::move(response));
  };
  const Request::Presented& presented = request.presented();
  const auto credentials = RelayedCredentials(presented.credentials(),
                                              presented.has_trusted_headers() ? &presented.trusted_headers() : nullptr);
  if (!credentials.ok()) return finish(credentials.status(), {});
  state.authenticators.Explain(*credentials, clock.Now(), finish);
}

}  // namespace livekit::token
