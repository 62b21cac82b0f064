// The text of one log line, apart from where it goes.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "service/log.h"

namespace livekit::token {

// One JSON object without line end: `ts` (UTC, RFC 3339 with milliseconds), `level`, `event`, `constants`, which
// AppendLogField made, then the fields. A line is always one line of valid JSON.
std::string FormatLogLine(Time time, LogLevel level, LogEvent event, std::string_view constants,
                          std::initializer_list<LogField> fields);

// Appends a comma, the name and the value.
void AppendLogField(const LogField& field, std::string& out);

inline constexpr std::size_t kMaxLogString = 256;  // bytes

// Appends `value` as a JSON string of at most `max_bytes` bytes, cut between characters: control characters and U+2028
// and U+2029, at which some readers end lines, are escaped, bytes that are not UTF-8 become U+FFFD, and credentials are
// left out as by AppendRedacted.
void AppendLogString(std::string_view value, std::string& out, std::size_t max_bytes = kMaxLogString);
// Whether that would be the value itself between quotes, which most are. Some such values are missed.
bool IsPlainLogString(std::string_view value, std::size_t max_bytes = kMaxLogString);

// RFC 3339 with milliseconds, in UTC.
std::array<char, 24> FormatLogTime(Time time);

}  // namespace livekit::token
