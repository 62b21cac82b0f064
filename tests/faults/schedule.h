// When which request of a load is due.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "faults/tally.h"

namespace livekit::token::faults {

// One request that is due.
struct DueRequest {
  Clock::time_point due;
  std::uint64_t number = 0;
  // The identity of its token, by which the token of another request is recognised.
  std::string identity() const { return "load-" + std::to_string(number); }
};

// A fixed rate from `start` on: requests become due whatever became of those before (an open loop), so that a server
// that hangs makes latencies long and not requests few.
class Schedule {
 public:
  Schedule(Clock::time_point start, double rate, std::chrono::nanoseconds length)
      : start_(start), end_(start + length), interval_ns_(1e9 / rate) {}

  // The next request if it is due by `now`.
  std::optional<DueRequest> Take(Clock::time_point now) {
    const Clock::time_point due = Next();
    if (due > now || due >= end_) return std::nullopt;
    return DueRequest{due, ++taken_};
  }
  Clock::time_point Next() const {
    return start_ + std::chrono::nanoseconds(static_cast<std::int64_t>(interval_ns_ * static_cast<double>(taken_)));
  }
  bool Over() const { return Next() >= end_; }
  // Nothing becomes due after `now`.
  void EndAt(Clock::time_point now) { end_ = std::min(end_, now); }

 private:
  const Clock::time_point start_;
  Clock::time_point end_;
  const double interval_ns_;
  std::uint64_t taken_ = 0;
};

}  // namespace livekit::token::faults
