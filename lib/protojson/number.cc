#include "protojson/number.h"

#include <cstddef>

namespace livekit::token::protojson {
namespace {

// The parts of a number; views into its text.
struct Parts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  bool exponent_negative = false;
  std::string_view exponent;
};

std::string_view TakeDigits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
  const std::string_view digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

bool Split(std::string_view text, Parts& parts) {
  if (!text.empty() && text[0] == '-') {
    parts.negative = true;
    text.remove_prefix(1);
  }
  parts.whole = TakeDigits(text);
  if (parts.whole.empty() || (parts.whole.size() > 1 && parts.whole[0] == '0')) return false;
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    parts.fraction = TakeDigits(text);
    if (parts.fraction.empty()) return false;
  }
  if (!text.empty() && (text[0] == 'e' || text[0] == 'E')) {
    text.remove_prefix(1);
    if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
      parts.exponent_negative = text[0] == '-';
      text.remove_prefix(1);
    }
    parts.exponent = TakeDigits(text);
    if (parts.exponent.empty()) return false;
  }
  return text.empty();
}

}  // namespace

bool IsJsonNumber(std::string_view text) {
  Parts parts;
  return Split(text, parts);
}

bool ToInteger(std::string_view text, Integer& out) {
  Parts parts;
  if (!Split(text, parts)) return false;
  out = {parts.negative, 0};
  const auto total = static_cast<std::int64_t>(parts.whole.size() + parts.fraction.size());
  const auto digit = [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    return at < parts.whole.size() ? parts.whole[at] : parts.fraction[at - parts.whole.size()];
  };
  std::int64_t first = 0;
  while (first < total && digit(first) == '0') ++first;
  if (first == total) return true;
  std::int64_t last = total - 1;
  while (digit(last) == '0') --last;

  // Beyond this bound no text that fits into memory can bring the value back into range.
  constexpr std::int64_t kHuge = std::int64_t{1} << 60;
  std::int64_t exponent = 0;
  for (const char c : parts.exponent) {
    if (exponent < kHuge / 10) exponent = exponent * 10 + (c - '0');
  }
  if (parts.exponent_negative) exponent = -exponent;
  const std::int64_t zeros = exponent - static_cast<std::int64_t>(parts.fraction.size()) + (total - 1 - last);
  if (zeros < 0 || last - first + 1 > 20 || zeros > 20) return false;
  std::uint64_t value = 0;
  const auto push = [&](std::uint64_t d) {
    return !__builtin_mul_overflow(value, std::uint64_t{10}, &value) && !__builtin_add_overflow(value, d, &value);
  };
  for (std::int64_t i = first; i <= last; ++i) {
    if (!push(static_cast<std::uint64_t>(digit(i) - '0'))) return false;
  }
  for (std::int64_t i = 0; i < zeros; ++i) {
    if (!push(0)) return false;
  }
  out.magnitude = value;
  return true;
}

}  // namespace livekit::token::protojson
