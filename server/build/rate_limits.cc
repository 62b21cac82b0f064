#include "server/build/rate_limits.h"

#include <string>
#include <string_view>

#include "server/build/context.h"

namespace livekit::token::build {
namespace {

constexpr char kPath[] = "rate_limits";

}  // namespace

RateLimits BuildRateLimits(const config::v1::RateLimits& config, Context& context) {
  RateLimits limits;
  const auto read = [&](LimitScope scope, const std::string& text, std::string_view otherwise) {
    const auto rate = ParseRate(text.empty() ? otherwise : std::string_view(text));
    if (rate.ok()) {
      limits[scope] = *rate;
    } else {
      context.Problem(ConfigPath(kPath, LimitScopeName(scope)), std::string(rate.status().message()));
    }
  };
  read(LimitScope::kPerPrincipal, config.per_principal(), "50/s");
  read(LimitScope::kPerAddress, config.per_address(), "200/s");
  read(LimitScope::kPerService, config.per_service(), "10000/s");
  read(LimitScope::kAuthFailuresPerAddress, config.auth_failures_per_address(), "20/s");
  read(LimitScope::kAgentsPerPrincipal, config.agents_per_principal(), "60/m");
  read(LimitScope::kAgentsPerService, config.agents_per_service(), "100/s");
  if (config.max_in_flight() < 0 || config.max_in_flight() > limits::kMostInFlight) {
    context.Problem(ConfigPath(kPath, LimitScopeName(LimitScope::kMaxInFlight)), "must be between 1 and 1000000");
  }
  limits.max_in_flight = config.max_in_flight() == 0 ? limits::kInFlight : config.max_in_flight();
  const auto& per_service = limits[LimitScope::kPerService];
  if (per_service && per_service->burst < limits::kBatchItems) {
    context.Warning(ConfigPath(kPath, LimitScopeName(LimitScope::kPerService)),
                    "permits fewer at once than a batch may hold (1000): BatchMintAccessTokens with more items than "
                    "that is always refused");
  }
  return context.options.dev ? RateLimits() : limits;
}

}  // namespace livekit::token::build
