// JSON Web Key Sets (RFC 7517).
#pragma once

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
};

// Reads a JWK Set. Keys that are no public keys for signatures of a known kind are left out (RFC 7517 section 5), and
// so are those that are malformed, weak, or carry private parts. Symmetric keys never count: whoever can read the set
// could sign with them. Keys with the same `kid` are all kept. `x5c` and `x5u` are ignored. Errors: INVALID_ARGUMENT if
// the text is too long, is not strict JSON, has too many keys or none that can be used.
absl::StatusOr<Jwks> ReadJwks(std::string_view text);

// The keys alone.
absl::StatusOr<KeySet> ParseJwks(std::string_view text);

}  // namespace livekit::token::jose
