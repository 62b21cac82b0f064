// What is counted of one authenticator.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace prometheus {
class Counter;
class Histogram;
}  // namespace prometheus

namespace livekit::token {

template <typename T>
class Series;

// livekit_token_authentications_total and livekit_token_authenticator_request_duration_seconds. A status that says that
// a credential is not good is counted as `refused`, every other failure as `unavailable`.
//
// Thread safety: all methods may be called concurrently.
class AuthenticatorMetrics {
 public:
  AuthenticatorMetrics(std::string name, Series<prometheus::Counter>& authentications,
                       Series<prometheus::Histogram>& requests);

  // A credential has been checked.
  void Authenticated(const absl::Status& status);
  // A service has been asked about one, and this came of it.
  void Asked(const absl::Status& status, std::chrono::nanoseconds duration);

 private:
  const std::string name_;
  Series<prometheus::Histogram>& requests_;
  std::array<prometheus::Counter*, 3> by_outcome_{};
};

}  // namespace livekit::token
