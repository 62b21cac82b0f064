#include "service/log_line.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <variant>

#include "base/text.h"

namespace livekit::token {
namespace {

constexpr std::size_t kMaxValueBytes = 256;

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

}  // namespace

std::string FormatLogTime(Time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<milliseconds>(time) - day};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

void AppendLogString(std::string_view value, std::string& out) {
  out.push_back('"');
  std::size_t used = 0;
  while (!value.empty()) {
    const std::size_t length = CharacterLength(value);
    const std::size_t step = length == 0 ? 1 : length;
    if (used + step > kMaxValueBytes) break;
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
    } else {
      if (character[0] == '"' || character[0] == '\\') out.push_back('\\');
      out.append(character);
    }
  }
  out.push_back('"');
}

namespace {

void AppendValue(const LogField& field, std::string& out) {
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

}  // namespace

std::string FormatLogLine(Time time, LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(256);
  line.append("{\"ts\":\"").append(FormatLogTime(time)).append("\",\"level\":\"").append(NameOf(level));
  line.append("\",\"event\":");
  AppendLogString(event, line);
  for (const LogField& field : fields) {
    line.push_back(',');
    AppendLogString(field.name, line);
    line.push_back(':');
    AppendValue(field, line);
  }
  line.push_back('}');
  return line;
}

}  // namespace livekit::token
