#include "service/authenticator_metrics.h"

#include <cstddef>
#include <utility>

#include "service/series.h"

namespace livekit::token {
namespace {

constexpr std::array<std::string_view, 3> kOutcomes = {"accepted", "refused", "unavailable"};

// Index of the outcome.
std::size_t OutcomeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
      return 1;
    default:
      return 2;
  }
}

}  // namespace

AuthenticatorMetrics::AuthenticatorMetrics(std::string name, Series<prometheus::Counter>& authentications,
                                           Series<prometheus::Histogram>& requests)
    : name_(std::move(name)), requests_(requests) {
  // All of them at once: what does not happen is 0, not absent.
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) by_outcome_[i] = &authentications.Get({name_, kOutcomes[i]});
}

void AuthenticatorMetrics::Authenticated(const absl::Status& status) { by_outcome_[OutcomeOf(status)]->Increment(); }

void AuthenticatorMetrics::Asked(const absl::Status& status, std::chrono::nanoseconds duration) {
  requests_.Get({name_, kOutcomes[OutcomeOf(status)]}).Observe(std::chrono::duration<double>(duration).count());
}

}  // namespace livekit::token
