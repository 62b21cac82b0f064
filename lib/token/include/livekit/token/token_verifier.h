// Verification of LiveKit access tokens.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "livekit/token/api_key.h"
#include "livekit/token/v1/grants.pb.h"
#include "livekit/token/v1/token_service.pb.h"

namespace livekit::token {

// A token whose signature, times and types have been checked. Only TokenVerifier makes one.
class VerifiedToken {
 public:
  using Time = std::chrono::system_clock::time_point;

  // What the token says. Top-level claims that Grants does not know are in `extra_claims`.
  const v1::Grants& grants() const { return grants_; }
  // Claim `iss`: the API key that signed it.
  const std::string& issuer() const { return issuer_; }
  const std::string& jti() const { return jti_; }
  std::optional<Time> issue_time() const { return issue_time_; }
  std::optional<Time> not_before() const { return not_before_; }
  Time expire_time() const { return expire_time_; }

 private:
  friend class TokenVerifier;
  VerifiedToken() = default;

  v1::Grants grants_;
  std::string issuer_;
  std::string jti_;
  std::optional<Time> issue_time_;
  std::optional<Time> not_before_;
  Time expire_time_;
};

// The verdict on a token: the token, or the first reason against it.
struct Verdict {
  std::optional<VerifiedToken> token;
  v1::RejectionReason reason = v1::REJECTION_REASON_UNSPECIFIED;

  bool ok() const { return token.has_value(); }
};

// A sentence for `reason`, for developers.
std::string_view Describe(v1::RejectionReason reason);

// Verifies tokens as a livekit-server does (HS256 only, key found by `iss`, `exp` required, 60 s of leeway, `typ`,
// `kid` and `aud` ignored, claim names matched without regard to case), and beyond that refuses `crit`, duplicate
// members and text that is not UTF-8.
//
// Thread safety: Verify may be called concurrently.
class TokenVerifier {
 public:
  struct Options {
    std::chrono::seconds leeway{60};
    std::size_t max_bytes = 1 << 20;
  };

  explicit TokenVerifier(std::shared_ptr<const KeyProvider> keys);
  TokenVerifier(std::shared_ptr<const KeyProvider> keys, Options options);

  // Checks signature, times and types at the time `now`.
  Verdict Verify(std::string_view token, std::chrono::system_clock::time_point now) const;

  // Checks also what a livekit-server asks of a joining participant: room_join, an identity, a room, lengths.
  Verdict VerifyJoin(std::string_view token, std::chrono::system_clock::time_point now) const;

 private:
  std::shared_ptr<const KeyProvider> keys_;
  Options options_;
};

}  // namespace livekit::token
