#include "server/room_config_rule.h"

#include <algorithm>
#include <string_view>

#include "base/status.h"
#include "base/text.h"
#include "google/protobuf/util/message_differencer.h"
#include "livekit/token/grants.h"

namespace livekit::token {
namespace {

constexpr char kField[] = "room_config";
constexpr char kNotForClients[] = "may not be set by the client";

bool MatchesAny(const std::vector<std::string>& globs, std::string_view text) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return GlobMatches(glob, text); });
}

std::string At(std::string_view member) { return std::string(kField) + "." + std::string(member); }

absl::Status NotPermitted(std::string_view member) {
  return RefuseField(v1::FIELD_NOT_PERMITTED, At(member), kNotForClients);
}

absl::Status TooLong(std::string_view member, std::size_t limit) {
  return RefuseField(v1::FIELD_TOO_LONG, At(member), "has more than " + std::to_string(limit) + " bytes of UTF-8");
}

// Mobile SDKs always send `room_config`, empty or with an empty agent, when the app asked for nothing.
bool AsksForNothing(const livekit::RoomConfiguration& config) {
  const bool empty_agents = std::all_of(config.agents().begin(), config.agents().end(),
                                        [](const auto& agent) { return agent.ByteSizeLong() == 0; });
  if (!empty_agents) return false;
  if (config.agents().empty()) return config.ByteSizeLong() == 0;
  livekit::RoomConfiguration rest = config;
  rest.clear_agents();
  return rest.ByteSizeLong() == 0;
}

absl::Status CheckLimit(std::uint32_t asked, const std::optional<std::uint32_t>& most, std::string_view member) {
  if (asked == 0) return absl::OkStatus();
  if (!most) return NotPermitted(member);
  if (asked > *most) return RefuseField(v1::FIELD_NOT_PERMITTED, At(member), "is more than permitted");
  return absl::OkStatus();
}

absl::Status CheckText(const std::string& text, const std::string& member) {
  if (const auto problem = TextProblem(text, TextUse::kKey); !problem.empty()) {
    return RefuseField(v1::FIELD_INVALID, At(member), problem);
  }
  return absl::OkStatus();
}

absl::Status CheckAgent(const RoomConfigRule& rule, const livekit::RoomAgentDispatch& agent, const std::string& place) {
  LKT_RETURN_IF_ERROR(CheckText(agent.agent_name(), place + ".agent_name"));
  if (!MatchesAny(rule.agents, agent.agent_name())) {
    return RefuseField(v1::AGENT_NOT_PERMITTED, At(place + ".agent_name"), "is not an agent that may be dispatched");
  }
  LKT_RETURN_IF_ERROR(CheckText(agent.deployment(), place + ".deployment"));
  if (!agent.deployment().empty() && !MatchesAny(rule.deployments, agent.deployment())) {
    return RefuseField(v1::AGENT_NOT_PERMITTED, At(place + ".deployment"),
                       "is not a deployment that may be asked from");
  }
  std::size_t bytes = agent.metadata().size();
  for (const auto& [key, value] : agent.attributes()) {
    bytes += key.size() + value.size();
    LKT_RETURN_IF_ERROR(CheckText(key, place + ".attributes"));
    if (IsReservedKey(key)) {
      return RefuseField(v1::FIELD_NOT_PERMITTED, At(place + ".attributes"), "has a key that is reserved for LiveKit");
    }
  }
  if (bytes > rule.max_metadata_bytes) return TooLong(place + ".metadata", rule.max_metadata_bytes);
  return absl::OkStatus();
}

absl::Status CheckAgents(const RoomConfigRule& rule, const livekit::RoomConfiguration& config) {
  // Empty ones count too, since they are signed as sent and each dispatches a worker that has no name.
  if (config.agents_size() > rule.max_agents) {
    return RefuseField(v1::AGENT_NOT_PERMITTED, At("agents"), "names more agents than permitted");
  }
  for (int i = 0; i < config.agents_size(); ++i) {
    if (config.agents(i).ByteSizeLong() == 0) continue;
    LKT_RETURN_IF_ERROR(CheckAgent(rule, config.agents(i), "agents[" + std::to_string(i) + "]"));
  }
  return absl::OkStatus();
}

// Checks what a client may choose: every field of the message has its verdict here (a test counts them).
absl::Status CheckChosen(const RoomConfigRule& rule, const livekit::RoomConfiguration& config) {
  // LiveKit does not use it when somebody joins: the room is the grant's.
  if (config.name().size() > kMaxRoomNameBytes) {
    return RefuseField(v1::FIELD_TOO_LONG, At("name"), "is longer than 256 bytes");
  }
  LKT_RETURN_IF_ERROR(CheckText(config.name(), "name"));
  const RoomLimits& limits = rule.limits;
  LKT_RETURN_IF_ERROR(CheckLimit(config.empty_timeout(), limits.empty_timeout, "empty_timeout"));
  LKT_RETURN_IF_ERROR(CheckLimit(config.departure_timeout(), limits.departure_timeout, "departure_timeout"));
  LKT_RETURN_IF_ERROR(CheckLimit(config.max_participants(), limits.max_participants, "max_participants"));
  LKT_RETURN_IF_ERROR(CheckLimit(config.min_playout_delay(), limits.max_playout_delay, "min_playout_delay"));
  LKT_RETURN_IF_ERROR(CheckLimit(config.max_playout_delay(), limits.max_playout_delay, "max_playout_delay"));
  if (config.sync_streams() && !limits.sync_streams) return NotPermitted("sync_streams");
  if (config.metadata().size() > rule.max_metadata_bytes) return TooLong("metadata", rule.max_metadata_bytes);
  if (config.has_egress() && !rule.egress) return NotPermitted("egress");
  for (const auto& [key, value] : config.tags()) {
    LKT_RETURN_IF_ERROR(CheckText(key, "tags"));
    if (!MatchesAny(rule.tags, key)) return NotPermitted("tags");
  }
  return CheckAgents(rule, config);
}

}  // namespace

absl::StatusOr<ValueSource> ResolveRoomConfig(const RoomConfigRule& rule, const livekit::RoomConfiguration& sent,
                                              const Principal& principal, v1::Grants& grants) {
  const bool asked = rule.mode != FieldMode::kIgnore && sent.ByteSizeLong() != 0;
  if (rule.value != nullptr) {
    auto& forced = *grants.mutable_room_config();
    LKT_RETURN_IF_ERROR(rule.value->Render(principal, forced));
    if (!asked || AsksForNothing(sent) || google::protobuf::util::MessageDifferencer::Equals(sent, forced)) {
      return ValueSource::kPolicyValue;
    }
    return RefuseField(v1::FIELD_NOT_PERMITTED, kField, "must be left out or equal the value that the policy sets");
  }
  if (!asked) return ValueSource::kNone;
  if (rule.mode != FieldMode::kAllow) {
    if (AsksForNothing(sent)) return ValueSource::kNone;
    return RefuseField(v1::FIELD_NOT_PERMITTED, kField, kNotForClients);
  }
  LKT_RETURN_IF_ERROR(CheckChosen(rule, sent));
  *grants.mutable_room_config() = sent;
  return ValueSource::kClient;
}

}  // namespace livekit::token
