#include "server/authn/jwks_cache.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/status.h"
#include "jose/jwk.h"
#include "service/log.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestLifetime = std::chrono::minutes(1);
constexpr milliseconds kLongestLifetime = std::chrono::hours(1);
constexpr milliseconds kFirstRetry = std::chrono::seconds(1);
constexpr milliseconds kLongestRetry = std::chrono::minutes(1);
// How much earlier than asked a refresh may come.
constexpr double kJitter = 0.1;

bool HasKey(const jose::KeySet& keys, std::string_view kid) {
  return std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return key->key_id() == kid; });
}

void Answer(const JwksCache::Done& done, std::shared_ptr<const jose::KeySet> keys) {
  if (keys == nullptr) return done(Refuse(v1::UNAVAILABLE));
  done(std::move(keys));
}

}  // namespace

std::shared_ptr<JwksCache> JwksCache::Create(JwksCacheOptions options, World world) {
  return std::shared_ptr<JwksCache>(new JwksCache(std::move(options), std::move(world)));
}

JwksCache::~JwksCache() {
  for (const Waiter& waiter : waiters_) Answer(waiter.done, nullptr);
}

JwksCache::Keys JwksCache::Usable(SteadyTime now) const {
  return last_success_ && now - *last_success_ <= options_.max_stale ? keys_ : nullptr;
}

std::shared_ptr<const jose::KeySet> JwksCache::Current(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  return Usable(now);
}

JwksState JwksCache::state(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  const Keys keys = Usable(now);
  return {last_success_, last_error_, keys == nullptr ? 0 : keys->size(), successes_, fetch_failures_};
}

bool JwksCache::IsKnownUnknown(std::string_view kid, SteadyTime now) {
  while (!unknown_order_.empty() && unknown_order_.front().first <= now) {
    unknown_.erase(unknown_order_.front().second);
    unknown_order_.pop_front();
  }
  return unknown_.find(kid) != unknown_.end();
}

void JwksCache::RememberUnknown(const std::string& kid, SteadyTime now) {
  const bool can_be = !kid.empty() && kid.size() <= jose::kMaxKeyIdBytes;
  if (!can_be || options_.max_unknown == 0 || !unknown_.insert(kid).second) return;
  unknown_order_.emplace_back(now + options_.cooldown, kid);
  if (unknown_.size() <= options_.max_unknown) return;
  unknown_.erase(unknown_order_.front().second);
  unknown_order_.pop_front();
}

void JwksCache::Get(std::string_view kid, SteadyTime now, Done done) {
  Keys keys;
  bool fetch = false;
  {
    const std::lock_guard lock(mutex_);
    keys = Usable(now);
    // No set has ids as long as some that can be made up, and those would fill memory.
    const bool can_answer = keys != nullptr && (kid.empty() || kid.size() > jose::kMaxKeyIdBytes ||
                                                HasKey(*keys, kid) || IsKnownUnknown(kid, now));
    if (!can_answer) {
      fetch = !fetching_ && (!last_asked_ || now - *last_asked_ >= options_.cooldown);
      if (fetch) {
        fetching_ = true;
        last_asked_ = now;
      }
      if (fetching_ && waiters_.size() < options_.max_waiters) {
        waiters_.push_back({std::string(kid.substr(0, jose::kMaxKeyIdBytes + 1)), std::exchange(done, nullptr)});
      } else if (fetching_) {
        keys = nullptr;  // it is not known whether they are the right ones
      }
    }
  }
  if (done) Answer(done, std::move(keys));
  if (fetch) Fetch(Cause::kUnknownKey);
}

void JwksCache::Refresh() {
  {
    const std::lock_guard lock(mutex_);
    refresh_is_due_ = fetching_;
    if (fetching_) return;
    fetching_ = true;
  }
  Fetch(Cause::kSchedule);
}

void JwksCache::Fetch(Cause cause) {
  world_.fetch([weak = weak_from_this(), cause](const absl::StatusOr<JwksDocument>& document, SteadyTime now) {
    if (const auto self = weak.lock()) self->Finish(cause, document, now);
  });
}

absl::StatusOr<JwksCache::Contents> JwksCache::Read(const absl::StatusOr<JwksDocument>& document) const {
  if (!document.ok()) return document.status();
  {
    const std::lock_guard lock(mutex_);
    if (keys_ != nullptr && document->text == text_) return Contents();
  }
  LKT_ASSIGN_OR_RETURN(jose::Jwks read, jose::ReadJwks(document->text, options_.use));
  for (const std::string& skipped : read.skipped) {
    Log(LogLevel::kWarn, "jwks_key_skipped", {{"issuer", options_.issuer}, {"why", skipped}});
  }
  Log(LogLevel::kInfo, "jwks_changed",
      {{"issuer", options_.issuer}, {"keys", static_cast<std::int64_t>(read.keys.size())}});
  return Contents{std::make_shared<const jose::KeySet>(std::move(read.keys)), read.refresh_hint};
}

SteadyTime JwksCache::NextRefresh(std::optional<std::chrono::seconds> lifetime, bool ok, SteadyTime now) {
  milliseconds delay = options_.refresh_interval;
  if (!ok) {
    delay = std::min(kFirstRetry * (1 << std::min(failures_, 10)), kLongestRetry);
    ++failures_;
  } else {
    failures_ = 0;
    if (refresh_hint_ && (!lifetime || *refresh_hint_ < *lifetime)) lifetime = refresh_hint_;
    if (lifetime) {
      delay = std::clamp(milliseconds(*lifetime), std::min(kShortestLifetime, options_.refresh_interval),
                         std::max(kLongestLifetime, options_.refresh_interval));
    }
    // One refresh must be able to fail before the keys are too old.
    delay = std::min(delay, options_.max_stale / 2);
  }
  return now + delay - std::chrono::duration_cast<milliseconds>(delay * (kJitter * world_.random()));
}

void JwksCache::Finish(Cause cause, const absl::StatusOr<JwksDocument>& document, SteadyTime now) {
  absl::StatusOr<Contents> read;
  try {
    read = Read(document);
  } catch (const std::exception&) {
    read = absl::UnavailableError("out of memory");
  }
  std::vector<Waiter> waiters;
  Keys keys;
  std::string error(read.status().message());
  std::optional<SteadyTime> next;
  bool fetch = false;
  {
    const std::lock_guard lock(mutex_);
    if (read.ok()) {
      if (read->keys != nullptr) {
        keys_ = read->keys;
        refresh_hint_ = read->refresh_hint;
        text_ = document->text;
      }
      last_success_ = now;
    }
    last_error_ = error;
    ++(read.ok() ? successes_ : fetch_failures_);
    keys = Usable(now);
    waiters.swap(waiters_);
    for (const Waiter& waiter : waiters) {
      if (read.ok() && !HasKey(*keys, waiter.kid)) RememberUnknown(waiter.kid, now);
    }
    if (cause == Cause::kSchedule) {
      next = NextRefresh(read.ok() ? document->lifetime : std::nullopt, read.ok(), now);
    }
    fetch = std::exchange(refresh_is_due_, false);
    fetching_ = fetch;
  }
  if (!read.ok()) Log(LogLevel::kWarn, "jwks_refresh_failed", {{"issuer", options_.issuer}, {"why", error}});
  if (next) {
    world_.call_at(*next, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Refresh();
    });
  }
  if (fetch) Fetch(Cause::kSchedule);
  for (const Waiter& waiter : waiters) Answer(waiter.done, keys);
}

}  // namespace livekit::token
