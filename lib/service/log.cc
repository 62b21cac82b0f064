#include "service/log.h"

#include <memory>
#include <string>

#include "base/status.h"
#include "service/log_line.h"
#include "spdlog/logger.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace livekit::token {
namespace {

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Never freed, so that threads may log until the process ends.
spdlog::logger& Logger() {
  static auto* const logger = [] {
    auto* made = new spdlog::logger("livekit_token", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *logger;
}

}  // namespace

absl::Status SetLogLevel(std::string_view level) {
  if (level == "debug") {
    Logger().set_level(spdlog::level::debug);
  } else if (level.empty() || level == "info") {
    Logger().set_level(spdlog::level::info);
  } else if (level == "warn") {
    Logger().set_level(spdlog::level::warn);
  } else if (level == "error") {
    Logger().set_level(spdlog::level::err);
  } else {
    return Refuse(v1::FIELD_INVALID, "A log level is debug, info, warn or error.");
  }
  return absl::OkStatus();
}

bool LogEnabled(LogLevel level) { return Logger().should_log(LevelOf(level)); }

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  const std::string line = FormatLogLine(SystemClock().Now(), level, event, fields);
  Logger().log(LevelOf(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace livekit::token
