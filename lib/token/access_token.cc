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

}  // namespace

absl::StatusOr<SignedToken> Sign(const ApiKey& key, const v1::Grants& grants, const SignOptions& options,
                                 std::chrono::system_clock::time_point now) {
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

  SignedToken result;
  const std::int64_t issued_at = UnixSeconds(now);
  result.issue_time = std::chrono::system_clock::time_point(std::chrono::seconds(issued_at));
  result.expire_time = result.issue_time + options.ttl;
  if (!grants.identity().empty()) result.jti = NewJti();

  // Kept by the thread, so that in the long run a signature allocates nothing but the token itself.
  thread_local Buffer claims;
  const auto& signer = KeyAccess::Signer(key);
  claims.Clear();
  claims.Append(signer.tail);
  LKT_RETURN_IF_ERROR(
      AppendClaims({result.jti, issued_at, issued_at + options.ttl.count()}, grants, room_config, claims));

  constexpr std::size_t kCodeBytes = jose::HmacSha256::kSize;
  const std::size_t rest_size = Base64UrlLength(claims.view().size());
  result.token.reserve(signer.prefix.size() + rest_size + 1 + Base64UrlLength(kCodeBytes));
  result.token.append(signer.prefix);
  AppendBase64Url(claims.view(), result.token);
  std::array<char, kCodeBytes> code;
  signer.signer.Sign({result.token.data() + signer.prefix.size(), rest_size},
                     reinterpret_cast<unsigned char*>(code.data()));
  result.token.push_back('.');
  AppendBase64Url({code.data(), code.size()}, result.token);

  constexpr std::size_t kKeptBytes = 64 * 1024;  // a few huge claims must not stay in memory for ever
  claims.ShrinkTo(kKeptBytes);
  return result;
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
