// Deadlines of many objects, of which the next is always known.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "http/socket.h"

namespace livekit::token::http {

// Something that has at most one deadline; a base class. Must have none when it is destroyed.
class Timer {
 protected:
  ~Timer() = default;

 private:
  friend class Timers;
  static constexpr std::size_t kUnset = static_cast<std::size_t>(-1);

  SteadyTime deadline_;
  std::size_t slot_ = kUnset;
};

// A binary heap whose entries know their places, so that the deadline of one connection among thousands is changed
// without a search and without allocation.
//
// Thread safety: none.
class Timers {
 public:
  // Sets the deadline, in place of an earlier one.
  void Set(Timer& timer, SteadyTime deadline);
  void Clear(Timer& timer);
  // The earliest deadline.
  std::optional<SteadyTime> next() const;
  // Takes one whose deadline is not after `now`; null if there is none.
  Timer* TakeExpired(SteadyTime now);

 private:
  void Place(Timer* timer, std::size_t slot);
  void MoveUp(Timer* timer, std::size_t slot);
  void MoveDown(Timer* timer, std::size_t slot);

  std::vector<Timer*> heap_;
};

}  // namespace livekit::token::http
