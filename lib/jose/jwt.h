// JSON Web Tokens of others (RFC 7519) in compact form, before they are verified.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jose/algorithm.h"

namespace livekit::token::jose {

inline constexpr std::size_t kMaxJwtBytes = 16 * 1024;

// A token whose header has been read. Nothing in it may be believed until the signature is verified, and the payload is
// not even parsed until then.
struct Jwt {
  std::string_view signing_input;  // points into the token's text
  Algorithm algorithm = Algorithm::kHs256;
  std::string key_id;  // empty if the header has none
  std::string type;    // `typ` in lower case without `application/`; empty if the header has none
  std::string payload;
  std::string signature;
};

// Why a token cannot be verified, whatever the key.
enum class JwtVerdict {
  kOk,
  kMalformed,  // longer than kMaxJwtBytes, not three parts of strict base64url, or the header not a strict JSON object
  kAlgorithm,  // `alg` is absent, `none`, or unknown
  kExtension,  // `crit`, `b64`, `zip` or `enc` is present: the token is not what it seems without them
  kHeader,     // `kid` or `typ` has the wrong type or is too long
};

// Reads `token`, which must outlive `jwt`. Keys and addresses of keys in the header (`jwk`, `jku`, `x5u`, `x5c`, `x5t`)
// are ignored: keys never come from a token. `jwt` counts only if the verdict is kOk.
JwtVerdict ParseJwt(std::string_view token, Jwt& jwt);

// The claim `iss` of a token that is not verified: enough to choose who verifies it, and for nothing else. Nothing if
// `token` is not three parts, or its payload has no text `iss` where one is looked for. Reads no further than the
// first `iss`, so what it takes for an issuer may yet turn out to be malformed. Time is linear and memory constant.
std::optional<std::string> PeekIssuer(std::string_view token);
// The same for the claim `sub`.
std::optional<std::string> PeekSubject(std::string_view token);

// Whether `text` has the form of a token: PeekIssuer finds an issuer in it, or it has three parts of base64url of which
// the first is a strict JSON object.
bool LooksLikeJwt(std::string_view text);

}  // namespace livekit::token::jose
