// Structured logs: one JSON object a line on standard error.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

#include "absl/status/status.h"

namespace livekit::token {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// A name and a value. Tokens, secrets, credentials, metadata and attributes never stand in a log; Secret has no
// conversion to a value for that reason.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;

  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  LogField(std::string_view n, bool v) : name(n), value(v) {}
  LogField(std::string_view n, double v) : name(n), value(v) {}
  LogField(std::string_view n, int v) : name(n), value(std::int64_t{v}) {}
  LogField(std::string_view n, std::int64_t v) : name(n), value(v) {}
};

// Sets the least level that is written: `debug`, `info`, `warn` or `error`; empty means `info`. Errors: another name.
absl::Status SetLogLevel(std::string_view level);

// Whether lines of `level` are written; for callers that would work to make one.
bool LogEnabled(LogLevel level);

// Writes one line with time, level and `event`, a constant name such as `token_issued`. Strings are escaped, invalid
// UTF-8 is replaced, and long values are cut at 256 bytes. Thread safety: may be called concurrently.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace livekit::token
