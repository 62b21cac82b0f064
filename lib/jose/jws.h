// JSON Web Signatures in compact form (RFC 7515).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace livekit::token::jose {

// The three parts of a compact JWS, decoded but not verified: nothing in it may be believed yet.
struct CompactJws {
  std::string_view signing_input;  // the first two parts as they stand in the text, which must outlive this
  std::string header;              // JSON text
  std::string payload;
  std::string signature;
};

// Splits and decodes `text`. Nothing if it is longer than `max_bytes`, does not have exactly three parts, or one of
// them is not strict base64url or is empty.
std::optional<CompactJws> ParseCompactJws(std::string_view text, std::size_t max_bytes);

// Why a header does not permit verification with HS256.
enum class HeaderVerdict {
  kOk,
  kMalformed,  // not a JSON object, or a member twice
  kAlgorithm,  // `alg` is absent or not exactly `HS256`
  kCritical,   // `crit` is present (RFC 7515 section 4.1.11)
};

// Checks a header against the only algorithm that LiveKit's keys have. Key references in it (`kid`, `jwk`, `jku`,
// `x5u`, `x5c`) are ignored: the key is never taken from the token.
HeaderVerdict CheckHs256Header(std::string_view header);

}  // namespace livekit::token::jose
