// Structured logs: one JSON object a line on standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "service/log_fields.h"

namespace livekit::token {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// A name and a value. Tokens, secrets, credentials, metadata and attributes never stand in a log; Secret has no
// conversion to a value for that reason.
struct LogField {
  LogFieldName name;
  std::variant<std::string_view, std::int64_t, double, bool> value;

  LogField(LogFieldName n, std::string_view v) : name(n), value(v) {}
  LogField(LogFieldName n, const char* v) : name(n), value(std::string_view(v)) {}
  LogField(LogFieldName n, bool v) : name(n), value(v) {}
  LogField(LogFieldName n, double v) : name(n), value(v) {}
  LogField(LogFieldName n, int v) : name(n), value(std::int64_t{v}) {}
  LogField(LogFieldName n, std::int64_t v) : name(n), value(v) {}
};

// Sets the least level that is written: `debug`, `info`, `warn` or `error`; empty means `info`. Errors: another name.
absl::Status SetLogLevel(std::string_view level);

// Whether lines of `level` are written; for callers that would work to make one.
bool LogEnabled(LogLevel level);

// Puts `component`, this version and, from POD_NAME or HOSTNAME in the environment, `pod` on every line. To be called
// before there are other threads.
void SetLogComponent(std::string_view component);

// From now on lines are written by a thread of their own, from a bounded queue (line_writer.h): nobody waits for who
// reads them, and when the process ends, other than by _exit, they get half a second. Until then Log writes them
// itself. To be called once, before there are other threads.
void StartLogQueue();

// Waits until all lines so far have been written or dropped, at most for `timeout`.
void FlushLog(std::chrono::milliseconds timeout);

// Lines that could not be written so far.
std::uint64_t DroppedLogLines();

// Whether `value` is a number from 0 to 1.
constexpr bool IsShare(double value) { return value >= 0 && value <= 1; }

// Whether an access line of a request that succeeded is due, of which the share `share` is written.
bool AccessLineDue(double share);

// Writes one line with time, level and `event`. Strings are escaped, invalid UTF-8 is replaced, what looks like a
// credential is left out (redact.h), and long values are cut at 256 bytes. Thread safety: may be called concurrently.
void Log(LogLevel level, LogEvent event, std::initializer_list<LogField> fields = {});

}  // namespace livekit::token
