#include "jose/json.h"

#include <set>
#include <string>
#include <vector>

namespace livekit::token::jose {

std::optional<nlohmann::json> ParseJsonObject(std::string_view text) {
  using nlohmann::json;
  // nlohmann skips a BOM and takes a NUL for the end of the text.
  if (text.empty() || text.front() == '\xef' || text.find('\0') != std::string_view::npos) return std::nullopt;

  bool refused = false;
  std::vector<std::set<std::string>> names;  // of the objects that are open
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
        names.emplace_back();
        [[fallthrough]];
      case json::parse_event_t::array_start:
        if (depth >= kMaxJsonDepth) refused = true;
        break;
      case json::parse_event_t::object_end:
        names.pop_back();
        break;
      case json::parse_event_t::key:
        if (!names.back().insert(value.get<std::string>()).second) refused = true;
        break;
      default:
        break;
    }
    // What is refused need not be kept.
    return !refused;
  };
  json document = json::parse(text.begin(), text.end(), check, /*allow_exceptions=*/false);
  if (refused || document.is_discarded() || !document.is_object()) return std::nullopt;
  return document;
}

}  // namespace livekit::token::jose
