// Configuration of rate limits.
#pragma once

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/rate.h"

namespace livekit::token::build {

struct Context;

// Reads the rates; what is not stated has its default. In development mode nothing is limited.
RateLimits BuildRateLimits(const config::v1::RateLimits& config, Context& context);

}  // namespace livekit::token::build
