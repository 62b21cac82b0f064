#include "gateway/grpc_channel.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/substitute.h"
#include "base/address.h"
#include "gateway/channel_tls.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "service/limits.h"

namespace livekit::token::gateway {
namespace {

constexpr std::string_view kForms =
    "is not host:port, dns:///name:port, unix:/path, or a list such as ipv4:10.0.0.1:50051,10.0.0.2:50051";

// What a batch may hold, both ways.
constexpr int kMaxSendBytes = 2 << 20;
constexpr int kMaxReceiveBytes = limits::kAnswerMessageBytes;

// Takes a server out of the turn that fails a quarter of its calls within half a second, also by not answering before
// they were cancelled: round robin by itself would ask a server that hangs until keepalive ends the connection. Never
// the only one, and only a third of them. The name is gRPC's, not yet final; it must stand nowhere else, and
// tests/unit/gateway/grpc_hedging_test.cc proves that it has its effect.
constexpr char kLoadBalancing[] = R"({
    "outlier_detection_experimental": {
      "interval": "0.1s",
      "baseEjectionTime": "8s",
      "maxEjectionTime": "8s",
      "maxEjectionPercent": 50,
      "failurePercentageEjection": {
        "threshold": 80,
        "enforcementPercentage": 100,
        "minimumHosts": 2,
        "requestVolume": 3
      },
      "childPolicy": [{"round_robin": {}}]
    }
  })";

// CANCELLED is retried too: a server that stops ends some calls with it.
constexpr char kRetryPolicy[] = R"(,
    "retryPolicy": {
      "maxAttempts": $0,
      "initialBackoff": "0.02s",
      "maxBackoff": "0.2s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]
    })";

constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [$0],
  "healthCheckConfig": {"serviceName": ""},
  "methodConfig": [{
    "name": [{"service": "livekit.token.v1.TokenService"}]$1
  }],
  "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
})";

std::string ServiceConfig(int max_attempts) {
  // gRPC refuses a policy with a single attempt.
  const std::string retry = max_attempts > 1 ? absl::Substitute(kRetryPolicy, max_attempts) : "";
  return absl::Substitute(kServiceConfig, kLoadBalancing, retry);
}

// Takes `prefix` off the front of `text`, if it is there.
bool Consume(std::string_view prefix, std::string_view& text) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool HasPort(std::string_view address) {
  const auto parsed = ParseHostPort(address);
  return parsed.ok() && !parsed->host.empty() && parsed->port > 0;
}

// Whether `list` holds addresses with ports, one or more, separated by commas: gRPC takes no names here.
bool IsAddressList(std::string_view list, int family) {
  while (true) {
    const std::size_t comma = list.find(',');
    const auto parsed = ParseHostPort(list.substr(0, comma));
    in6_addr address{};  // large enough for both
    if (!parsed.ok() || parsed->port == 0 || inet_pton(family, parsed->host.c_str(), &address) != 1) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string_view CheckTarget(std::string_view target) {
  if (Consume("unix:", target)) {
    if (target.empty() || target.front() != '/') return kForms;
    // sockaddr_un has 108 bytes, the final NUL included.
    return target.size() < 108 ? "" : "has a path of more than 107 bytes";
  }
  if (Consume("ipv4:", target)) return IsAddressList(target, AF_INET) ? "" : kForms;
  if (Consume("ipv6:", target)) return IsAddressList(target, AF_INET6) ? "" : kForms;
  Consume("dns:///", target);
  return HasPort(target) ? "" : kForms;
}

bool IsTargetList(std::string_view target) { return target.find(',') != target.npos; }

bool IsLocalTarget(std::string_view target) {
  if (Consume("unix:", target)) return true;
  if (!Consume("ipv4:", target) && !Consume("ipv6:", target)) Consume("dns:///", target);
  while (true) {
    const std::size_t comma = target.find(',');
    const auto parsed = ParseHostPort(target.substr(0, comma));
    if (!parsed.ok() || !IsLocalHost(parsed->host)) return false;
    if (comma == std::string_view::npos) return true;
    target.remove_prefix(comma + 1);
  }
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target, const ChannelTls* tls, int max_attempts) {
  grpc::ChannelArguments args;
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (tls != nullptr) {
    credentials = tls->credentials();
    if (!tls->server_name().empty()) args.SetSslTargetNameOverride(tls->server_name());
  }
  args.SetServiceConfigJSON(ServiceConfig(max_attempts));
  // A DNS TXT record must not replace the service config.
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // End users' credentials do not go through a proxy that happens to stand in the environment.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A server that has fallen silent is given up, and another asked, before the time of a request (9 s) is up. Servers
  // take pings every 5 s.
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 5500);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  // The time that one attempt to connect may take.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // With gRPC's variation of a fifth, a server that is back is found within two seconds however long it was gone.
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1500);
  args.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 5000);
  args.SetInt(GRPC_ARG_DNS_ENABLE_SRV_QUERIES, 0);
  // Two backends of one process share no connection and no backoff.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetMaxSendMessageSize(kMaxSendBytes);
  args.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // A call with more bytes than this is not tried again; gRPC's own limit of 256 KiB is less than a batch.
  args.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kMaxSendBytes);
  return grpc::CreateCustomChannel(target, credentials, args);
}

}  // namespace livekit::token::gateway
