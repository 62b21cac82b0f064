// Environment variables that hold secrets.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace livekit::token {

// Takes the variables in which LiveKit's programs expect keys out of the environment: neither getenv nor a child finds
// them any more, and where /proc/PID/environ shows the environment that the process was started with, their values are
// overwritten.
//
// Thread safety: make it before there are threads, since it changes the environment; Get may be called concurrently.
class SecretVariables {
 public:
  SecretVariables();

  // The value of any environment variable, also of those that were taken; nothing if it is not set.
  std::optional<std::string> Get(const char* name) const;

 private:
  std::map<std::string, Secret, std::less<>> taken_;
};

}  // namespace livekit::token
