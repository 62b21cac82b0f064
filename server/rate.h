// How often something may happen, as a number and as text.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "service/limits.h"

namespace livekit::token {

// So many in each period, and so many at once.
struct Rate {
  std::int64_t count = 0;          // 1 to kMost
  std::chrono::seconds period{1};  // a second, a minute or an hour
  std::int64_t burst = 0;          // 1 to twice kMost

  static constexpr std::int64_t kMost = 1'000'000'000;

  bool operator==(const Rate& other) const = default;
};

// The rates of a configuration. As made, nothing is limited.
struct RateLimits {
  std::array<std::optional<Rate>, kRateScopes> rates = {};  // by LimitScope; nothing: no limit
  std::int64_t max_in_flight = 0;                           // 0: no limit

  const std::optional<Rate>& operator[](LimitScope scope) const { return rates[static_cast<std::size_t>(scope)]; }
  std::optional<Rate>& operator[](LimitScope scope) { return rates[static_cast<std::size_t>(scope)]; }
};

// Parses `10/s`, `600/m` or `1000/h`, with ` burst 50` behind it for what may come at once; without, that is twice the
// number for a second, and once the number for a minute or an hour. `off` is nothing: no limit. Errors: InvalidArgument
// with a phrase that can stand behind the text's place.
absl::StatusOr<std::optional<Rate>> ParseRate(std::string_view text);

}  // namespace livekit::token
