// Who may ask how often, and how much may be in progress.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "livekit/token/v1/grants.pb.h"
#include "server/principal.h"
#include "server/rate.h"
#include "server/rate_limiter.h"
#include "server/services.h"
#include "service/metrics.h"

namespace livekit::token {

// What has been asked so far, through all reloads of the configuration. Thread safety: all may be used concurrently.
struct Load {
  RateLimiter buckets;
  std::atomic<std::int64_t> in_flight{0};
};

// One end user or address, to whose budgets a request goes: everybody who has been authenticated has their own, others
// share that of their address, so that nobody spends what belongs to somebody else.
class Requester {
 public:
  // `address` is that of the end user's connection as text; of IPv6 the /64 counts, since that is what one host gets.
  // All whose address is not known count as one.
  Requester(const Principal& principal, std::string_view address);

  bool by_address() const { return by_address_; }
  const std::string& key() const { return key_; }

 private:
  bool by_address_;
  std::string key_;
};

// The rate limits of one configuration. Refusals are RATE_LIMITED with the time after which the same would be granted,
// and name the limit and never whom it is about; each is counted in the metrics.
//
// Thread safety: all methods may be called concurrently.
class Admission {
 public:
  // A place among what is in progress, for as long as somebody holds it. Null where there is no limit.
  using Place = std::shared_ptr<const void>;

  // `limits`, `clock` and `metrics` must outlive the object; `load` is what the configurations share.
  Admission(const RateLimits& limits, const Clock& clock, Metrics& metrics, std::shared_ptr<Load> load);

  // Begins a call, or `items` of a batch. Error: UNAVAILABLE with a delay.
  absl::StatusOr<Place> Enter(int items = 1) const;
  // A call of a program, which costs as many as it has items.
  absl::Status Call(const ServiceRules& service, int items = 1) const;
  // A token for an end user.
  absl::Status Issue(const Requester& requester) const;
  // The agents that a token for an end user would dispatch.
  absl::Status Dispatch(const Requester& requester, int agents) const;
  // The agents that tokens of a program would dispatch.
  absl::Status Dispatch(const ServiceRules& service, int agents) const;
  // What to answer when `refusal` came of authenticating a credential from `address`: the same, unless too many from
  // there have been refused. Only AUTHENTICATION_FAILED counts.
  absl::Status Unauthenticated(const absl::Status& refusal, std::string_view address) const;

 private:
  absl::Status Take(LimitScope scope, std::string_view key, int cost, std::string_view sentence) const;

  const RateLimits& limits_;
  const Clock& clock_;
  Metrics& metrics_;
  const std::shared_ptr<Load> load_;
};

// How many agents a token with these grants dispatches. The empty one that mobile SDKs always send is none.
int AgentsIn(const v1::Grants& grants);

}  // namespace livekit::token
