// When the keys of an issuer are fetched, and for how long they are used.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "jose/jwk.h"
#include "jose/verification_key.h"
#include "server/authn/key_source.h"

namespace livekit::token {

struct JwksCacheOptions {
  std::string issuer;  // for the log
  jose::JwksUse use = jose::JwksUse::kSignatures;
  // From one scheduled refresh to the next, up to a tenth less so that replicas do not ask at once.
  std::chrono::milliseconds refresh_interval = std::chrono::minutes(10);
  // From one refresh for an unknown key id to the next.
  std::chrono::milliseconds cooldown = std::chrono::seconds(30);
  // For how long keys are used without a successful refresh.
  std::chrono::milliseconds max_stale = std::chrono::hours(24);
  // How many wait for a fetch.
  std::size_t max_waiters = 1000;
  // How many key ids are remembered that an issuer does not know.
  std::size_t max_unknown = 1000;

  auto operator<=>(const JwksCacheOptions&) const = default;
};

// A key set as it was fetched.
struct JwksDocument {
  std::string text;
  // For how long the server says that it is fresh.
  std::optional<std::chrono::seconds> lifetime;
};

// For metrics.
struct JwksState {
  std::optional<SteadyTime> last_success;
  std::string last_error;       // our own sentence; empty after a success
  std::size_t keys = 0;         // that may be used
  std::uint64_t successes = 0;  // fetches
  std::uint64_t failures = 0;
};

// The keys of one issuer. Times are steady: keys must not age by an hour because a clock was wrong.
//
// * Refreshes come by schedule: after `refresh_interval`, or after the document's lifetime if that is shorter (but at
//   least a minute) or longer (but at most an hour). The refresh hint of a SPIFFE bundle is a lifetime too; the shorter
//   counts. After a failure 1 s later, then 2, 4, ... up to a minute.
// * A key id that is not in the set causes one more refresh, if the last such was begun at least `cooldown` ago. Anyone
//   can make up key ids, so these neither put the schedule off nor count as its refreshes.
// * There is one fetch at a time. Those who ask for an unknown key id meanwhile wait for its end, and so does a
//   scheduled refresh.
// * A fetch that fails, or brings something other than a set with a usable key, changes nothing: the last good keys
//   stay until `max_stale`.
// * A document that has not changed leaves the set the same object.
//
// Thread safety: all methods may be called concurrently. Callbacks are not called under a lock, but maybe before the
// method returns.
class JwksCache : public std::enable_shared_from_this<JwksCache> {
 public:
  using Done = KeySource::Done;
  using Fetched = std::function<void(absl::StatusOr<JwksDocument> document, SteadyTime now)>;

  // What the cache needs of the world.
  struct World {
    // Fetches the key set and calls `fetched` exactly once; errors with our own sentence.
    std::function<void(Fetched fetched)> fetch;
    // Calls `refresh` at `time` or somewhat later.
    std::function<void(SteadyTime time, std::function<void()> refresh)> call_at;
    // A random number from 0 to less than 1.
    std::function<double()> random;
  };

  static std::shared_ptr<JwksCache> Create(JwksCacheOptions options, World world);
  // Answers those who wait with UNAVAILABLE.
  ~JwksCache();
  JwksCache(const JwksCache&) = delete;
  JwksCache& operator=(const JwksCache&) = delete;

  // Begins the first refresh, and with it the schedule. To be called once.
  void Start() { Refresh(); }
  // As KeySource::Get and KeySource::Current.
  void Get(std::string_view kid, SteadyTime now, Done done);
  std::shared_ptr<const jose::KeySet> Current(SteadyTime now) const;
  JwksState state(SteadyTime now) const;

 private:
  using Keys = std::shared_ptr<const jose::KeySet>;
  // What a document says.
  struct Contents {
    Keys keys;
    std::optional<std::chrono::seconds> refresh_hint;
  };
  struct Waiter {
    std::string kid;
    Done done;
  };
  enum class Cause { kSchedule, kUnknownKey };

  JwksCache(JwksCacheOptions options, World world) : options_(std::move(options)), world_(std::move(world)) {}

  void Refresh();
  void Fetch(Cause cause);
  void Finish(Cause cause, const absl::StatusOr<JwksDocument>& document, SteadyTime now);
  // The contents of a document; without keys if it is the one that is there already.
  absl::StatusOr<Contents> Read(const absl::StatusOr<JwksDocument>& document) const;
  // When the next scheduled refresh is due, after one that brought a document of this lifetime or failed.
  SteadyTime NextRefresh(std::optional<std::chrono::seconds> lifetime, bool ok, SteadyTime now);

  // These need mutex_.
  Keys Usable(SteadyTime now) const;
  bool IsKnownUnknown(std::string_view kid, SteadyTime now);
  void RememberUnknown(const std::string& kid, SteadyTime now);

  const JwksCacheOptions options_;
  const World world_;

  mutable std::mutex mutex_;  // guards all that follows
  Keys keys_;
  std::string text_;  // of keys_
  std::optional<std::chrono::seconds> refresh_hint_;
  std::optional<SteadyTime> last_success_;
  std::string last_error_;
  std::uint64_t successes_ = 0;
  std::uint64_t fetch_failures_ = 0;
  bool fetching_ = false;
  bool refresh_is_due_ = false;           // as soon as the fetch ends that is under way
  int failures_ = 0;                      // of scheduled refreshes in a row
  std::optional<SteadyTime> last_asked_;  // for an unknown key
  std::vector<Waiter> waiters_;
  // Key ids that a fetch did not bring, and until when they are not asked for again; the oldest first.
  std::deque<std::pair<SteadyTime, std::string>> unknown_order_;
  std::set<std::string, std::less<>> unknown_;
};

}  // namespace livekit::token
