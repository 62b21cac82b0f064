#include "server/policy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool Matches(const PolicyMatch& match, const Principal& principal, const std::string& room,
             std::string_view sandbox_id) {
  // One of the two is empty in a match as in a principal.
  if (match.authenticator.empty() && match.service.empty()) return false;
  if (match.authenticator != principal.authenticator || match.service != principal.service) return false;
  if (match.sandbox_ids.empty() ? !sandbox_id.empty() : !Contains(match.sandbox_ids, sandbox_id)) return false;
  if (!match.rooms.empty()) {
    const bool named = !room.empty() && std::any_of(match.rooms.begin(), match.rooms.end(),
                                                    [&](const std::string& glob) { return GlobMatches(glob, room); });
    if (!named) return false;
  }
  return HasScopes(principal.claims, match.scopes) &&
         std::all_of(match.claims.begin(), match.claims.end(),
                     [&](const ClaimCondition& condition) { return Meets(principal.claims, condition); });
}

absl::StatusOr<Decision> Apply(const PolicyRules& policy, const Principal& principal,
                               const livekit::TokenSourceRequest& request) {
  Decision decision{&policy, {}};
  v1::Grants& grants = decision.grants;
  *grants.mutable_video() = policy.grants;
  grants.mutable_video()->set_room_join(true);
  LKT_ASSIGN_OR_RETURN(*grants.mutable_video()->mutable_room(),
                       ResolveField(policy.room, kRoomField, request.room_name(), principal));
  LKT_ASSIGN_OR_RETURN(*grants.mutable_identity(),
                       ResolveField(policy.identity, kIdentityField, request.participant_identity(), principal));
  LKT_ASSIGN_OR_RETURN(*grants.mutable_name(),
                       ResolveField(policy.display_name, kDisplayNameField, request.participant_name(), principal));
  LKT_ASSIGN_OR_RETURN(*grants.mutable_metadata(),
                       ResolveField(policy.metadata, kMetadataField, request.participant_metadata(), principal));
  LKT_RETURN_IF_ERROR(
      ResolveAttributes(policy.attributes, request.participant_attributes(), principal, *grants.mutable_attributes()));
  LKT_RETURN_IF_ERROR(ResolveRoomConfig(policy.room_config, request.room_config(), principal, grants));
  return decision;
}

}  // namespace

absl::StatusOr<Decision> PolicySet::Decide(const Principal& principal, const livekit::TokenSourceRequest& request,
                                           std::string_view sandbox_id) const {
  const auto policy = std::find_if(policies_.begin(), policies_.end(), [&](const PolicyRules& candidate) {
    return Matches(candidate.match, principal, request.room_name(), sandbox_id);
  });
  if (policy == policies_.end()) return Refuse(v1::NO_POLICY);
  return Apply(*policy, principal, request);
}

absl::Status ToRequestFields(const absl::Status& status) {
  struct Renaming {
    std::string_view from;
    std::string_view to;
  };
  static constexpr std::array<Renaming, 5> kRenamings = {{{"video.room", "room_name"},
                                                          {"identity", "participant_identity"},
                                                          {"name", "participant_name"},
                                                          {"metadata", "participant_metadata"},
                                                          {"attributes", "participant_attributes"}}};
  v1::Error error = ToError(status);
  for (auto& violation : *error.mutable_fields()) {
    const auto renaming = std::find_if(kRenamings.begin(), kRenamings.end(),
                                       [&](const Renaming& r) { return violation.field() == r.from; });
    if (renaming != kRenamings.end()) violation.set_field(std::string(renaming->to));
  }
  return FromError(error);
}

}  // namespace livekit::token
