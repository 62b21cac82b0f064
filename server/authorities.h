// The authority in use, and those before it.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "server/authority.h"

namespace livekit::token {

// Holds the authority of the configuration in use. A new one replaces it as a whole; requests keep the one that they
// began with for as long as they last.
//
// Thread safety: all methods may be called concurrently.
class Authorities {
 public:
  explicit Authorities(std::shared_ptr<const TokenAuthority> first) : current_(std::move(first)) {}
  // Waits for the requests that are left, which must end without help of the calling thread.
  ~Authorities();
  Authorities(const Authorities&) = delete;
  Authorities& operator=(const Authorities&) = delete;

  std::shared_ptr<const TokenAuthority> Current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  void Replace(std::shared_ptr<const TokenAuthority> next);
  // Destroys those that no request uses any more. An authority owns threads on which its requests may end, so it must
  // not be one of these that gives up the last reference.
  void Tidy();
  // For tests: how many there are beside the current one.
  std::size_t retired() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TokenAuthority> current_;               // guarded by mutex_
  std::vector<std::shared_ptr<const TokenAuthority>> retired_;  // guarded by mutex_
};

}  // namespace livekit::token
