#include "server/policy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

constexpr char kNotForClients[] = "may not be set by the client";

// The value of a string field, which is empty if there is none.
absl::StatusOr<std::string> Resolve(const FieldRule& rule, const std::string& sent, std::string_view field,
                                    v1::ErrorReason refusal, const Principal& principal) {
  if (rule.value.has_value()) {
    LKT_ASSIGN_OR_RETURN(std::string forced, rule.value->Render(principal));
    // Client code that states what it would get anyway keeps working.
    if (sent.empty() || sent == forced) return forced;
    return RefuseField(refusal, field, "must be left out or equal the value that the policy sets");
  }
  if (!sent.empty()) {
    if (rule.mode == FieldRule::Mode::kAllow) return sent;
    return RefuseField(v1::FIELD_NOT_PERMITTED, field, kNotForClients);
  }
  if (rule.default_value.has_value()) return rule.default_value->Render(principal);
  return std::string();
}

// Resolve for a field that every token needs.
absl::StatusOr<std::string> ResolveRequired(const FieldRule& rule, const std::string& sent, std::string_view field,
                                            v1::ErrorReason refusal, const Principal& principal) {
  LKT_ASSIGN_OR_RETURN(std::string value, Resolve(rule, sent, field, refusal, principal));
  if (value.empty()) return RefuseField(v1::FIELD_REQUIRED, field, "is required");
  return value;
}

// Mobile SDKs always send `room_config`, empty or with an empty agent, when the app asked for nothing.
bool AsksForNothing(const livekit::RoomConfiguration& config) {
  livekit::RoomConfiguration rest = config;
  rest.clear_agents();
  return rest.ByteSizeLong() == 0 && std::all_of(config.agents().begin(), config.agents().end(),
                                                 [](const auto& agent) { return agent.ByteSizeLong() == 0; });
}

absl::Status CheckRoomConfig(const RoomConfigRule& rule, const livekit::RoomConfiguration& config) {
  if (!rule.allowed) {
    if (AsksForNothing(config)) return absl::OkStatus();
    return RefuseField(v1::FIELD_NOT_PERMITTED, "room_config", kNotForClients);
  }
  if (config.has_egress() && !rule.egress) {
    return RefuseField(v1::FIELD_NOT_PERMITTED, "room_config.egress", kNotForClients);
  }
  // Empty ones count too, since they are signed as sent and each dispatches a worker that has no name.
  if (config.agents_size() > rule.max_agents) {
    return RefuseField(v1::AGENT_NOT_PERMITTED, "room_config.agents", "names more agents than permitted");
  }
  for (int i = 0; i < config.agents_size(); ++i) {
    const auto& agent = config.agents(i);
    if (agent.ByteSizeLong() == 0) continue;
    const bool matches = std::any_of(rule.agents.begin(), rule.agents.end(),
                                     [&](const std::string& glob) { return GlobMatches(glob, agent.agent_name()); });
    if (!matches) {
      return RefuseField(v1::AGENT_NOT_PERMITTED, "room_config.agents[" + std::to_string(i) + "].agent_name",
                         "is not an agent that may be dispatched");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Decision> Apply(const PolicyRules& policy, const Principal& principal,
                               const livekit::TokenSourceRequest& request) {
  Decision decision{&policy, {}};
  v1::Grants& grants = decision.grants;
  *grants.mutable_video() = policy.grants;
  grants.mutable_video()->set_room_join(true);
  LKT_ASSIGN_OR_RETURN(
      *grants.mutable_video()->mutable_room(),
      ResolveRequired(policy.room, request.room_name(), "room_name", v1::ROOM_NOT_PERMITTED, principal));
  LKT_ASSIGN_OR_RETURN(*grants.mutable_identity(),
                       ResolveRequired(policy.identity, request.participant_identity(), "participant_identity",
                                       v1::IDENTITY_NOT_PERMITTED, principal));
  LKT_ASSIGN_OR_RETURN(*grants.mutable_name(), Resolve(policy.display_name, request.participant_name(),
                                                       "participant_name", v1::FIELD_NOT_PERMITTED, principal));
  LKT_ASSIGN_OR_RETURN(*grants.mutable_metadata(), Resolve(policy.metadata, request.participant_metadata(),
                                                           "participant_metadata", v1::FIELD_NOT_PERMITTED, principal));
  if (!request.participant_attributes().empty()) {
    if (!policy.attributes_allowed) {
      return RefuseField(v1::FIELD_NOT_PERMITTED, "participant_attributes", kNotForClients);
    }
    *grants.mutable_attributes() = request.participant_attributes();
  }
  const livekit::RoomConfiguration& config = request.room_config();
  LKT_RETURN_IF_ERROR(CheckRoomConfig(policy.room_config, config));
  if (policy.room_config.allowed && config.ByteSizeLong() != 0) *grants.mutable_room_config() = config;
  return decision;
}

}  // namespace

absl::StatusOr<Decision> PolicySet::Decide(const Principal& principal,
                                           const livekit::TokenSourceRequest& request) const {
  const auto policy = std::find_if(policies_.begin(), policies_.end(), [&](const PolicyRules& candidate) {
    return candidate.authenticator == principal.authenticator;
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
