#include "server/reset_penalty.h"

#include <algorithm>

#include "base/network.h"

namespace livekit::token {

void ResetPenalty::Add(std::string_view address, SteadyTime now) {
  std::erase_if(addresses_, [now](const auto& known) { return now - known.second.last > kMemory; });
  Record& record = addresses_[AddressKey(address)];
  // Other connections that were there already say nothing new.
  if (now >= record.until) record.wait = record.wait.count() == 0 ? kFirst : std::min(kTimes * record.wait, kMost);
  record.last = now;
  record.until = now + record.wait;
  if (addresses_.size() <= kMostAddresses) return;
  addresses_.erase(std::min_element(addresses_.begin(), addresses_.end(),
                                    [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
}

bool ResetPenalty::Waits(std::string_view address, SteadyTime now) const {
  if (addresses_.empty()) return false;
  const auto known = addresses_.find(AddressKey(address));
  return known != addresses_.end() && now < known->second.until;
}

bool ResetPenalty::Knows(std::string_view address) const {
  return !addresses_.empty() && addresses_.contains(AddressKey(address));
}

}  // namespace livekit::token
