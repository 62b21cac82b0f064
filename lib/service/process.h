// What the programs' main functions share: flags, exit codes, environment, reports about the start.
#pragma once

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/duration.pb.h"
#include "service/config.h"

namespace livekit::token {

// What a program tells its supervisor when it ends.
enum ExitCode : int {
  kExitClean = 0,
  kExitFailure = 1,        // configuration or runtime failure
  kExitDrainDeadline = 3,  // stopped, but requests were cut off
};

// Parses the command line into Abseil flags. `program` and `description` are for --version and --help, which lists the
// flags of the file `source`. Returns false, with a line on standard error, if there is anything but flags.
bool ParseFlags(int argc, char** argv, const std::string& program, const std::string& description,
                const std::string& source);

// Reports what came of reading the configuration in `file`, which may be empty: problems on standard error, or with
// `check_only` that there are none. Returns the exit code if the program is to end now.
std::optional<ExitCode> ReportConfig(const std::string& file, const ConfigProblems& problems, bool check_only);

// Logs why the program cannot start and returns the exit code for it. The message must be our own text.
ExitCode FailStart(const absl::Status& status);

// Logs what is odd in a configuration that is nevertheless served.
void LogWarnings(const ConfigProblems& warnings);

std::chrono::milliseconds ToMillis(const google::protobuf::Duration& duration);

// The value of a flag or, if that is empty, of the environment variable `name`; empty if there is neither.
inline std::string FlagOrEnv(const std::string& flag, const char* name) {
  if (!flag.empty()) return flag;
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The parts of a list that is written with commas, without white space around them; empty parts are left out.
inline std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    if (comma == text.npos) break;
    text.remove_prefix(comma + 1);
  }
  return parts;
}

}  // namespace livekit::token
