#include "server/participant_token.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"
#include "server/authority_state.h"

namespace livekit::token {
namespace {

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

}  // namespace

absl::StatusOr<TokenPlan> PlanToken(const AuthorityState& state, const ParticipantRequest& asked, Time now,
                                    PolicyTrace* trace) {
  // A gateway's own identity must not become that of an end user who sent none, and whoever has stolen its key must not
  // get a token by relaying that.
  const ServiceRules* service = state.services.Find(asked.principal);
  if (service != nullptr && (service->relay || service->asserts) && !asked.principal.subject.empty()) {
    return Refuse(v1::NO_POLICY, "A program that speaks for end users has no tokens of its own.");
  }
  auto decided = state.policies.Decide(asked.principal, asked.request, asked.sandbox_id, trace);
  if (!decided.ok()) return decided.status();
  const Project& project = *decided->policy->project;
  if (asked.via != nullptr && !asked.via->MayUse(project)) return Refuse(v1::PROJECT_NOT_PERMITTED);
  if (state.deny_list.Blocks(project.name, decided->grants, now)) return Refuse(v1::PARTICIPANT_BLOCKED);
  absl::StatusOr<TokenPlan> plan(absl::in_place);
  plan->decision = *std::move(decided);
  plan->options.ttl = plan->policy().ttl;
  plan->options.sfu_version = project.sfu_version;
  return plan;
}

absl::Status CheckSignable(const TokenPlan& plan, const ParticipantRequest& asked,
                           const absl::StatusOr<std::size_t>& bytes) {
  if (!bytes.ok()) return ToRequestFields(bytes.status());
  int limit = asked.max_token_bytes;
  const int own_limit = plan.policy().max_token_bytes;
  if (own_limit > 0 && (limit <= 0 || own_limit < limit)) limit = own_limit;
  if (limit > 0 && *bytes > static_cast<std::size_t>(limit)) return TooLarge(asked.request);
  return absl::OkStatus();
}

std::string ServerUrl(const Project& project, std::string_view host) {
  if (!project.client_url.empty()) return project.client_url;
  if (host.empty()) host = "localhost";
  const bool v6 = host.find(':') != std::string_view::npos;
  return (v6 ? "ws://[" : "ws://") + std::string(host) + (v6 ? "]:7880" : ":7880");
}

absl::StatusOr<Credentials> RelayedCredentials(const google::protobuf::RepeatedPtrField<v1::Credential>& credentials,
                                               const v1::TrustedHeaders* trusted_headers) {
  Credentials relayed;
  for (const auto& credential : credentials) {
    // No end user has a credential there. Leaving it out would make its sender anonymous, which is for those who
    // present nothing.
    if (credential.header() == kCallerHeader) return WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED));
    relayed.headers.push_back({credential.header(), credential.value()});
  }
  if (trusted_headers != nullptr) {
    auto& trusted = relayed.trusted_headers.emplace();
    for (const auto& header : trusted_headers->headers()) trusted.push_back({header.header(), header.value()});
  }
  return relayed;
}

absl::Status CheckStatedSubject(const std::string& subject) {
  constexpr char kField[] = "principal.subject";
  if (subject.empty()) return RefuseField(v1::FIELD_REQUIRED, kField, "is required");
  if (subject.size() > kMaxSubjectBytes) {
    return RefuseField(v1::FIELD_TOO_LONG, kField, "has more than 256 bytes");
  }
  if (!IsPlainText(subject)) {
    return RefuseField(v1::FIELD_INVALID, kField, "must be UTF-8 without control characters");
  }
  return absl::OkStatus();
}

absl::StatusOr<Principal> AssertedBy(const ServiceRules& service, const std::string& subject,
                                     const google::protobuf::Struct& claims) {
  LKT_RETURN_IF_ERROR(CheckStatedSubject(subject));
  return Principal{"", subject, Claims::FromStruct(claims), service.name};
}

}  // namespace livekit::token
