// What --healthcheck does: container engines ask by a command whether a service is healthy, and the image has neither
// a shell nor curl.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "service/process.h"

namespace livekit::token::http {

// Where a process with these values of --admin_listen and --config has its admin listener: what the flag says, else the
// file's `listen.admin`, else the default. Only that is read of the file; the running process has judged the rest.
// Errors: the file cannot be read, or names no address; port 0, which nobody else can know.
absl::StatusOr<std::string> AdminAddress(const std::string& admin_listen, const std::string& config_file);

// Asks the process that listens at `admin_address` whether it is alive and ready, waiting for each step at most
// `timeout`. Errors say which of both it is not, or why there was no answer.
absl::Status AskHealth(const std::string& admin_address, std::chrono::milliseconds timeout);

// Both, and prints what came of it. The exit code is what container engines take: 0 or 1.
ExitCode RunHealthcheck(const std::string& admin_listen, const std::string& config_file);

}  // namespace livekit::token::http
