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

}  // namespace livekit::token
