#include "base/address.h"

#include <algorithm>
#include <cstdint>

#include "base/network.h"
#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

constexpr std::string_view kAddressSentence =
    "An address is written host:port or [v6]:port, with a port between 0 and 65535.";

// Whether `text` is an IPv6 address; one that is mapped from IPv4 is one, too.
bool IsIpv6Text(std::string_view text) { return text.find(':') != text.npos && IpAddress::Parse(text); }

// A name as DNS and the systems around it have them, or an IPv4 address.
bool IsName(std::string_view text) { return !text.empty() && text.size() <= 253 && IsOfNameCharacters(text); }

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
    if (!IsIpv6Text(parts.host)) return std::nullopt;
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

HostKind Classify(const IpAddress& address) {
  const auto a = address.bytes();
  const bool begins_with_zeros = std::all_of(a.begin(), a.end() - 1, [](std::uint8_t byte) { return byte == 0; });
  if (begins_with_zeros && a.back() == 0) return HostKind::kAny;
  if (address.is_v4()) {
    if (a[0] == 127) return HostKind::kLoopback;
    const bool is_private = a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
                            (a[0] == 169 && a[1] == 254);
    return is_private ? HostKind::kPrivate : HostKind::kPublic;
  }
  if (begins_with_zeros && a.back() == 1) return HostKind::kLoopback;
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

bool HasHost(std::string_view authority) {
  const std::optional<Parts> parts = Split(authority);
  return parts && !parts->host.empty();
}

std::optional<std::string> HostOf(std::string_view authority) {
  const std::optional<Parts> parts = Split(authority);
  if (!parts || parts->host.empty()) return std::nullopt;
  return AsciiLower(parts->host);
}

HostKind ClassifyHost(std::string_view host) {
  if (const auto address = IpAddress::Parse(host)) return Classify(*address);
  std::string name = AsciiLower(host);
  if (!name.empty() && name.back() == '.') name.pop_back();
  constexpr std::string_view kLocalhost = "localhost";
  constexpr std::string_view kBelowLocalhost = ".localhost";
  const bool is_below = name.size() > kBelowLocalhost.size() &&
                        name.compare(name.size() - kBelowLocalhost.size(), std::string::npos, kBelowLocalhost) == 0;
  return name == kLocalhost || (is_below && IsName(name)) ? HostKind::kLoopback : HostKind::kUnknown;
}

bool IsLocalHost(std::string_view host) {
  if (IpAddress::Parse(host)) return ClassifyHost(host) == HostKind::kLoopback;
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  return EqualsIgnoreCase(host, "localhost");
}

}  // namespace livekit::token
