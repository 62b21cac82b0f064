#include "server/admission.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/network.h"
#include "base/status.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kInFlightDelay{1000};
// What is longer need not be told exactly.
constexpr milliseconds kMostDelay = std::chrono::hours(1);
// Names cannot run into subjects: their length stands before them.
std::string PrincipalKey(char kind, const std::string& voucher, const std::string& subject) {
  return kind + std::to_string(voucher.size()) + ":" + voucher + subject;
}

}  // namespace

Requester::Requester(const Principal& principal, std::string_view address)
    : by_address_(principal.service.empty() && principal.subject.empty()),
      key_(by_address_                 ? AddressKey(address)
           : principal.service.empty() ? PrincipalKey('a', principal.authenticator, principal.subject)
                                       : PrincipalKey('s', principal.service, principal.subject)) {}

int AgentsIn(const v1::Grants& grants) {
  const auto& agents = grants.room_config().agents();
  const bool has_empty =
      std::any_of(agents.begin(), agents.end(), [](const auto& agent) { return agent.ByteSizeLong() == 0; });
  return agents.size() - int{has_empty};
}

Admission::Admission(const RateLimits& limits, const Clock& clock, Metrics& metrics, std::shared_ptr<Load> load)
    : limits_(limits), clock_(clock), metrics_(metrics), load_(std::move(load)) {}

absl::StatusOr<Admission::Place> Admission::Enter(int items) const {
  if (limits_.max_in_flight == 0) return Place();
  if (load_->in_flight.fetch_add(items) + items > limits_.max_in_flight) {
    load_->in_flight -= items;
    metrics_.RateLimited(LimitScope::kMaxInFlight);
    return WithRetryDelay(Refuse(v1::UNAVAILABLE, "Too many requests are in progress; try again."), kInFlightDelay);
  }
  return Place(load_.get(), [load = load_, items](const void*) { load->in_flight -= items; });
}

absl::Status Admission::Call(const ServiceRules& service, int items) const {
  return Take(LimitScope::kPerService, service.name, items, "Too many requests of the calling program.");
}

absl::Status Admission::Issue(const Requester& requester) const {
  return requester.by_address()
             ? Take(LimitScope::kPerAddress, requester.key(), 1, "Too many requests from this address.")
             : Take(LimitScope::kPerPrincipal, requester.key(), 1, "Too many requests of this user.");
}

absl::Status Admission::Dispatch(const Requester& requester, int agents) const {
  return Take(LimitScope::kAgentsPerPrincipal, requester.key(), agents,
              requester.by_address() ? "Too many agents have been asked for from this address."
                                     : "This user has asked for too many agents.");
}

absl::Status Admission::Dispatch(const ServiceRules& service, int agents) const {
  return Take(LimitScope::kAgentsPerService, service.name, agents,
              "The calling program has asked for too many agents.");
}

absl::Status Admission::Unauthenticated(const absl::Status& refusal, std::string_view address) const {
  if (refusal.ok() || ReasonOf(refusal) != v1::AUTHENTICATION_FAILED) return refusal;
  const absl::Status limited = Take(LimitScope::kAuthFailuresPerAddress, AddressKey(address), 1,
                                    "Too many credentials from this address have been refused.");
  return limited.ok() ? refusal : limited;
}

absl::Status Admission::Take(LimitScope scope, std::string_view key, int cost, std::string_view sentence) const {
  const auto& rate = limits_[scope];
  if (!rate || cost <= 0) return absl::OkStatus();
  const auto delay = load_->buckets.Take(scope, key, cost, *rate, clock_.Steady());
  if (!delay) return absl::OkStatus();
  metrics_.RateLimited(scope);
  if (*delay == RateLimiter::kNever) {
    return WithRetryDelay(Refuse(v1::RATE_LIMITED, "This asks for more at once than the limit ever permits."),
                          kMostDelay);
  }
  return WithRetryDelay(Refuse(v1::RATE_LIMITED, sentence),
                        std::min(std::chrono::ceil<milliseconds>(*delay), kMostDelay));
}

}  // namespace livekit::token
