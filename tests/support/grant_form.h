// Grants from the form in which the vectors write them.
#pragma once

#include <nlohmann/json.hpp>

#include "livekit/token/v1/grants.pb.h"

namespace livekit::token::testing {

// Members of `request` in snake_case, those of the grant objects under their claim names; `room_config` in any spelling
// of proto3 JSON.
v1::Grants GrantsFromForm(const nlohmann::json& request);

}  // namespace livekit::token::testing
