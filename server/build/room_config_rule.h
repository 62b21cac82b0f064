// Configuration of a policy's `room_config`.
#pragma once

#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/room_config_rule.h"

namespace livekit::token::build {

struct Context;

// Makes the rule and notes what is wrong with it.
RoomConfigRule BuildRoomConfig(const std::string& path, const config::v1::RoomConfigRule& config, bool anonymous,
                               Context& context);

}  // namespace livekit::token::build
