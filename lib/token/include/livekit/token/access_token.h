// LiveKit access tokens.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "livekit/token/api_key.h"
#include "livekit/token/room_config.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// Lifetime of a token when none is chosen. It bounds only the first join: LiveKit's server renews the tokens of
// connected participants by itself.
inline constexpr std::chrono::seconds kDefaultTtl{15 * 60};
// Longest lifetime: 100 years, far from where the arithmetic of verifiers overflows.
inline constexpr std::chrono::seconds kMaxTtl{std::chrono::hours(24 * 36525)};

// How a token is signed.
struct SignOptions {
  std::chrono::seconds ttl = kDefaultTtl;  // 1 s to kMaxTtl
  // Whether `room_config` may contain credentials and stream outputs. Everyone who holds the token can read them.
  bool allow_sensitive_credentials = false;
  // Oldest livekit-server that must accept the token; members of `roomConfig` that it would refuse are dropped.
  std::optional<SfuVersion> sfu_version;
};

// A signed token.
struct SignedToken {
  std::string token;                                  // compact JWS
  std::string jti;                                    // 128 random bits, base64url; empty if the token has no identity
  std::chrono::system_clock::time_point issue_time;   // claims `iat` and `nbf`, whole seconds
  std::chrono::system_clock::time_point expire_time;  // claim `exp`
};

// Signs `grants` with `key` at the time `now`. The claims are those that LiveKit's own Go SDK writes, so that every
// LiveKit server and SDK accepts them: HS256, integer `nbf` and `iat` equal to now, `exp`, `iss`, `sub`, no `aud`.
// A `jti` is there only with an identity, since servers take it for the identity otherwise.
//
// Errors: those of CheckGrants; FIELD_INVALID for the ttl or for text that is not UTF-8; CREDENTIALS_IN_ROOM_CONFIG.
// Thread safety: may be called concurrently.
absl::StatusOr<SignedToken> Sign(const ApiKey& key, const v1::Grants& grants, const SignOptions& options,
                                 std::chrono::system_clock::time_point now);

// How many bytes the token would have that Sign makes of the same arguments. Errors: those of Sign. Nothing is signed.
// Thread safety: may be called concurrently.
absl::StatusOr<std::size_t> MeasureToken(const ApiKey& key, const v1::Grants& grants, const SignOptions& options,
                                         std::chrono::system_clock::time_point now);

// Builds a token step by step.
//
//   auto key = ApiKey::Create(id, secret);
//   auto token = AccessToken().SetIdentity("alice").JoinRoom("lobby").Sign(**key, std::chrono::system_clock::now());
//
// Thread safety: as a value.
class AccessToken {
 public:
  AccessToken() = default;
  explicit AccessToken(v1::Grants grants) : grants_(std::move(grants)) {}

  AccessToken& SetIdentity(std::string_view identity);
  AccessToken& SetName(std::string_view name);
  AccessToken& SetMetadata(std::string_view metadata);
  AccessToken& SetAttribute(std::string_view key, std::string_view value);
  // Grants joining the room, with LiveKit's defaults: publish, subscribe and send data.
  AccessToken& JoinRoom(std::string_view room);
  AccessToken& SetTtl(std::chrono::seconds ttl);
  AccessToken& AllowSensitiveCredentials();
  AccessToken& SetSfuVersion(SfuVersion version);

  // Everything else that a token can say.
  v1::Grants& grants() { return grants_; }
  const v1::Grants& grants() const { return grants_; }

  // Signs as the function Sign.
  absl::StatusOr<SignedToken> Sign(const ApiKey& key, std::chrono::system_clock::time_point now) const;

 private:
  v1::Grants grants_;
  SignOptions options_;
};

}  // namespace livekit::token
