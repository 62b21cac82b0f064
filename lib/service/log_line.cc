#include "service/log_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
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

// Characters of which most values have none, so that there is nothing to escape and nothing to leave out.
constexpr auto kSpecial = [] {
  std::array<bool, 256> special{};
  for (std::size_t i = 0; i < special.size(); ++i) {
    const char c = static_cast<char>(i);
    special[i] = !IsPlain(c) || HintsAtCredential(c);
  }
  return special;
}();

// Values are too short for vector instructions to gain.
bool IsPlainText(std::string_view text) {
  bool special = false;
  for (const char c : text) special |= kSpecial[static_cast<unsigned char>(c)];
  return !special;
}

void WriteDigits(std::int64_t number, std::string& text, std::size_t at, std::size_t count) {
  for (; count > 0; number /= 10) text[at + --count] = static_cast<char>('0' + number % 10);
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

void AppendLogString(std::string_view value, std::string& out, std::size_t max_bytes) {
  out.push_back('"');
  if (value.size() <= max_bytes && IsPlainText(value)) {
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

std::string FormatLogTime(Time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<milliseconds>(time) - day};
  // The clock's years have four digits: it ends in 2262.
  std::string text = "0000-00-00T00:00:00.000Z";
  WriteDigits(static_cast<int>(date.year()), text, 0, 4);
  WriteDigits(static_cast<unsigned>(date.month()), text, 5, 2);
  WriteDigits(static_cast<unsigned>(date.day()), text, 8, 2);
  WriteDigits(clock.hours().count(), text, 11, 2);
  WriteDigits(clock.minutes().count(), text, 14, 2);
  WriteDigits(clock.seconds().count(), text, 17, 2);
  WriteDigits(clock.subseconds().count(), text, 20, 3);
  return text;
}

std::string FormatLogLine(Time time, LogLevel level, LogEvent event, std::string_view constants,
                          std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(512);
  line.append("{\"ts\":\"").append(FormatLogTime(time)).append("\",\"level\":\"").append(NameOf(level));
  line.append("\",\"event\":\"").append(event.name()).push_back('"');
  line.append(constants);
  for (const LogField& field : fields) AppendLogField(field, line);
  line.push_back('}');
  return line;
}

}  // namespace livekit::token
