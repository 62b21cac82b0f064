// An issuer for the tests of JSON Web Tokens: its keys, its tokens, and authenticators for them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "gtest/gtest.h"
#include "jose/jwk.h"
#include "nlohmann/json.hpp"
#include "server/authn/jwt.h"
#include "support/jwt_signer.h"
#include "support/status_matchers.h"

namespace livekit::token::testing {

inline constexpr char kIssuer[] = "https://login.acme.dev/";
inline constexpr char kAudience[] = "calls";
inline constexpr char kLiveKitKey[] = "APImain";
inline constexpr char kHmacSecret[] = "MARKSECRET-hmac-0123456789abcdefghijklmnop";
inline const Time kNow = Time(std::chrono::seconds(1'900'000'000));
inline constexpr std::int64_t kNowSeconds = 1'900'000'000;

// Key pairs that all tests share, since an RSA pair takes long to make.
struct IssuerKeys {
  SigningKey rsa = SigningKey::Rsa();
  SigningKey ec = SigningKey::Ec("P-256");
  SigningKey ed = SigningKey::Edwards("Ed25519");
  SigningKey hmac = SigningKey::Hmac(kHmacSecret);

  // The public keys, with the ids `r`, `e` and `d`.
  jose::KeySet Public() const {
    const auto keys = jose::ParseJwks(
        JwksOf(rsa.Jwk(R"(,"kid":"r")") + "," + ec.Jwk(R"(,"kid":"e")") + "," + ed.Jwk(R"(,"kid":"d")")));
    EXPECT_OK(keys);
    return *keys;
  }
};
inline const IssuerKeys& Keys() {
  static const auto* const keys = new IssuerKeys;
  return *keys;
}

inline nlohmann::json GoodClaims() {
  return {{"iss", kIssuer}, {"aud", kAudience}, {"sub", "alice"}, {"exp", kNowSeconds + 300}, {"plan", "pro"}};
}

// A token of these claims, signed with RS256.
inline std::string RsToken(const nlohmann::json& claims = GoodClaims()) {
  return MakeJwt(R"({"alg":"RS256","typ":"JWT","kid":"r"})", claims.dump(), Keys().rsa, jose::Algorithm::kRs256);
}

inline Credentials Bearer(const std::string& token) { return {{{"authorization", "Bearer " + token}}}; }

inline JwtOptions OptionsWith(jose::AlgorithmSet algorithms) {
  JwtOptions options;
  options.name = "app";
  options.rules.issuer = kIssuer;
  options.rules.audiences = {"other", kAudience};
  options.rules.algorithms = algorithms;
  options.rules.livekit_keys = {kLiveKitKey};
  return options;
}
inline JwtOptions PublicKeyOptions() {
  return OptionsWith(jose::AlgorithmSet(jose::Algorithm::kRs256, jose::Algorithm::kPs256, jose::Algorithm::kEs256,
                                        jose::Algorithm::kEdDsa));
}

// An authenticator whose verdicts are seen.
class SeenAuthenticator {
 public:
  SeenAuthenticator(JwtOptions options, std::shared_ptr<KeySource> keys)
      : authenticator_(WithSeer(std::move(options)), std::move(keys)) {}

  const JwtAuthenticator& operator*() const { return authenticator_; }
  const JwtAuthenticator* operator->() const { return &authenticator_; }

  absl::StatusOr<Principal> Authenticate(const Credentials& credentials, Time now = kNow) {
    *seen_ = JwtRejection::kNone;
    absl::StatusOr<Principal> result = absl::InternalError("not called");
    int calls = 0;
    authenticator_.Authenticate(credentials, now, [&](absl::StatusOr<Principal> principal) {
      result = std::move(principal);
      ++calls;
    });
    EXPECT_EQ(calls, 1);
    return result;
  }

  // Why the token is refused. Whatever the reason, its sender must see the same.
  JwtRejection ReasonFor(const std::string& token, Time now = kNow) {
    const auto result = Authenticate(Bearer(token), now);
    EXPECT_EQ(result.ok(), *seen_ == JwtRejection::kNone);
    if (!result.ok()) {
      EXPECT_THAT(result, IsRefusal(v1::AUTHENTICATION_FAILED));
      const v1::Error error = ToError(result.status());
      EXPECT_TRUE(error.credential_presented());
      EXPECT_EQ(error.message(), GetReasonInfo(v1::AUTHENTICATION_FAILED).sentence);
    }
    return *seen_;
  }

 private:
  JwtOptions WithSeer(JwtOptions options) {
    options.on_rejection = [seen = seen_](JwtRejection rejection) { *seen = rejection; };
    return options;
  }

  std::shared_ptr<JwtRejection> seen_ = std::make_shared<JwtRejection>(JwtRejection::kNone);
  JwtAuthenticator authenticator_;
};

inline SeenAuthenticator PublicKeyAuthenticator() {
  return SeenAuthenticator(PublicKeyOptions(), std::make_shared<StaticKeys>(Keys().Public()));
}

}  // namespace livekit::token::testing
