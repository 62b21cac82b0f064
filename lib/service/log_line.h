// The text of one log line, apart from where it goes.
#pragma once

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

// Appends `value` as a JSON string of at most `max_bytes` bytes, cut between characters: control characters and U+2028
// and U+2029, at which some readers end lines, are escaped, bytes that are not UTF-8 become U+FFFD, and credentials are
// left out as by AppendRedacted.
void AppendLogString(std::string_view value, std::string& out, std::size_t max_bytes = 256);

// RFC 3339 with milliseconds, in UTC.
std::string FormatLogTime(Time time);

}  // namespace livekit::token
