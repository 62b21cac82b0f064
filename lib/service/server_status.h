// What a token server is asked whenever its metrics are read.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
struct MetricFamily;
}  // namespace prometheus

namespace livekit::token {

// An API key.
struct KeyMetrics {
  std::string project;
  std::string key_id;
  std::string_view state;                                              // one of kKeyStates
  std::optional<std::chrono::system_clock::time_point> latest_expiry;  // of the tokens that it has signed here
  std::optional<std::chrono::system_clock::time_point> removable;      // when the key file need not have it any more
};

// All states of a key.
inline constexpr std::array<std::string_view, 4> kKeyStates = {"pending", "active", "retiring", "gone"};

// The published keys that an authenticator goes by.
struct JwksMetrics {
  std::string authenticator;
  std::optional<std::chrono::system_clock::time_point> last_success;
  std::uint64_t successes = 0;
  std::uint64_t failures = 0;
};

struct ServerStatus {
  std::vector<KeyMetrics> keys;
  std::vector<JwksMetrics> jwks;
  std::int64_t requests_in_flight = 0;
  std::uint64_t audit_dropped = 0;
};

// The same as metrics.
std::vector<prometheus::MetricFamily> StatusFamilies(const ServerStatus& status);

}  // namespace livekit::token
