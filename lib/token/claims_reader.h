// Claims from JSON text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// The claims of a token. `grants.identity` is `sub`, or `jti` without it, as livekit-server decides.
struct Claims {
  std::string issuer;
  std::string jti;
  std::optional<std::int64_t> issued_at;
  std::optional<std::int64_t> not_before;
  std::optional<std::int64_t> expires_at;
  v1::Grants grants;
};

// How far reading came.
enum class ClaimsVerdict {
  kOk,
  kMalformed,  // not one strict JSON object
  kInvalid,    // a claim has a type that livekit-server does not accept, or is there twice apart from case
};

// Only the issuer, for finding the key before the signature is checked. Nothing if the payload is malformed or has no
// issuer of type string.
std::optional<std::string> PeekIssuer(std::string_view payload);

// Reads all claims as livekit-server's decoder does: names match without regard to case except inside `roomConfig`,
// null counts as absent, unknown members of known objects and unknown claims do not matter. Unknown top-level claims
// are kept in `grants.extra_claims`.
ClaimsVerdict ReadClaims(std::string_view payload, Claims& claims);

}  // namespace livekit::token
