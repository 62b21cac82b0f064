// Settings of the gateway that flags and the environment give in place of the file.
#pragma once

#include <string>

#include "livekit/token/config/v1/gateway_config.pb.h"

namespace livekit::token::gateway {

// Empty: as in the file.
struct GatewayOverrides {
  std::string http_listen;
  std::string admin_listen;
  std::string server_address;
  std::string cors_origin;  // comma-separated list; replaces the file's
  std::string caller_token_file;
};

// Puts what is given into `config`.
void ApplyOverrides(const GatewayOverrides& overrides, config::v1::GatewayConfig& config);

}  // namespace livekit::token::gateway
