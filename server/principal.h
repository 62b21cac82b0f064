// Who is asking.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/struct.pb.h"

namespace livekit::token {

// One presented credential: a header or metadata entry.
struct PresentedHeader {
  std::string name;  // lower case
  std::string value;
};

// Everything in a request that can prove an identity, for one of its two roles: the principal, for whom a token is, or
// the caller, the program that speaks.
struct Credentials {
  std::vector<PresentedHeader> headers;

  bool empty() const { return headers.empty(); }
};

// The header that carries a caller's credential. It is never relayed and never counts for a principal.
inline constexpr std::string_view kCallerHeader = "x-caller-authorization";

// An authenticated identity.
struct Principal {
  std::string authenticator;  // name of the authenticator that vouches for it
  std::string subject;        // empty for anonymous callers
  google::protobuf::Struct claims;
};

}  // namespace livekit::token
