#include "gateway/trusted_headers.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/status.h"
#include "base/text.h"
#include "service/log.h"
#include "service/log_interval.h"
#include "service/trusted_proxy.h"

namespace livekit::token::gateway {
namespace {

constexpr char kSection[] = "trusted_headers";

// The name as the most careless reader sees it: without case, and every sign a hyphen.
std::string Blurred(std::string_view name) {
  std::string blurred = AsciiLower(name);
  for (char& c : blurred) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '-';
  }
  return blurred;
}

bool IsProxy(std::string_view peer_address, const std::vector<Network>& networks) {
  const auto peer = IpAddress::Parse(peer_address);
  return peer &&
         std::any_of(networks.begin(), networks.end(), [&](const Network& network) { return network.Contains(*peer); });
}

void LogUntrusted(std::string_view peer) {
  static LogInterval interval;
  if (!interval.Due()) return;
  Log(LogLevel::kWarn, "trusted_header_refused",
      {{"peer_ip", peer},
       {"hint",
        "only hosts in trusted_headers.networks may send these headers; if it is your proxy, add its address"}});
}

}  // namespace

ConfigProblems CheckTrustedHeaders(const config::v1::GatewayTrustedHeaders& config,
                                   const std::vector<std::string>& relay_headers) {
  ConfigProblems problems;
  const auto check_each = [&](const char* field, const auto& list, auto check) {
    const std::string path = ConfigPath(kSection, field);
    if (list.empty()) problems.push_back({path, "is required"});
    std::set<std::string> seen;
    for (int i = 0; i < list.size(); ++i) {
      const std::string problem = check(list.Get(i));
      if (!problem.empty()) problems.push_back({ConfigPath(path, i), problem});
      if (!seen.insert(list.Get(i)).second) problems.push_back({ConfigPath(path, i), "occurs twice"});
    }
  };
  check_each("headers", config.headers(), [&](const std::string& name) -> std::string {
    // Also its twins: who could send them as a credential could send them as the proxy's word.
    const auto is_twin = [&](const std::string& relayed) { return Blurred(relayed) == Blurred(name); };
    if (std::any_of(relay_headers.begin(), relay_headers.end(), is_twin)) {
      return "is in relay_headers, where clients bring credentials of their own";
    }
    return CheckIdentityHeader(name);
  });
  check_each("networks", config.networks(), CheckProxyNetwork);
  return problems;
}

TrustedHeaderOptions MakeTrustedHeaderOptions(const config::v1::GatewayTrustedHeaders& config) {
  TrustedHeaderOptions options;
  options.headers.assign(config.headers().begin(), config.headers().end());
  for (const std::string& text : config.networks()) {
    if (auto network = Network::Parse(text); network.ok()) options.networks.push_back(*network);
  }
  return options;
}

absl::Status CollectTrustedHeaders(const http::Request& request, const TrustedHeaderOptions& options,
                                   Backend::Item& item) {
  if (options.headers.empty()) return absl::OkStatus();
  const bool is_proxy = IsProxy(request.peer_address, options.networks);
  if (is_proxy) item.mutable_trusted_headers();
  std::set<std::string> seen;
  for (const http::Header& header : request.headers) {
    std::string blurred = Blurred(header.name);
    if (std::find(options.headers.begin(), options.headers.end(), blurred) == options.headers.end()) continue;
    if (!is_proxy) {
      LogUntrusted(request.peer_address);
      return WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED));
    }
    if (!EqualsIgnoreCase(header.name, blurred) || !seen.insert(blurred).second) {
      return Refuse(v1::AMBIGUOUS_CREDENTIALS, "The request carries the same identity header more than once.");
    }
    // Protobuf strings are UTF-8; other bytes would make the whole call to the token server fail.
    if (!IsValidUtf8(header.value)) return Refuse(v1::MALFORMED_REQUEST);
    auto* trusted = item.mutable_trusted_headers()->add_headers();
    trusted->set_header(std::move(blurred));
    trusted->set_value(header.value);
  }
  return absl::OkStatus();
}

}  // namespace livekit::token::gateway
