// Lines that others can cause as often as they like, from many places in the code.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

namespace livekit::token {

// Lets at most `kMost` lines of each place through in each `kPeriod`. Places are told apart by a hash; two that share
// one of the slots share its limit.
//
// Thread safety: may be asked concurrently.
class FloodLimit {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr int kMost = 5;
  static constexpr std::chrono::seconds kPeriod{10};

  // How many lines of this place were left out since the last that was let through, or nothing if this one is left out.
  std::optional<std::int64_t> Admit(std::size_t place, Clock::time_point now) {
    std::lock_guard lock(mutex_);
    Slot& slot = slots_[place % slots_.size()];
    if (slot.written == 0 || now - slot.start >= kPeriod) {
      slot.start = now;
      slot.written = 0;
    }
    if (slot.written == kMost) {
      ++slot.suppressed;
      return std::nullopt;
    }
    ++slot.written;
    const std::int64_t suppressed = slot.suppressed;
    slot.suppressed = 0;
    return suppressed;
  }

 private:
  struct Slot {
    Clock::time_point start{};
    int written = 0;
    std::int64_t suppressed = 0;
  };

  std::mutex mutex_;
  std::array<Slot, 251> slots_{};
};

}  // namespace livekit::token
