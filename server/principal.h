// Who is asking.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/claims.h"

namespace livekit::token {

// One presented credential: a header or metadata entry.
struct PresentedHeader {
  std::string name;  // lower case
  std::string value;
};

// The names in a client certificate that the connection has verified.
struct PeerCertificate {
  std::vector<std::string> uri_sans;
  std::vector<std::string> dns_sans;
};

// Everything in a request that can prove an identity, for one of its two roles: the principal, for whom a token is, or
// the caller, the program that speaks.
struct Credentials {
  std::vector<PresentedHeader> headers;
  // What an authenticating proxy says; present, even if empty, exactly when the peer is one. Not for callers.
  std::optional<std::vector<PresentedHeader>> trusted_headers = std::nullopt;
  // Of the connection; only for callers.
  std::optional<PeerCertificate> certificate = std::nullopt;

  bool empty() const { return headers.empty() && !trusted_headers && !certificate; }
};

// The header that carries a caller's credential. It is never relayed and never counts for a principal.
inline constexpr std::string_view kCallerHeader = "x-caller-authorization";

// The header that carries cookies, of which those count that an authenticator names.
inline constexpr std::string_view kCookieHeader = "cookie";

// Most bytes of a subject that somebody else states.
inline constexpr std::size_t kMaxSubjectBytes = 256;

// Whether `text` can stand in tokens, logs and comparisons as it is: well-formed UTF-8 without control characters (C0,
// DEL and C1).
bool IsPlainText(std::string_view text);

// An authenticated identity.
struct Principal {
  std::string authenticator;  // name of the authenticator that vouches for it; empty if a service does
  std::string subject;        // empty for anonymous callers
  Claims claims;
  std::string service = {};  // name of the service that asserts it; empty if an authenticator vouches for it
};

}  // namespace livekit::token
