#include "base/cookie.h"

#include <algorithm>

#include "base/text.h"

namespace livekit::token {
namespace {

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::string SelectCookies(std::string_view header, const std::vector<std::string>& globs) {
  std::string selected;
  while (!header.empty()) {
    const std::size_t end = std::min(header.find(';'), header.size());
    const std::string_view cookie = Trim(header.substr(0, end));
    header.remove_prefix(std::min(end + 1, header.size()));
    const std::size_t equals = cookie.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = Trim(cookie.substr(0, equals));
    if (name.empty()) continue;
    if (std::none_of(globs.begin(), globs.end(), [&](const std::string& glob) { return GlobMatches(glob, name); })) {
      continue;
    }
    if (!selected.empty()) selected += "; ";
    selected += cookie;
  }
  return selected;
}

std::string_view CheckCookieGlob(std::string_view glob) {
  const bool valid = !glob.empty() && glob.size() <= 128 && std::all_of(glob.begin(), glob.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '*';
  });
  if (!valid) return "is not a cookie's name of letters, digits, `.`, `_` and `-`, with `*` for any text";
  if (glob.find_first_not_of('*') == std::string_view::npos) {
    return "would take every cookie; name those that are credentials";
  }
  return "";
}

}  // namespace livekit::token
