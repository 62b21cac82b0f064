// JSON Web Key Sets (RFC 7517).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "jose/verification_key.h"

namespace livekit::token::jose {

inline constexpr std::size_t kMaxJwksBytes = 256 * 1024;
inline constexpr std::size_t kMaxJwksKeys = 100;
inline constexpr std::size_t kMaxKeyIdBytes = 256;

// What was found in a JWK Set.
struct Jwks {
  KeySet keys;
  // One sentence for each key that was left out, such as `keys[2]: an RSA key must have at least 2048 bits`. Says
  // nothing that stands in the set.
  std::vector<std::string> skipped;
  // Of a SPIFFE bundle: after which time its publisher suggests to look again, at least 1 s.
  std::optional<std::chrono::seconds> refresh_hint;
};

// What the keys of a set are for.
enum class JwksUse {
  kSignatures,  // `use` is absent or `sig` (RFC 7517 section 4.2)
  // The set is a SPIFFE bundle: `use` is `jwt-svid`, and `kid` is there. Its other keys, such as those for X.509
  // certificates, are no surprise and not listed among those left out.
  kJwtSvid,
};

// Reads a JWK Set. Keys that are no public keys for signatures of a known kind are left out (RFC 7517 section 5), and
// so are those that are malformed, weak, or carry private parts. Symmetric keys never count: whoever can read the set
// could sign with them. Keys with the same `kid` are all kept. `x5c` and `x5u` are ignored. Errors: INVALID_ARGUMENT if
// the text is too long, is not strict JSON, has too many keys or none that can be used.
absl::StatusOr<Jwks> ReadJwks(std::string_view text, JwksUse use = JwksUse::kSignatures);

// The keys alone.
absl::StatusOr<KeySet> ParseJwks(std::string_view text);

}  // namespace livekit::token::jose
