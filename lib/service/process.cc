#include "service/process.h"

#include <cstdio>

#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "base/text.h"
#include "service/log.h"

namespace livekit::token {

bool ParseFlags(int argc, char** argv, const std::string& program, const std::string& description,
                const std::string& source) {
  absl::SetProgramUsageMessage(description);
  absl::FlagsUsageConfig usage;
  usage.version_string = [program] { return program + " " LIVEKIT_TOKEN_VERSION "\n"; };
  usage.contains_help_flags = [source](absl::string_view file) { return absl::EndsWith(file, source); };
  absl::SetFlagsUsageConfig(usage);
  if (absl::ParseCommandLine(argc, argv).size() == 1) return true;
  std::fputs((program + " takes flags only; see --help\n").c_str(), stderr);
  return false;
}

std::optional<ExitCode> ReportConfig(const std::string& file, const ConfigProblems& problems, bool check_only) {
  if (!problems.empty()) {
    std::fputs(FormatProblems(file.empty() ? "flags" : file, problems).c_str(), stderr);
    return kExitFailure;
  }
  if (!check_only) return std::nullopt;
  std::puts("configuration ok");
  return kExitClean;
}

ExitCode FailStart(const absl::Status& status) {
  const std::string message = HideSecrets(std::string(status.message()));
  Log(LogLevel::kError, "start_failed", {{"error", std::string_view(message)}});
  return kExitFailure;
}

void LogWarnings(const ConfigProblems& warnings) {
  for (const auto& shown : warnings) {
    const ConfigProblem warning = HideSecrets(shown);
    Log(LogLevel::kWarn, "configuration",
        {{"path", std::string_view(warning.path)}, {"warning", std::string_view(warning.message)}});
  }
}

std::chrono::milliseconds ToMillis(const google::protobuf::Duration& duration) {
  return std::chrono::milliseconds(duration.seconds() * 1000 + duration.nanos() / 1'000'000);
}

}  // namespace livekit::token
