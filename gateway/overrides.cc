#include "gateway/overrides.h"

#include <utility>

#include "service/process.h"

namespace livekit::token::gateway {

void ApplyOverrides(const GatewayOverrides& overrides, config::v1::GatewayConfig& config) {
  if (!overrides.http_listen.empty()) config.mutable_listen()->set_http(overrides.http_listen);
  if (!overrides.admin_listen.empty()) config.mutable_listen()->set_admin(overrides.admin_listen);
  if (!overrides.server_address.empty()) config.mutable_server()->set_address(overrides.server_address);
  if (!overrides.caller_token_file.empty()) {
    config.mutable_server()->set_caller_token_file(overrides.caller_token_file);
  }
  if (!overrides.cors_origin.empty()) {
    auto& origins = *config.mutable_cors()->mutable_origins();
    origins.Clear();
    for (auto& origin : SplitList(overrides.cors_origin)) *origins.Add() = std::move(origin);
  }
}

}  // namespace livekit::token::gateway
