// Where the keys of an issuer come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "jose/verification_key.h"

namespace livekit::token {

// How an issuer's published keys are, for metrics.
struct KeySourceState {
  std::optional<Time> last_success;
  std::string last_error;       // our own sentence; empty after a success
  std::size_t keys = 0;         // that may be used now
  std::uint64_t successes = 0;  // fetches
  std::uint64_t failures = 0;
};

// Keys of one issuer. A set that has been handed over never changes: new keys come as a new set.
//
// Thread safety: all methods may be called concurrently.
class KeySource {
 public:
  using Done = std::function<void(absl::StatusOr<std::shared_ptr<const jose::KeySet>>)>;

  virtual ~KeySource() = default;
  // Hands over the keys among which the one with `kid` may be; `kid` is empty if the token names none. Calls `done`
  // once, never with null: before it returns if the keys are known, else when they have been fetched. Never blocks.
  // Errors: UNAVAILABLE.
  virtual void Get(std::string_view kid, Time now, Done done) = 0;
  // The keys at hand that may still be used at `now`; null if there are none. Never fetches. What was verified with one
  // set is believed only while it is the current one, so a source should keep its set as long as a fetch brings nothing
  // new.
  virtual std::shared_ptr<const jose::KeySet> Current(Time now) const = 0;
  // Nothing if they are not fetched.
  virtual std::optional<KeySourceState> state() const { return std::nullopt; }
};

// Keys that do not change.
class StaticKeys final : public KeySource {
 public:
  explicit StaticKeys(jose::KeySet keys) : keys_(std::make_shared<const jose::KeySet>(std::move(keys))) {}

  void Get(std::string_view /*kid*/, Time /*now*/, Done done) override { done(keys_); }
  std::shared_ptr<const jose::KeySet> Current(Time /*now*/) const override { return keys_; }

 private:
  std::shared_ptr<const jose::KeySet> keys_;
};

}  // namespace livekit::token
