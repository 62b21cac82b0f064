// How long addresses wait whose connections had to be reset.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace livekit::token {

// Whoever floods again as soon as it is let in waits longer each time. An IPv6 address stands for its /64 (AddressKey).
//
// Thread safety: none.
class ResetPenalty {
 public:
  // After the first reset; kTimes as long after each further one, up to kMost.
  static constexpr std::chrono::seconds kFirst{1};
  static constexpr int kTimes = 8;
  static constexpr std::chrono::seconds kMost{32};
  // Without a reset for so long an address is forgotten, and the one that was reset least recently when there are more
  // than kMostAddresses.
  static constexpr std::chrono::seconds kMemory{120};
  static constexpr std::size_t kMostAddresses = 1000;

  // A connection from this address has been reset.
  void Add(std::string_view address, SteadyTime now);
  bool Waits(std::string_view address, SteadyTime now) const;
  // Whether one has been reset that has not been forgotten.
  bool Knows(std::string_view address) const;
  std::size_t size() const { return addresses_.size(); }

 private:
  struct Record {
    std::chrono::seconds wait{0};
    SteadyTime last;
    SteadyTime until;
  };

  std::unordered_map<std::string, Record> addresses_;
};

}  // namespace livekit::token
