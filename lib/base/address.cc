#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

constexpr std::string_view kAddressSentence =
    "An address is written host:port or [v6]:port, with a port between 0 and 65535.";

using Ipv4 = std::array<std::uint8_t, 4>;
using Ipv6 = std::array<std::uint8_t, 16>;

std::optional<Ipv4> ParseIpv4(std::string_view text) {
  Ipv4 address;
  if (inet_pton(AF_INET, std::string(text).c_str(), address.data()) != 1) return std::nullopt;
  return address;
}

std::optional<Ipv6> ParseIpv6(std::string_view text) {
  Ipv6 address;
  if (inet_pton(AF_INET6, std::string(text).c_str(), address.data()) != 1) return std::nullopt;
  return address;
}

// Letters, digits, `-`, `_` and `.`: names as DNS and the systems around it have them, and IPv4 addresses.
bool IsName(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::optional<int> ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  int port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + (c - '0');
  }
  if (port > 65535) return std::nullopt;
  return port;
}

// A text cut into its parts; nothing if it is not well-formed. `port` is absent if there is no colon after the host.
struct Parts {
  std::string_view host;
  std::optional<int> port;
};

std::optional<Parts> Split(std::string_view text) {
  Parts parts;
  std::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    parts.host = text.substr(1, close - 1);
    // An embedded NUL would end the text that inet_pton sees.
    if (parts.host.find('\0') != std::string_view::npos || !ParseIpv6(parts.host)) return std::nullopt;
    rest = text.substr(close + 1);
  } else {
    const std::size_t colon = text.find(':');
    parts.host = text.substr(0, colon);
    if (!parts.host.empty() && !IsName(parts.host)) return std::nullopt;
    if (colon != std::string_view::npos) rest = text.substr(colon);
  }
  if (rest.empty()) return parts;
  if (rest.front() != ':') return std::nullopt;
  parts.port = ParsePort(rest.substr(1));
  if (!parts.port) return std::nullopt;
  return parts;
}

HostKind Classify(const Ipv4& a) {
  if (a[0] == 127) return HostKind::kLoopback;
  if (a == Ipv4{}) return HostKind::kAny;
  const bool is_private = a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
                          (a[0] == 169 && a[1] == 254);
  return is_private ? HostKind::kPrivate : HostKind::kPublic;
}

HostKind Classify(const Ipv6& a) {
  constexpr Ipv6 kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr Ipv6 kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (std::equal(a.begin(), a.begin() + 12, kMappedPrefix.begin())) {
    return Classify(Ipv4{a[12], a[13], a[14], a[15]});
  }
  if (a == kLoopback) return HostKind::kLoopback;
  if (a == Ipv6{}) return HostKind::kAny;
  const bool is_private = (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
  return is_private ? HostKind::kPrivate : HostKind::kPublic;
}

}  // namespace

std::string HostPort::ToString() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const std::optional<Parts> parts = Split(text);
  if (!parts || !parts->port) return Refuse(v1::FIELD_INVALID, kAddressSentence);
  return HostPort{std::string(parts->host), *parts->port};
}

std::optional<std::string> HostOf(std::string_view authority) {
  const std::optional<Parts> parts = Split(authority);
  if (!parts || parts->host.empty()) return std::nullopt;
  return AsciiLower(parts->host);
}

HostKind ClassifyHost(std::string_view host) {
  if (host.find('\0') != std::string_view::npos) return HostKind::kUnknown;
  if (const auto v4 = ParseIpv4(host)) return Classify(*v4);
  if (const auto v6 = ParseIpv6(host)) return Classify(*v6);
  std::string name = AsciiLower(host);
  if (!name.empty() && name.back() == '.') name.pop_back();
  constexpr std::string_view kLocalhost = "localhost";
  constexpr std::string_view kBelowLocalhost = ".localhost";
  const bool is_below = name.size() > kBelowLocalhost.size() &&
                        name.compare(name.size() - kBelowLocalhost.size(), std::string::npos, kBelowLocalhost) == 0;
  return name == kLocalhost || (is_below && IsName(name)) ? HostKind::kLoopback : HostKind::kUnknown;
}

}  // namespace livekit::token
