#include "service/redact.h"

#include <algorithm>
#include <cstddef>

namespace livekit::token {
namespace {

constexpr std::size_t kMinToken = 3 + 16;

bool IsTokenCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool EndsCredential(char c) { return c == ' ' || c == '"' || c == '\'' || (c >= '\t' && c <= '\r'); }

// Whether `text` begins with `scheme`, which is in lower case.
bool StartsWithScheme(std::string_view text, std::string_view scheme) {
  return text.size() >= scheme.size() && std::equal(scheme.begin(), scheme.end(), text.begin(), [](char want, char c) {
           return c == want || (c >= 'A' && c <= 'Z' && c - 'A' + 'a' == want);
         });
}

struct Place {
  std::size_t begin = 0;
  std::size_t end = 0;  // equal to begin: nowhere
};

// The first credential in `text`.
Place Find(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == 'e' && text.substr(i, 3) == "eyJ") {
      const auto end = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(), IsTokenCharacter);
      const auto length = static_cast<std::size_t>(end - text.begin()) - i;
      if (length >= kMinToken) return {i, i + length};
    } else if (c == 'b' || c == 'B') {
      for (const std::string_view scheme : {"bearer ", "basic "}) {
        if (!StartsWithScheme(text.substr(i), scheme)) continue;
        std::size_t begin = i + scheme.size();
        while (begin < text.size() && text[begin] == ' ') ++begin;
        std::size_t end = begin;
        while (end < text.size() && !EndsCredential(text[end])) ++end;
        if (end > begin) return {begin, end};
      }
    }
  }
  return {};
}

}  // namespace

void AppendRedacted(std::string_view text, std::string& out) {
  while (true) {
    const Place place = Find(text);
    if (place.begin == place.end) break;
    out.append(text.substr(0, place.begin)).append("***");
    text.remove_prefix(place.end);
  }
  out.append(text);
}

bool HasCredential(std::string_view text) {
  if (std::none_of(text.begin(), text.end(), HintsAtCredential)) return false;
  const Place place = Find(text);
  return place.begin != place.end;
}

}  // namespace livekit::token
