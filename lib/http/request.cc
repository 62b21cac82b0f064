#include "base/text.h"
#include "http/server.h"

namespace livekit::token::http {

std::vector<std::string_view> Request::HeaderValues(std::string_view lower_name) const {
  std::vector<std::string_view> values;
  for (const Header& header : headers) {
    if (EqualsIgnoreCase(header.name, lower_name)) values.push_back(header.value);
  }
  return values;
}

std::optional<std::string_view> Request::SingleHeader(std::string_view lower_name) const {
  std::optional<std::string_view> found;
  for (const Header& header : headers) {
    if (!EqualsIgnoreCase(header.name, lower_name)) continue;
    if (found) return std::nullopt;
    found = header.value;
  }
  return found;
}

}  // namespace livekit::token::http
