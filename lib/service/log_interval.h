// Lines that one cause would write again and again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace livekit::token {

// Lets a line through at most once in each period of ten seconds.
//
// Thread safety: may be asked concurrently.
class LogInterval {
 public:
  // Whether the line is due; true at most once in a period.
  bool Due() {
    constexpr std::int64_t kSeconds = 10;
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const std::int64_t period = std::chrono::duration_cast<std::chrono::seconds>(now).count() / kSeconds;
    return last_period_.exchange(period) != period;
  }

 private:
  std::atomic<std::int64_t> last_period_{-1};
};

}  // namespace livekit::token
