// The gateway's own API key for token servers.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "service/config.h"

namespace livekit::token::gateway {

// The API key in a file, which can be replaced while calls are made: one line of 1 to 4096 visible ASCII characters;
// white space around it is dropped. Never empty.
//
// Thread safety: all methods may be called concurrently.
class CallerToken {
 public:
  // Errors: a sentence that names the file, never its content. That other users can read the file is logged.
  static absl::StatusOr<std::shared_ptr<CallerToken>> Create(const std::string& file,
                                                             const FileReader& read = ReadFile);

  // The key for a call that starts now.
  std::shared_ptr<const Secret> Get() const;
  // Reads the same file anew. The old key stays if there is a problem, which is returned with `path` as its path.
  ConfigProblems Reload(const std::string& path, const FileReader& read);

 private:
  CallerToken(std::string file, Secret secret)
      : file_(std::move(file)), secret_(std::make_shared<const Secret>(std::move(secret))) {}

  const std::string file_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Secret> secret_;
};

}  // namespace livekit::token::gateway
