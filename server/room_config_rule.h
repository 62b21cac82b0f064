// The rule for `room_config`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "livekit/token/v1/grants.pb.h"
#include "livekit_room.pb.h"
#include "server/field_rule.h"
#include "server/forced_room_config.h"
#include "server/principal.h"

namespace livekit::token {

// The most that a client may set of a room; what is absent may not be set. LiveKit takes 0 for "not said", so that a
// client can always do without.
struct RoomLimits {
  std::optional<std::uint32_t> empty_timeout;      // seconds
  std::optional<std::uint32_t> departure_timeout;  // seconds
  std::optional<std::uint32_t> max_participants;
  std::optional<std::uint32_t> max_playout_delay;  // milliseconds; also for the least delay
  bool sync_streams = false;
};

// What a client may do with `room_config`. Lists are globs.
struct RoomConfigRule {
  FieldMode mode = FieldMode::kForbid;
  std::vector<std::string> agents;
  std::vector<std::string> deployments;  // beside the one without a name
  std::vector<std::string> tags;         // keys
  int max_agents = 1;
  bool egress = false;
  std::size_t max_metadata_bytes = 4096;
  RoomLimits limits;
  std::shared_ptr<const ForcedRoomConfig> value;  // null: none
};

// Makes `grants.room_config` out of what the client sent, and returns where it comes from. What asks for nothing, an
// empty message or one with nothing but empty agents, as mobile SDKs send it, needs no permission; it is signed as sent
// where the client may choose.
//
// Errors: FIELD_NOT_PERMITTED, AGENT_NOT_PERMITTED, FIELD_INVALID, FIELD_TOO_LONG with paths such as
// `room_config.agents[0].agent_name`; CLAIM_MISSING, CLAIM_AMBIGUOUS. Credentials are refused by whoever signs.
absl::StatusOr<ValueSource> ResolveRoomConfig(const RoomConfigRule& rule, const livekit::RoomConfiguration& sent,
                                              const Principal& principal, v1::Grants& grants);

}  // namespace livekit::token
