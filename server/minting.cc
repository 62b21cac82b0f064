#include "server/minting.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/status.h"
#include "livekit/token/grants.h"
#include "server/key_ledger.h"

namespace livekit::token {
namespace {

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

}  // namespace

absl::StatusOr<SignedToken> SignCounted(const Project& project, const v1::Grants& grants, const SignOptions& options,
                                        Time now, Metrics& metrics) {
  const auto start = std::chrono::steady_clock::now();
  auto signed_token = Sign(*project.signing_key, grants, options, now);
  if (signed_token.ok()) metrics.Signed(std::chrono::steady_clock::now() - start);
  return signed_token;
}

absl::Status MintToken(const AuthorityState& state, const ServiceRules& service,
                       const v1::MintAccessTokenRequest& request, Time now, Metrics& metrics, v1::Grants& grants,
                       v1::MintAccessTokenResponse& response, AuditEvent& event) {
  const MintCeiling& ceiling = *service.mint;
  LKT_ASSIGN_OR_RETURN(const Project* project, FindProject(service, request.project()));
  SignOptions options;
  LKT_ASSIGN_OR_RETURN(options.ttl, TtlOf(request, ceiling));
  options.allow_sensitive_credentials = ceiling.sensitive_room_config;
  options.sfu_version = project->sfu_version;
  if (const absl::Status valid = CheckGrants(request.grants()); !valid.ok()) return PrefixFields(valid, "grants");
  grants = request.grants();
  if (const absl::Status within = ApplyCeiling(ceiling, grants); !within.ok()) return PrefixFields(within, "grants");
  if (state.deny_list.Blocks(project->name, grants, now)) {
    return RefuseField(v1::PARTICIPANT_BLOCKED, "grants.identity", "is blocked");
  }
  auto signed_token = SignCounted(*project, grants, options, now, metrics);
  if (!signed_token.ok()) return PrefixFields(signed_token.status(), "grants");
  project->signing_record->Signed(signed_token->expire_time);
  NoteToken(project->name, project->signing_key->id(), grants, signed_token->jti, signed_token->expire_time, event);

  response.set_token(std::move(signed_token->token));
  response.mutable_expire_time()->set_seconds(UnixSeconds(signed_token->expire_time));
  response.set_key_id(project->signing_key->id());
  response.set_jti(std::move(signed_token->jti));
  response.set_server_url(project->client_url);
  return absl::OkStatus();
}

}  // namespace livekit::token
