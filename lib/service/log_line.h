// The text of one log line, apart from where it goes.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "service/log.h"

namespace livekit::token {

// One JSON object without line end: `ts` (UTC, RFC 3339 with milliseconds), `level`, `event`, then the fields. Strings
// are cut to at most 256 bytes between characters; control characters are escaped and bytes that are not UTF-8 become
// U+FFFD, so that a line is always one line of valid JSON.
std::string FormatLogLine(Time time, LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

// Its parts, for lines of another kind: a time, and a value as it stands in a line, with its quotation marks.
std::string FormatLogTime(Time time);
void AppendLogString(std::string_view value, std::string& out);

}  // namespace livekit::token
