#include "gateway/client_address.h"

#include <algorithm>
#include <optional>

#include "base/address.h"

namespace livekit::token::gateway {
namespace {

// More than any chain of proxies has.
constexpr int kMaxHops = 32;

bool Contains(const TrustedProxies& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.Contains(address); });
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// An address as proxies write it: bare, or as some do, with brackets and a port.
std::optional<IpAddress> ParseHop(std::string_view text) {
  if (auto address = IpAddress::Parse(text)) return address;
  const auto host = HostOf(text);
  return host ? IpAddress::Parse(*host) : std::nullopt;
}

}  // namespace

std::string CheckTrustedProxy(std::string_view text) {
  const auto network = Network::Parse(text);
  if (!network.ok()) return std::string(network.status().message());
  if (network->IsEverything()) {
    return "would trust everybody, and so let every client choose its address; list the networks of the proxies";
  }
  return "";
}

std::string ClientAddress(const http::Request& request, const TrustedProxies& trusted) {
  if (trusted.empty()) return request.peer_address;
  auto client = IpAddress::Parse(request.peer_address);
  if (!client || !Contains(trusted, *client)) return request.peer_address;
  const auto lines = request.HeaderValues("x-forwarded-for");
  int hops = 0;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    std::string_view rest = *line;
    for (bool more = true; more;) {
      const std::size_t comma = rest.rfind(',');
      more = comma != rest.npos;
      const auto hop = ParseHop(Trimmed(more ? rest.substr(comma + 1) : rest));
      if (!hop || ++hops > kMaxHops) return client->ToString();
      client = hop;
      if (!Contains(trusted, *client)) return client->ToString();
      rest = rest.substr(0, more ? comma : 0);
    }
  }
  return client->ToString();
}

}  // namespace livekit::token::gateway
