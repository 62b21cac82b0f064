// Durations as people write them in configuration files.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace livekit::token {

// Reads `1h30m`, `15m`, `5s`, `500ms` or `0s`: whole numbers with the units h, m, s and ms, each at most once and in
// this order. Nothing if `text` has another form or exceeds 100 years.
std::optional<std::chrono::milliseconds> ParseDurationText(std::string_view text);

}  // namespace livekit::token
