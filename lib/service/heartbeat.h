// Whether the threads that serve still run: what the liveness probe looks at.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace livekit::token {

// Heartbeats of everything that would leave the process useless if it hung.
//
// Thread safety: all methods may be called concurrently.
class Heartbeats {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  class Heart {
   public:
    Heart(std::string name, Time now) : name_(std::move(name)), last_(now.time_since_epoch().count()) {}
    void Beat(Time now) { last_.store(now.time_since_epoch().count(), std::memory_order_relaxed); }

   private:
    friend class Heartbeats;
    Duration AgeAt(Time now) const { return now.time_since_epoch() - Duration(last_.load(std::memory_order_relaxed)); }

    const std::string name_;
    std::atomic<Duration::rep> last_;
  };

  // Hearts have to beat every `interval` at least, and are late when they have not for longer than `limit`.
  explicit Heartbeats(Duration interval = std::chrono::seconds(2), Duration limit = std::chrono::seconds(10))
      : interval_(interval), limit_(limit) {}

  Duration interval() const { return interval_; }
  // A new one, which beats now; watched until its last owner lets go of it. `name` is for logs.
  std::shared_ptr<Heart> Add(std::string name, Time now);
  // The names of those that are late.
  std::vector<std::string> Late(Time now) const;

 private:
  const Duration interval_;
  const Duration limit_;
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<const Heart>> hearts_;  // guarded by mutex_
};

}  // namespace livekit::token
