#include "livekit/token/access_token.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"
#include "base/text.h"
#include "claims_writer.h"
#include "key_access.h"
#include "livekit/token/grants.h"

namespace livekit::token {
namespace {

constexpr std::size_t kJtiBytes = 16;

std::string NewJti() {
  std::array<char, kJtiBytes> bytes;
  RandomIdBytes(bytes.data(), bytes.size());
  return Base64UrlEncode({bytes.data(), bytes.size()});
}

absl::Status CheckTtl(std::chrono::seconds ttl) {
  if (ttl.count() < 1) return RefuseField(v1::FIELD_INVALID, "ttl", "must be at least one second");
  if (ttl > kMaxTtl) return RefuseField(v1::FIELD_INVALID, "ttl", "must be at most 100 years");
  return absl::OkStatus();
}

// What a token is signed from, apart from the start that depends on the key alone.
struct ClaimsText {
  Buffer& json;
  ~ClaimsText() {
    constexpr std::size_t kKeptBytes = 64 * 1024;  // a few huge claims must not stay in memory for ever
    json.ShrinkTo(kKeptBytes);
  }
};

// Memory kept by the thread, so that in the long run a signature allocates nothing but the token itself.
ClaimsText EmptyClaims() {
  thread_local Buffer json;
  json.Clear();
  return {json};
}

// Makes all checks and writes the claims behind the start that the key has.
absl::Status WriteClaims(const ApiKey& key, const v1::Grants& grants, const SignOptions& options, std::string_view jti,
                         std::int64_t issued_at, Buffer& json) {
  LKT_RETURN_IF_ERROR(CheckTtl(options.ttl));
  LKT_RETURN_IF_ERROR(CheckGrants(grants));
  const livekit::RoomConfiguration* room_config = grants.has_room_config() ? &grants.room_config() : nullptr;
  std::optional<livekit::RoomConfiguration> pruned;
  if (room_config != nullptr) {
    if (!options.allow_sensitive_credentials) LKT_RETURN_IF_ERROR(CheckRoomConfigCredentials(*room_config));
    if (options.sfu_version.has_value()) {
      pruned = *room_config;
      PruneForSfu(*options.sfu_version, *pruned);
      room_config = &*pruned;
    }
  }
  json.Append(KeyAccess::Signer(key).tail);
  return AppendClaims({jti, issued_at, issued_at + options.ttl.count()}, grants, room_config, json);
}

constexpr std::size_t kCodeBytes = jose::HmacSha256::kSize;

std::size_t TokenBytes(const ApiKey& key, std::size_t claims_bytes) {
  return KeyAccess::Signer(key).prefix.size() + Base64UrlLength(claims_bytes) + 1 + Base64UrlLength(kCodeBytes);
}

}  // namespace

absl::StatusOr<SignedToken> Sign(const ApiKey& key, const v1::Grants& grants, const SignOptions& options,
                                 std::chrono::system_clock::time_point now) {
  SignedToken result;
  const std::int64_t issued_at = UnixSeconds(now);
  if (!grants.identity().empty()) result.jti = NewJti();

  const auto& signer = KeyAccess::Signer(key);
  const ClaimsText claims = EmptyClaims();
  LKT_RETURN_IF_ERROR(WriteClaims(key, grants, options, result.jti, issued_at, claims.json));

  result.issue_time = std::chrono::system_clock::time_point(std::chrono::seconds(issued_at));
  result.expire_time = result.issue_time + options.ttl;
  result.token.reserve(TokenBytes(key, claims.json.view().size()));
  result.token.append(signer.prefix);
  AppendBase64Url(claims.json.view(), result.token);
  std::array<char, kCodeBytes> code;
  signer.signer.Sign({result.token.data() + signer.prefix.size(), result.token.size() - signer.prefix.size()},
                     reinterpret_cast<unsigned char*>(code.data()));
  result.token.push_back('.');
  AppendBase64Url({code.data(), code.size()}, result.token);
  return result;
}

absl::StatusOr<std::size_t> MeasureToken(const ApiKey& key, const v1::Grants& grants, const SignOptions& options,
                                         std::chrono::system_clock::time_point now) {
  // Of the same length as every other.
  constexpr std::string_view kJti = "AAAAAAAAAAAAAAAAAAAAAA";
  static_assert(kJti.size() == Base64UrlLength(kJtiBytes));
  const ClaimsText claims = EmptyClaims();
  LKT_RETURN_IF_ERROR(WriteClaims(key, grants, options, grants.identity().empty() ? std::string_view() : kJti,
                                  UnixSeconds(now), claims.json));
  return TokenBytes(key, claims.json.view().size());
}

AccessToken& AccessToken::SetIdentity(std::string_view identity) {
  grants_.set_identity(std::string(identity));
  return *this;
}

AccessToken& AccessToken::SetName(std::string_view name) {
  grants_.set_name(std::string(name));
  return *this;
}

AccessToken& AccessToken::SetMetadata(std::string_view metadata) {
  grants_.set_metadata(std::string(metadata));
  return *this;
}

AccessToken& AccessToken::SetAttribute(std::string_view key, std::string_view value) {
  (*grants_.mutable_attributes())[std::string(key)] = std::string(value);
  return *this;
}

AccessToken& AccessToken::JoinRoom(std::string_view room) {
  grants_.mutable_video()->set_room_join(true);
  grants_.mutable_video()->set_room(std::string(room));
  return *this;
}

AccessToken& AccessToken::SetTtl(std::chrono::seconds ttl) {
  options_.ttl = ttl;
  return *this;
}

AccessToken& AccessToken::AllowSensitiveCredentials() {
  options_.allow_sensitive_credentials = true;
  return *this;
}

AccessToken& AccessToken::SetSfuVersion(SfuVersion version) {
  options_.sfu_version = version;
  return *this;
}

absl::StatusOr<SignedToken> AccessToken::Sign(const ApiKey& key, std::chrono::system_clock::time_point now) const {
  return token::Sign(key, grants_, options_, now);
}

}  // namespace livekit::token
