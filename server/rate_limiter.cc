#include "server/rate_limiter.h"

#include <algorithm>

namespace livekit::token {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

// Buckets of each scope. Services are those of the configuration; everything else can be made up by strangers.
constexpr std::size_t Capacity(LimitScope scope) {
  return scope == LimitScope::kPerService || scope == LimitScope::kAgentsPerService ? 2'000 : 24'000;
}
static_assert(4 * Capacity(LimitScope::kPerPrincipal) + 2 * Capacity(LimitScope::kPerService) == RateLimiter::kMaxKeys);

// How many of those that were not asked for longest are looked at for ones that have refilled.
constexpr int kLook = 8;

std::int64_t CreditsPerMicrosecond(const Rate& rate) { return rate.count * (3600 / rate.period.count()); }

std::int64_t DivideUp(std::int64_t number, std::int64_t by) { return number / by + (number % by == 0 ? 0 : 1); }

}  // namespace

void RateLimiter::MakeRoom(Shard& shard, std::size_t capacity, std::int64_t now) {
  // Two go for one that comes, so that those that say nothing do not stay for long.
  int removed = 0;
  auto at = shard.buckets.end();
  for (int looked = 0; looked < kLook && removed < 2 && at != shard.buckets.begin(); ++looked) {
    --at;
    if (at->full > now) continue;
    shard.index.erase(at->hash);
    at = shard.buckets.erase(at);
    ++removed;
  }
  if (shard.buckets.size() < capacity) return;
  shard.index.erase(shard.buckets.back().hash);
  shard.buckets.pop_back();
}

RateLimiter::Bucket& RateLimiter::Find(Shard& shard, std::size_t capacity, std::uint64_t hash, const Rate& rate,
                                       std::int64_t now) {
  if (const auto found = shard.index.find(hash); found != shard.index.end()) {
    shard.buckets.splice(shard.buckets.begin(), shard.buckets, found->second);
  } else {
    MakeRoom(shard, capacity, now);
    shard.buckets.push_front({hash, rate.burst * kTokenCredits, now, now});
    shard.index.emplace(hash, shard.buckets.begin());
  }
  return shard.buckets.front();
}

std::optional<RateLimiter::Delay> RateLimiter::Take(LimitScope scope, std::string_view key, std::int64_t cost,
                                                    const Rate& rate, SteadyTime now) {
  if (cost <= 0) return std::nullopt;
  if (cost > rate.burst) return kNever;
  const std::uint64_t hash = hash_(key);
  const std::int64_t micros = std::chrono::floor<microseconds>(now.time_since_epoch()).count();
  const std::int64_t gain = CreditsPerMicrosecond(rate);
  const std::int64_t most = rate.burst * kTokenCredits;
  const std::int64_t price = cost * kTokenCredits;

  Shard& shard = shards_[static_cast<std::size_t>(scope)][hash % kShards];
  const std::lock_guard lock(shard.mutex);
  Bucket& bucket = Find(shard, Capacity(scope) / kShards, hash, rate, micros);
  bucket.credits = std::min(bucket.credits, most);
  // Threads that read the clock in one order may come here in another.
  const std::int64_t elapsed = std::max<std::int64_t>(micros - bucket.asked, 0);
  const std::int64_t until_full = DivideUp(most - bucket.credits, gain);
  bucket.credits = elapsed >= until_full ? most : bucket.credits + elapsed * gain;
  bucket.asked = std::max(bucket.asked, micros);
  const bool granted = bucket.credits >= price;
  if (granted) bucket.credits -= price;
  bucket.full = bucket.asked + DivideUp(most - bucket.credits, gain);
  if (granted) return std::nullopt;
  return Delay(DivideUp(price - bucket.credits, gain));
}

std::size_t RateLimiter::size() const {
  std::size_t size = 0;
  for (const auto& scope : shards_) {
    for (const Shard& shard : scope) {
      const std::lock_guard lock(shard.mutex);
      size += shard.buckets.size();
    }
  }
  return size;
}

}  // namespace livekit::token
