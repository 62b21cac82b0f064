#include "http/timers.h"

namespace livekit::token::http {

void Timers::Set(Timer& timer, SteadyTime deadline) {
  if (timer.slot_ == Timer::kUnset) {
    timer.deadline_ = deadline;
    heap_.push_back(&timer);
    MoveUp(&timer, heap_.size() - 1);
    return;
  }
  const bool earlier = deadline < timer.deadline_;
  timer.deadline_ = deadline;
  if (earlier) {
    MoveUp(&timer, timer.slot_);
  } else {
    MoveDown(&timer, timer.slot_);
  }
}

void Timers::Clear(Timer& timer) {
  if (timer.slot_ == Timer::kUnset) return;
  const std::size_t slot = timer.slot_;
  timer.slot_ = Timer::kUnset;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  // The last entry fills the gap; it may belong above or below it.
  MoveUp(last, slot);
  MoveDown(last, last->slot_);
}

std::optional<SteadyTime> Timers::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->deadline_;
}

Timer* Timers::TakeExpired(SteadyTime now) {
  if (heap_.empty() || heap_.front()->deadline_ > now) return nullptr;
  Timer* const timer = heap_.front();
  Clear(*timer);
  return timer;
}

void Timers::Place(Timer* timer, std::size_t slot) {
  heap_[slot] = timer;
  timer->slot_ = slot;
}

void Timers::MoveUp(Timer* timer, std::size_t slot) {
  while (slot > 0) {
    const std::size_t parent = (slot - 1) / 2;
    if (heap_[parent]->deadline_ <= timer->deadline_) break;
    Place(heap_[parent], slot);
    slot = parent;
  }
  Place(timer, slot);
}

void Timers::MoveDown(Timer* timer, std::size_t slot) {
  for (;;) {
    std::size_t child = 2 * slot + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
    if (timer->deadline_ <= heap_[child]->deadline_) break;
    Place(heap_[child], slot);
    slot = child;
  }
  Place(timer, slot);
}

}  // namespace livekit::token::http
