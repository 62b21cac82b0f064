// Whether somebody has set the clock.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

namespace livekit::token {

// Compares the wall clock, by which tokens are dated, with the one that nobody sets. To be looked at from time to time.
//
// Thread safety: none.
class ClockWatch {
 public:
  using Wall = std::chrono::system_clock::time_point;
  using Steady = std::chrono::steady_clock::time_point;

  // A correction that time synchronization makes in small steps, or by leap seconds, is none.
  static constexpr std::chrono::seconds kTolerance{60};

  ClockWatch(Wall wall, Steady steady) : offset_(Offset(wall, steady)) {}

  // By how much the wall clock has jumped since the last look, forwards or (negative) backwards; nothing if it has not.
  // A machine that slept has jumped too: its steady clock stood still.
  std::optional<std::chrono::seconds> Look(Wall wall, Steady steady) {
    const auto before = std::exchange(offset_, Offset(wall, steady));
    const auto jump = offset_ - before;
    if (jump <= kTolerance && jump >= -kTolerance) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::seconds>(jump);
  }

 private:
  static std::chrono::nanoseconds Offset(Wall wall, Steady steady) {
    return std::chrono::nanoseconds(wall.time_since_epoch()) - std::chrono::nanoseconds(steady.time_since_epoch());
  }

  std::chrono::nanoseconds offset_;
};

}  // namespace livekit::token
