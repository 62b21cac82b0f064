#include "livekit/token/token_verifier.h"

#include <utility>

#include "base/clock.h"
#include "claims_reader.h"
#include "jose/jws.h"
#include "key_access.h"
#include "livekit/token/grants.h"

namespace livekit::token {
namespace {

Verdict Reject(v1::RejectionReason reason) {
  Verdict verdict;
  verdict.reason = reason;
  return verdict;
}

std::optional<VerifiedToken::Time> ToTime(std::optional<std::int64_t> seconds) {
  if (!seconds) return std::nullopt;
  // The clock's nanoseconds end in the year 2262.
  constexpr std::int64_t kMax = 9'000'000'000;
  return VerifiedToken::Time(std::chrono::seconds(std::min(std::max(*seconds, -kMax), kMax)));
}

v1::RejectionReason JoinRejection(const v1::Grants& grants) {
  if (!grants.video().room_join()) return v1::JOIN_NOT_GRANTED;
  if (grants.identity().empty()) return v1::IDENTITY_MISSING;
  if (grants.video().room().empty()) return v1::ROOM_MISSING;
  std::size_t attribute_bytes = 0;
  for (const auto& [key, value] : grants.attributes()) attribute_bytes += key.size() + value.size();
  if (grants.identity().size() > kMaxIdentityBytes || grants.video().room().size() > kMaxRoomNameBytes ||
      grants.metadata().size() > kMaxMetadataBytes || attribute_bytes > kMaxAttributesBytes) {
    return v1::CLAIM_TOO_LONG;
  }
  return v1::REJECTION_REASON_UNSPECIFIED;
}

}  // namespace

std::string_view Describe(v1::RejectionReason reason) {
  switch (reason) {
    case v1::MALFORMED:
      return "The token is not three parts of base64url with JSON objects inside.";
    case v1::ALGORITHM_NOT_SUPPORTED:
      return "The token's algorithm is not HS256.";
    case v1::CRITICAL_HEADER:
      return "The token's header has `crit`, which LiveKit does not know.";
    case v1::ISSUER_UNKNOWN:
      return "No configured API key has the id in the token's `iss`.";
    case v1::SIGNATURE_INVALID:
      return "The signature does not match: the token was changed or signed with another secret.";
    case v1::EXPIRY_MISSING:
      return "The token has no `exp`.";
    case v1::EXPIRED:
      return "The token has expired.";
    case v1::NOT_YET_VALID:
      return "The token's `nbf` is in the future; compare the clocks of signer and verifier.";
    case v1::CLAIM_INVALID:
      return "A claim has a type that LiveKit does not accept.";
    case v1::JOIN_NOT_GRANTED:
      return "The token does not grant joining: `video.roomJoin` is not true.";
    case v1::IDENTITY_MISSING:
      return "The token has no identity in `sub`.";
    case v1::ROOM_MISSING:
      return "The token names no room in `video.room`.";
    case v1::CLAIM_TOO_LONG:
      return "Identity, room, metadata or attributes exceed LiveKit's limits.";
    default:
      return "The token is not valid.";
  }
}

TokenVerifier::TokenVerifier(std::shared_ptr<const KeyProvider> keys) : TokenVerifier(std::move(keys), Options()) {}

TokenVerifier::TokenVerifier(std::shared_ptr<const KeyProvider> keys, Options options)
    : keys_(std::move(keys)), options_(options) {}

Verdict TokenVerifier::Verify(std::string_view token, std::chrono::system_clock::time_point now) const {
  const auto jws = jose::ParseCompactJws(token, options_.max_bytes);
  if (!jws) return Reject(v1::MALFORMED);
  switch (jose::CheckHs256Header(jws->header)) {
    case jose::HeaderVerdict::kOk:
      break;
    case jose::HeaderVerdict::kMalformed:
      return Reject(v1::MALFORMED);
    case jose::HeaderVerdict::kAlgorithm:
      return Reject(v1::ALGORITHM_NOT_SUPPORTED);
    case jose::HeaderVerdict::kCritical:
      return Reject(v1::CRITICAL_HEADER);
  }
  // LiveKit names the key inside the signed part, so it is looked at before the signature; it serves as a look-up and
  // nothing else until then.
  const auto issuer = PeekIssuer(jws->payload);
  if (!issuer) return Reject(v1::MALFORMED);
  const auto key = keys_->Find(*issuer);
  if (key == nullptr) return Reject(v1::ISSUER_UNKNOWN);
  if (!KeyAccess::Signer(*key).verifier.Verify(jws->signing_input, jws->signature))
    return Reject(v1::SIGNATURE_INVALID);

  Claims claims;
  switch (ReadClaims(jws->payload, claims)) {
    case ClaimsVerdict::kOk:
      break;
    case ClaimsVerdict::kMalformed:
      return Reject(v1::MALFORMED);
    case ClaimsVerdict::kInvalid:
      return Reject(v1::CLAIM_INVALID);
  }
  const std::int64_t seconds = UnixSeconds(now);
  const std::int64_t leeway = options_.leeway.count();
  if (!claims.expires_at) return Reject(v1::EXPIRY_MISSING);
  if (seconds >= *claims.expires_at + leeway) return Reject(v1::EXPIRED);
  if (claims.not_before && seconds < *claims.not_before - leeway) return Reject(v1::NOT_YET_VALID);

  VerifiedToken verified;
  verified.grants_ = std::move(claims.grants);
  verified.issuer_ = std::move(claims.issuer);
  verified.jti_ = std::move(claims.jti);
  verified.issue_time_ = ToTime(claims.issued_at);
  verified.not_before_ = ToTime(claims.not_before);
  verified.expire_time_ = *ToTime(claims.expires_at);
  Verdict verdict;
  verdict.token = std::move(verified);
  return verdict;
}

Verdict TokenVerifier::VerifyJoin(std::string_view token, std::chrono::system_clock::time_point now) const {
  Verdict verdict = Verify(token, now);
  if (!verdict.ok()) return verdict;
  const v1::RejectionReason reason = JoinRejection(verdict.token->grants());
  return reason == v1::REJECTION_REASON_UNSPECIFIED ? verdict : Reject(reason);
}

}  // namespace livekit::token
