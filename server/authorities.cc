#include "server/authorities.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace livekit::token {
namespace {

// How often the destructor looks; requests end by time limits of their own.
constexpr std::chrono::milliseconds kLookAgain{2};

}  // namespace

Authorities::~Authorities() {
  Replace(nullptr);
  for (Tidy(); retired() > 0; Tidy()) std::this_thread::sleep_for(kLookAgain);
}

void Authorities::Replace(std::shared_ptr<const TokenAuthority> next) {
  const std::lock_guard lock(mutex_);
  retired_.push_back(std::exchange(current_, std::move(next)));
}

void Authorities::Tidy() {
  std::vector<std::shared_ptr<const TokenAuthority>> unused;
  {
    const std::lock_guard lock(mutex_);
    // Nobody can take a new reference to one that is not current.
    const auto used = [](const auto& authority) { return authority.use_count() > 1; };
    const auto first_unused = std::stable_partition(retired_.begin(), retired_.end(), used);
    unused.assign(std::make_move_iterator(first_unused), std::make_move_iterator(retired_.end()));
    retired_.erase(first_unused, retired_.end());
  }
  // Without the lock: their threads are waited for.
  unused.clear();
}

std::size_t Authorities::retired() const {
  const std::lock_guard lock(mutex_);
  return retired_.size();
}

}  // namespace livekit::token
