#include "faults/http_answer.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace livekit::token::faults {
namespace {

bool Same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<std::size_t> Number(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

HttpProgress ReadHttpAnswer(std::string_view text, HttpAnswer& answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (text.substr(0, kVersion.size()) != kVersion.substr(0, text.size())) return HttpProgress::kBroken;
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return HttpProgress::kPartial;
  const auto status = Number(text.substr(kVersion.size(), 3));
  if (!status) return HttpProgress::kBroken;
  answer.status = static_cast<int>(*status);
  std::optional<std::size_t> length;
  for (std::size_t line = text.find("\r\n"); line < end; line = text.find("\r\n", line + 2)) {
    const std::string_view rest = text.substr(line + 2, text.find("\r\n", line + 2) - line - 2);
    const std::size_t colon = rest.find(": ");
    if (colon == std::string_view::npos) continue;
    const std::string_view name = rest.substr(0, colon);
    const std::string_view value = rest.substr(colon + 2);
    if (Same(name, "content-length")) length = Number(value);
    if (Same(name, "connection")) answer.close = Same(value, "close");
    if (Same(name, "retry-after")) answer.retry_after = Number(value).has_value();
  }
  if (!length) return HttpProgress::kBroken;
  const std::string_view body = text.substr(end + 4);
  if (body.size() < *length) return HttpProgress::kPartial;
  if (body.size() > *length) return HttpProgress::kBroken;
  answer.body = body;
  return HttpProgress::kWhole;
}

}  // namespace livekit::token::faults
