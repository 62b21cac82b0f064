// Token buckets by key, in bounded memory.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/sip_hash.h"
#include "server/rate.h"
#include "service/limits.h"

namespace livekit::token {

// Counts how often who has done what. A key's bucket starts full, holds at most the rate's burst, and refills by the
// rate; what has been granted in any span of time is never more than the burst and the rate times that span. Rates may
// change from call to call: buckets keep what they hold, up to the new burst, and what they have gained since they were
// last asked is reckoned by the new rate.
//
// There are at most kMaxKeys buckets, a part of them for each scope, so that nobody displaces those of another scope. A
// bucket that has refilled says nothing and goes first, then the one that was asked least recently. Keys are kept as
// keyed hashes: the text of subjects and addresses is nowhere, and nobody can choose a key that meets another's bucket.
//
// Thread safety: all methods may be called concurrently.
class RateLimiter {
 public:
  using Delay = std::chrono::microseconds;

  static constexpr std::size_t kMaxKeys = 100'000;
  // The delay of what costs more than the bucket ever holds.
  static constexpr Delay kNever = Delay::max();

  RateLimiter() = default;
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  // Takes `cost` from the bucket of `key`, all or nothing. Nothing if it was granted; otherwise the time after which it
  // would be, if nobody else takes meanwhile. `now` is monotonic; `scope` is one of the first kRateScopes.
  std::optional<Delay> Take(LimitScope scope, std::string_view key, std::int64_t cost, const Rate& rate,
                            SteadyTime now);

  // For tests: how many buckets there are.
  std::size_t size() const;

 private:
  static constexpr std::size_t kShards = 16;

  // What it holds, in credits of which kTokenCredits make one token: so every rate refills by a whole number in each
  // microsecond. 2e9 tokens, the largest burst, fit.
  static constexpr std::int64_t kTokenCredits = 3'600'000'000;
  struct Bucket {
    std::uint64_t hash;
    std::int64_t credits;
    std::int64_t asked;  // microseconds of the monotonic clock
    std::int64_t full;   // when it will have refilled
  };
  struct Shard {
    mutable std::mutex mutex;
    std::list<Bucket> buckets;  // most recently asked first; guarded by mutex
    std::unordered_map<std::uint64_t, std::list<Bucket>::iterator> index;  // guarded by mutex
  };

  // The bucket, moved to the front; a full one if there was none.
  static Bucket& Find(Shard& shard, std::size_t capacity, std::uint64_t hash, const Rate& rate, std::int64_t now);
  static void MakeRoom(Shard& shard, std::size_t capacity, std::int64_t now);

  const SipHash hash_;
  std::array<std::array<Shard, kShards>, kRateScopes> shards_;
};

}  // namespace livekit::token
