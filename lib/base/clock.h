// Time as a dependency, so that tests decide what time it is.
#pragma once

#include <chrono>
#include <cstdint>

namespace livekit::token {

using Time = std::chrono::system_clock::time_point;
using SteadyTime = std::chrono::steady_clock::time_point;

// Tells the time. Thread safety: both methods may be called concurrently.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
  // The monotonic clock, for how long things take: nobody steps it.
  virtual SteadyTime Steady() const { return std::chrono::steady_clock::now(); }
};

// The machine's clock.
const Clock& SystemClock();

// Whole seconds since the epoch, rounded down.
inline std::int64_t UnixSeconds(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace livekit::token
