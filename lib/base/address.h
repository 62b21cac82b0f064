// Network addresses as people write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace livekit::token {

// A host and a port. `host` is a name or an IP address without brackets; it may be empty where that is allowed.
struct HostPort {
  std::string host;
  int port = 0;

  // `host:port`, with brackets around an IPv6 address.
  std::string ToString() const;
};

// Parses `host:port` or `[v6]:port`; port 0 to 65535. An IPv6 address without brackets is refused.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

// The host of an HTTP `Host` or gRPC authority: a name, an IPv4 address or a bracketed IPv6 address, with or without
// port; brackets are removed, letters lowered. Nothing if the text is none of these.
std::optional<std::string> HostOf(std::string_view authority);
// Whether there is one.
bool HasHost(std::string_view authority);

// What kind of place a host is. Only literal addresses and `localhost` (with or without a final dot, and names below
// it, RFC 6761) are classified; other names are kUnknown, since resolving them would let a DNS answer decide (DNS
// rebinding). IPv4 addresses mapped into IPv6 count as IPv4.
enum class HostKind {
  kUnknown,
  kLoopback,  // 127.0.0.0/8, ::1, localhost
  kPrivate,   // RFC 1918, RFC 4193 (fc00::/7), link-local 169.254.0.0/16 and fe80::/10
  kPublic,    // any other address
  kAny,       // 0.0.0.0, ::
};
HostKind ClassifyHost(std::string_view host);

// Whether connections to `host` never leave this machine: a literal loopback address, or `localhost` itself. No names
// below it, which a resolver may send anywhere.
bool IsLocalHost(std::string_view host);

}  // namespace livekit::token
