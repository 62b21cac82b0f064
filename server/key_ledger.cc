#include "server/key_ledger.h"

#include <algorithm>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace livekit::token {
namespace {

// LiveKit's verifiers allow for clocks that differ.
constexpr std::chrono::minutes kLeeway{1};
// The least that a token lives which LiveKit gives to a participant in place of the first one.
constexpr std::chrono::minutes kLeastRefresh{10};

nlohmann::ordered_json TimeOrNull(const std::optional<Time>& time) {
  if (!time) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromChrono(*time), absl::UTCTimeZone());
}

}  // namespace

void KeyRecord::Signed(Time expire_time) {
  const std::int64_t seconds = UnixSeconds(expire_time);
  std::int64_t latest = latest_.load(std::memory_order_relaxed);
  // Most tokens of one second expire in one second, so that this rarely writes.
  while (latest < seconds && !latest_.compare_exchange_weak(latest, seconds, std::memory_order_relaxed)) {
  }
}

std::optional<Time> KeyRecord::latest_expiry() const {
  const std::int64_t latest = latest_.load(std::memory_order_relaxed);
  if (latest == 0) return std::nullopt;
  return Time(std::chrono::seconds(latest));
}

std::string_view KeyStateName(KeyState state) {
  switch (state) {
    case KeyState::kPending:
      return "pending";
    case KeyState::kActive:
      return "active";
    case KeyState::kRetiring:
      return "retiring";
    case KeyState::kGone:
      break;
  }
  return "gone";
}

std::shared_ptr<KeyRecord> KeyLedger::Record(const std::string& project, const std::string& key_id) {
  const std::lock_guard lock(mutex_);
  return entries_[{project, key_id}].record;
}

void KeyLedger::Use(const std::vector<ProjectInUse>& projects, Time now) {
  const std::lock_guard lock(mutex_);
  for (auto& [name, entry] : entries_) entry.present = false;
  for (const auto& [project, longest_ttl] : projects) {
    for (const auto& [id, key] : project->keys->keys()) {
      Entry& entry = entries_[{project->name, id}];
      const bool active = id == project->signing_key->id();
      if (!active && (entry.active || !entry.in_use)) entry.idle_since = now;
      entry.in_use = entry.present = true;
      entry.active = active;
      entry.was_active |= active;
      // Tokens of an earlier configuration may live longer than those of this one.
      entry.longest_ttl = std::max(entry.longest_ttl, longest_ttl);
    }
  }
  for (auto& [name, entry] : entries_) {
    if (entry.present || !entry.active) continue;
    entry.active = false;
    entry.idle_since = now;
  }
}

std::vector<KeyStatus> KeyLedger::Status(Time now) {
  const std::lock_guard lock(mutex_);
  std::vector<KeyStatus> keys;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto& [name, entry] = *it;
    KeyStatus key{name.first, name.second, KeyState::kActive, entry.record->latest_expiry(), {}, {}};
    if (!entry.active) {
      key.state = !entry.present ? KeyState::kGone : entry.was_active ? KeyState::kRetiring : KeyState::kPending;
      const Time last = std::max(key.latest_expiry.value_or(Time()), entry.idle_since + entry.longest_ttl) + kLeeway;
      key.remove_from_livekit = last;
      key.remove_here = last + std::max<std::chrono::seconds>(kLeastRefresh, entry.longest_ttl);
    }
    // Also those of a configuration that was refused.
    const bool over = !entry.present && (!entry.in_use || now >= *key.remove_here);
    if (!over) keys.push_back(std::move(key));
    it = over && entry.record.use_count() == 1 ? entries_.erase(it) : std::next(it);
  }
  return keys;
}

std::string KeysAsJson(const std::vector<KeyStatus>& keys) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const KeyStatus& key : keys) {
    list.push_back({{"project", key.project},
                    {"key", key.key_id},
                    {"state", std::string(KeyStateName(key.state))},
                    {"latest_expiry", TimeOrNull(key.latest_expiry)},
                    {"remove_from_livekit_after", TimeOrNull(key.remove_from_livekit)},
                    {"remove_here_after", TimeOrNull(key.remove_here)}});
  }
  return list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace livekit::token
