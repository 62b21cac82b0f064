// Strict parsing of the JSON inside tokens.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace livekit::token::jose {

// Deepest nesting of a token's JSON, the top one included.
inline constexpr int kMaxJsonDepth = 32;

// Parses one JSON object. Nothing if `text` is anything else: other values, a member name twice at any level (RFC 8725
// section 2.4), trailing text, a BOM, a NUL, text that is not UTF-8, nesting beyond kMaxJsonDepth.
std::optional<nlohmann::json> ParseJsonObject(std::string_view text);

}  // namespace livekit::token::jose
