#include "service/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <string>

#include "base/status.h"
#include "service/line_writer.h"
#include "service/log_line.h"

namespace livekit::token {
namespace {

constexpr std::chrono::milliseconds kLastFlush{500};

std::atomic<LogLevel> least_level{LogLevel::kInfo};
// Both are never freed, so that threads may log until the process ends.
std::atomic<const std::string*> constants{nullptr};
std::atomic<LineWriter*> queue{nullptr};
std::atomic<std::uint64_t> dropped{0};  // without the queue

void WriteNow(std::string line) {
  line.push_back('\n');
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t count = write(STDERR_FILENO, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      ++dropped;
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

absl::Status SetLogLevel(std::string_view level) {
  if (level == "debug") {
    least_level = LogLevel::kDebug;
  } else if (level.empty() || level == "info") {
    least_level = LogLevel::kInfo;
  } else if (level == "warn") {
    least_level = LogLevel::kWarn;
  } else if (level == "error") {
    least_level = LogLevel::kError;
  } else {
    return Refuse(v1::FIELD_INVALID, "A log level is debug, info, warn or error.");
  }
  return absl::OkStatus();
}

bool LogEnabled(LogLevel level) { return level >= least_level.load(std::memory_order_relaxed); }

void SetLogComponent(std::string_view component) {
  auto* const text = new std::string;
  AppendLogField({"component", component}, *text);
  AppendLogField({"version", LIVEKIT_TOKEN_VERSION}, *text);
  const char* pod = std::getenv("POD_NAME");
  if (pod == nullptr || *pod == '\0') pod = std::getenv("HOSTNAME");
  if (pod != nullptr && *pod != '\0') AppendLogField({"pod", pod}, *text);
  constants = text;
}

void StartLogQueue() {
  queue = new LineWriter(STDERR_FILENO);
  std::atexit([] { FlushLog(kLastFlush); });
}

void FlushLog(std::chrono::milliseconds timeout) {
  if (LineWriter* const writer = queue) writer->Flush(LineWriter::Clock::now() + timeout);
}

std::uint64_t DroppedLogLines() {
  const LineWriter* const writer = queue;
  return dropped + (writer == nullptr ? 0 : writer->dropped());
}

bool AccessLineDue(double share) {
  if (share >= 1) return true;
  thread_local std::minstd_rand random{std::random_device()()};
  return std::uniform_real_distribution<double>()(random) < share;
}

void Log(LogLevel level, LogEvent event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  const std::string* const fixed = constants;
  std::string line = FormatLogLine(SystemClock().Now(), level, event, fixed == nullptr ? "" : *fixed, fields);
  if (LineWriter* const writer = queue) {
    writer->Write(line);
  } else {
    WriteNow(std::move(line));
  }
}

}  // namespace livekit::token
