#include "service/log_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <variant>

#include "base/text.h"
#include "service/redact.h"

namespace livekit::token {
namespace {

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// Length of the UTF-8 character at the start of `text`, or 0 if there is none.
std::size_t CharacterLength(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return text.size() >= length && IsValidUtf8(text.substr(0, length)) ? length : 0;
}

// Characters that a terminal may act on: C0, DEL and C1, the latter being two bytes in UTF-8.
bool IsControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return character.size() == 2 && first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

// What a string may hold as it is. Most values are nothing else.
constexpr bool IsPlain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

// Whether one of eight bytes may have to be escaped, or may belong to a credential: most values have none.
constexpr bool HasSpecial(std::uint64_t eight) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kHigh = 0x8080808080808080u;
  const auto equals = [eight](std::uint64_t c) { return (eight ^ (kOnes * c)) - kOnes; };
  // A byte's high bit is set where it is a space or below, is zero after the XOR, or is 0x7f or above. Borrows and
  // carries run on only from such bytes.
  return (((eight - kOnes * 0x21) | equals('"') | equals('\\') | equals('J') | (eight + kOnes) | eight) & kHigh) != 0;
}
constexpr std::uint64_t kPlainBytes = 0x7878787878787878u;
static_assert([] {
  for (std::uint64_t c = 0; c < 256; ++c) {
    const auto character = static_cast<char>(c);
    const bool special = !IsPlain(character) || HintsAtCredential(character);
    for (const int shift : {0, 24, 56}) {
      const std::uint64_t eight = (kPlainBytes & ~(std::uint64_t{0xff} << shift)) | c << shift;
      if (HasSpecial(eight) != special) return false;
    }
  }
  return true;
}());

template <std::size_t Count>
void WriteDigits(unsigned number, char* to) {
  for (std::size_t i = Count; i-- > 0; number /= 10) to[i] = static_cast<char>('0' + number % 10);
}

// U+2028 and U+2029.
bool IsLineSeparator(std::string_view character) { return character == "\xe2\x80\xa8" || character == "\xe2\x80\xa9"; }

void AppendEscaped(std::string_view value, std::string& out, std::size_t max_bytes) {
  std::size_t used = 0;
  while (!value.empty() && used < max_bytes) {
    const std::size_t room = std::min(value.size(), max_bytes - used);
    const auto plain = static_cast<std::size_t>(
        std::find_if_not(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(room), IsPlain) - value.begin());
    if (plain > 0) {
      out.append(value.substr(0, plain));
      value.remove_prefix(plain);
      used += plain;
      continue;
    }
    const std::size_t length = CharacterLength(value);
    const std::size_t step = length == 0 ? 1 : length;
    if (used + step > max_bytes) break;
    used += step;
    const std::string_view character = value.substr(0, step);
    value.remove_prefix(step);
    if (length == 0) {
      out.append("\xEF\xBF\xBD");
    } else if (IsControl(character)) {
      // The last byte is the code point: below U+0080 it is the only one, below U+00A0 it carries all its bits.
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x",
                    static_cast<unsigned>(static_cast<unsigned char>(character.back())));
      out.append(escape);
    } else if (IsLineSeparator(character)) {
      out.append(character.back() == '\xa8' ? "\\u2028" : "\\u2029");
    } else {
      if (character[0] == '"' || character[0] == '\\') out.push_back('\\');
      out.append(character);
    }
  }
}

}  // namespace

bool IsPlainLogString(std::string_view value, std::size_t max_bytes) {
  if (value.size() > max_bytes) return false;
  std::uint64_t eight = kPlainBytes;
  if (value.size() < sizeof eight) {
    value.copy(reinterpret_cast<char*>(&eight), sizeof eight);
    return !HasSpecial(eight);
  }
  const std::size_t last = value.size() - sizeof eight;
  for (std::size_t at = 0; at < last; at += sizeof eight) {
    std::memcpy(&eight, value.data() + at, sizeof eight);
    if (HasSpecial(eight)) return false;
  }
  std::memcpy(&eight, value.data() + last, sizeof eight);
  return !HasSpecial(eight);
}

void AppendLogString(std::string_view value, std::string& out, std::size_t max_bytes) {
  out.push_back('"');
  if (IsPlainLogString(value, max_bytes)) {
    out.append(value).push_back('"');
    return;
  }
  // Beyond this the value is cut in any case; a token that begins before ends there or is left out up to there.
  value = value.substr(0, 2 * max_bytes);
  if (HasCredential(value)) {
    std::string redacted;
    AppendRedacted(value, redacted);
    AppendEscaped(redacted, out, max_bytes);
  } else {
    AppendEscaped(value, out, max_bytes);
  }
  out.push_back('"');
}

void AppendLogField(const LogField& field, std::string& out) {
  out.append(",\"").append(field.name.name()).append("\":");
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    AppendLogString(*text, out);
  } else if (const auto* integer = std::get_if<std::int64_t>(&field.value)) {
    out.append(std::to_string(*integer));
  } else if (const auto* flag = std::get_if<bool>(&field.value)) {
    out.append(*flag ? "true" : "false");
  } else if (const auto* number = std::get_if<double>(&field.value)) {
    if (!std::isfinite(*number)) {
      out.append("null");  // JSON has no form for it
      return;
    }
    std::array<char, 32> text;
    const auto result = std::to_chars(text.data(), text.data() + text.size(), *number);
    out.append(text.data(), result.ptr);
  }
}

std::array<char, 24> FormatLogTime(Time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const auto of_day = static_cast<unsigned>(floor<milliseconds>(time - day).count());
  std::array<char, 24> text = {'0', '0', '0', '0', '-', '0', '0', '-', '0', '0', 'T', '0',
                               '0', ':', '0', '0', ':', '0', '0', '.', '0', '0', '0', 'Z'};
  // The clock's years have four digits: it ends in 2262.
  WriteDigits<4>(static_cast<unsigned>(static_cast<int>(date.year())), text.data());
  WriteDigits<2>(static_cast<unsigned>(date.month()), text.data() + 5);
  WriteDigits<2>(static_cast<unsigned>(date.day()), text.data() + 8);
  WriteDigits<2>(of_day / 3'600'000, text.data() + 11);
  WriteDigits<2>(of_day / 60'000 % 60, text.data() + 14);
  WriteDigits<2>(of_day / 1000 % 60, text.data() + 17);
  WriteDigits<3>(of_day % 1000, text.data() + 20);
  return text;
}

std::string FormatLogLine(Time time, LogLevel level, LogEvent event, std::string_view constants,
                          std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(512);
  const auto ts = FormatLogTime(time);
  line.append("{\"ts\":\"").append(ts.data(), ts.size()).append("\",\"level\":\"").append(NameOf(level));
  line.append("\",\"event\":\"").append(event.name()).push_back('"');
  line.append(constants);
  for (const LogField& field : fields) AppendLogField(field, line);
  line.push_back('}');
  return line;
}

}  // namespace livekit::token
