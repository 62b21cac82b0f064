#include "server/authn/jwt.h"

#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "gtest/gtest.h"
#include "jwt_fixture.h"

namespace livekit::token {
namespace {

using jose::Algorithm;
using testing::Bearer;
using testing::GoodClaims;
using testing::IsRefusal;
using testing::Keys;
using testing::kNow;
using testing::kNowSeconds;
using testing::MakeJwt;
using testing::PublicKeyAuthenticator;
using testing::PublicKeyOptions;
using testing::RsToken;
using testing::SeenAuthenticator;
using testing::SigningKey;

constexpr std::chrono::seconds kSecond{1};

// A source whose keys the test changes, and which answers when the test says so.
class FakeKeys final : public KeySource {
 public:
  void Set(jose::KeySet keys) { keys_ = std::make_shared<const jose::KeySet>(std::move(keys)); }
  void Lose() { keys_ = nullptr; }
  void Hold(bool hold) { hold_ = hold; }
  void Answer() {
    for (auto& done : std::exchange(waiting_, {})) Tell(done);
  }

  void Get(std::string_view kid, Time /*now*/, Done done) override {
    ++gets;
    last_kid = kid;
    if (hold_) {
      waiting_.push_back(std::move(done));
    } else {
      Tell(done);
    }
  }
  std::shared_ptr<const jose::KeySet> Current(Time /*now*/) const override { return keys_; }

  int gets = 0;
  std::string last_kid;

 private:
  void Tell(const Done& done) const {
    if (keys_ == nullptr) return done(Refuse(v1::UNAVAILABLE));
    done(keys_);
  }

  std::shared_ptr<const jose::KeySet> keys_;
  bool hold_ = false;
  std::vector<Done> waiting_;
};

TEST(JwtAuthenticator, MakesAPrincipalOfTheClaims) {
  auto authenticator = PublicKeyAuthenticator();
  EXPECT_EQ(authenticator->name(), "app");
  // The second time from the cache.
  for (int i = 0; i < 2; ++i) {
    const auto principal = authenticator.Authenticate(Bearer(RsToken()));
    ASSERT_OK(principal);
    EXPECT_EQ(principal->authenticator, "app");
    EXPECT_EQ(principal->service, "");
    EXPECT_EQ(principal->subject, "alice");
    EXPECT_EQ(ClaimText(*principal->claims.Find(*ClaimPath::Parse("plan"))), "pro");
    EXPECT_EQ(ClaimText(*principal->claims.Find(*ClaimPath::Parse("exp"))), std::to_string(kNowSeconds + 300));
  }
}

TEST(JwtAuthenticator, RecognizesTokensOfItsIssuer) {
  const auto authenticator = PublicKeyAuthenticator();
  const auto recognizes = [&](const std::string& header, const std::string& value) {
    return authenticator->Recognizes({{{header, value}}});
  };
  const std::string token = RsToken();
  EXPECT_TRUE(recognizes("authorization", "Bearer " + token));
  EXPECT_TRUE(recognizes("authorization", "bearer   " + token + " "));
  EXPECT_TRUE(recognizes("x-caller-authorization", "Bearer " + token));
  // Valid or not.
  EXPECT_TRUE(recognizes("authorization", "Bearer " + MakeJwt("x", GoodClaims().dump(), "y")));
  auto claims = GoodClaims();
  claims["iss"] = "https://login.other.dev/";
  EXPECT_FALSE(recognizes("authorization", "Bearer " + RsToken(claims)));
  EXPECT_FALSE(recognizes("authorization", token));
  EXPECT_FALSE(recognizes("authorization", "Basic " + token));
  EXPECT_FALSE(recognizes("authorization", "Bearer "));
  EXPECT_FALSE(recognizes("x-caller-authorization", token));
  EXPECT_FALSE(recognizes("x-other", token));
  EXPECT_FALSE(recognizes("authorization", "Bearer opaque"));
  EXPECT_FALSE(recognizes("authorization", "Bearer " + token + ".x"));
  EXPECT_FALSE(authenticator->Recognizes({}));
}

TEST(JwtAuthenticator, ReadsABareTokenInAHeaderOfItsOwn) {
  auto options = PublicKeyOptions();
  options.header = "x-auth-request-access-token";
  SeenAuthenticator authenticator(options, std::make_shared<StaticKeys>(Keys().Public()));
  EXPECT_EQ(authenticator->headers(), std::vector<std::string>{"x-auth-request-access-token"});
  const Credentials credentials = {{{"x-auth-request-access-token", RsToken()}}};
  EXPECT_TRUE(authenticator->Recognizes(credentials));
  EXPECT_OK(authenticator.Authenticate(credentials));
  EXPECT_THAT(authenticator.Authenticate({{{"x-auth-request-access-token", "Bearer " + RsToken()}}}),
              IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_FALSE(authenticator->Recognizes(Bearer(RsToken())));
  EXPECT_TRUE(authenticator->Recognizes({{{"x-caller-authorization", "Bearer " + RsToken()}}}));
}

TEST(JwtAuthenticator, IsChosenByIssuerAmongSeveral) {
  auto other = PublicKeyOptions();
  other.name = "other";
  other.rules.issuer = "https://login.other.dev/";
  const auto keys = std::make_shared<StaticKeys>(Keys().Public());
  std::vector<std::unique_ptr<const Authenticator>> authenticators;
  authenticators.push_back(std::make_unique<JwtAuthenticator>(PublicKeyOptions(), keys));
  authenticators.push_back(std::make_unique<JwtAuthenticator>(other, keys));
  const AuthenticatorSet set(std::move(authenticators), "guests");
  const auto authenticate = [&](const std::string& token) {
    absl::StatusOr<Principal> result = absl::InternalError("not called");
    set.Authenticate(Bearer(token), kNow, [&](absl::StatusOr<Principal> principal) { result = std::move(principal); });
    return result;
  };
  auto claims = GoodClaims();
  for (const auto& [issuer, name] : {std::pair(testing::kIssuer, "app"), {"https://login.other.dev/", "other"}}) {
    claims["iss"] = issuer;
    const auto principal = authenticate(RsToken(claims));
    ASSERT_OK(principal);
    EXPECT_EQ(principal->authenticator, name);
  }
  claims["iss"] = "https://login.third.dev/";
  EXPECT_THAT(authenticate(RsToken(claims)), IsRefusal(v1::AUTHENTICATION_FAILED));
}

TEST(JwtAuthenticator, TriesTheKeysThatHaveTheId) {
  // Two keys of one id, while one replaces the other, and one without an id.
  const auto second = SigningKey::Rsa();
  const auto nameless = SigningKey::Rsa();
  const auto keys =
      jose::ParseJwks(testing::JwksOf(Keys().rsa.Jwk(R"(,"kid":"r")") + "," + second.Jwk(R"(,"kid":"r")") + "," +
                                      nameless.Jwk() + "," + Keys().ec.Jwk(R"(,"kid":"r")")));
  ASSERT_OK(keys);
  SeenAuthenticator authenticator(PublicKeyOptions(), std::make_shared<StaticKeys>(*keys));
  const auto reason = [&](const std::string& header, const SigningKey& key, Algorithm algorithm = Algorithm::kRs256) {
    return authenticator.ReasonFor(MakeJwt(header, GoodClaims().dump(), key, algorithm));
  };
  EXPECT_EQ(reason(R"({"alg":"RS256","kid":"r"})", Keys().rsa), JwtRejection::kNone);
  EXPECT_EQ(reason(R"({"alg":"RS256","kid":"r"})", second), JwtRejection::kNone);
  EXPECT_EQ(reason(R"({"alg":"ES256","kid":"r"})", Keys().ec, Algorithm::kEs256), JwtRejection::kNone);
  EXPECT_EQ(reason(R"({"alg":"RS256","kid":"r"})", nameless), JwtRejection::kSignature);
  EXPECT_EQ(reason(R"({"alg":"RS256","kid":"new"})", nameless), JwtRejection::kNone);
  EXPECT_EQ(reason(R"({"alg":"RS256","kid":"new"})", second), JwtRejection::kSignature);
  for (const SigningKey* key : {&Keys().rsa, &second, &nameless}) {
    EXPECT_EQ(reason(R"({"alg":"RS256"})", *key), JwtRejection::kNone);
  }
}

// A token must not cost a hundred signatures.
TEST(JwtAuthenticator, TriesAtMostEightKeys) {
  std::string others;
  for (int i = 0; i < 7; ++i) others += SigningKey::Ec("P-256").Jwk() + ",";
  const std::string token = MakeJwt(R"({"alg":"ES256"})", GoodClaims().dump(), Keys().ec, Algorithm::kEs256);
  const auto reason = [&](const std::string& jwks) {
    const auto keys = jose::ParseJwks(testing::JwksOf(jwks));
    EXPECT_OK(keys);
    return SeenAuthenticator(PublicKeyOptions(), std::make_shared<StaticKeys>(*keys)).ReasonFor(token);
  };
  EXPECT_EQ(reason(others + Keys().ec.Jwk()), JwtRejection::kNone);
  EXPECT_EQ(reason(others + SigningKey::Ec("P-256").Jwk() + "," + Keys().ec.Jwk()), JwtRejection::kSignature);
}

TEST(JwtAuthenticator, DoesNotAskForKeysBeforeTheHeaderIsInOrder) {
  const auto source = std::make_shared<FakeKeys>();
  source->Set(Keys().Public());
  SeenAuthenticator authenticator(PublicKeyOptions(), source);
  for (const char* header :
       {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({"alg":"RS512"})", R"({"alg":"RS256","kid":1})",
        R"({"alg":"RS256","crit":[]})", R"({"alg":"RS256","typ":"logout+jwt"})"}) {
    EXPECT_NE(authenticator.ReasonFor(MakeJwt(header, GoodClaims().dump(), "x")), JwtRejection::kNone) << header;
  }
  EXPECT_EQ(source->gets, 0);
  EXPECT_EQ(authenticator.ReasonFor(RsToken()), JwtRejection::kNone);
  EXPECT_EQ(source->gets, 1);
  EXPECT_EQ(source->last_kid, "r");
}

TEST(JwtAuthenticator, AnswersWhenTheKeysCome) {
  const auto source = std::make_shared<FakeKeys>();
  source->Hold(true);
  auto authenticator = std::make_unique<JwtAuthenticator>(PublicKeyOptions(), source);
  std::vector<absl::StatusOr<Principal>> results;
  {
    // What was presented may be gone by then.
    const Credentials credentials = Bearer(RsToken());
    authenticator->Authenticate(credentials, kNow,
                                [&](absl::StatusOr<Principal> principal) { results.push_back(std::move(principal)); });
  }
  EXPECT_TRUE(results.empty());
  source->Set(Keys().Public());
  // So may the authenticator, when the configuration was replaced.
  authenticator = nullptr;
  source->Answer();
  ASSERT_EQ(results.size(), 1u);
  ASSERT_OK(results[0]);
  EXPECT_EQ(results[0]->subject, "alice");
}

TEST(JwtAuthenticator, IsUnavailableWithoutKeys) {
  const auto source = std::make_shared<FakeKeys>();
  SeenAuthenticator authenticator(PublicKeyOptions(), source);
  EXPECT_THAT(authenticator.Authenticate(Bearer(RsToken())), IsRefusal(v1::UNAVAILABLE));
  source->Set(Keys().Public());
  EXPECT_OK(authenticator.Authenticate(Bearer(RsToken())));
  // What was verified is not believed either while there are no keys.
  source->Lose();
  EXPECT_THAT(authenticator.Authenticate(Bearer(RsToken())), IsRefusal(v1::UNAVAILABLE));
}

TEST(JwtAuthenticator, VerifiesATokenOnceOnly) {
  const auto source = std::make_shared<FakeKeys>();
  source->Set(Keys().Public());
  SeenAuthenticator authenticator(PublicKeyOptions(), source);
  const std::string token = RsToken();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(authenticator.ReasonFor(token), JwtRejection::kNone);
  EXPECT_EQ(source->gets, 1);
  EXPECT_EQ(authenticator->cached_tokens(), 1u);
  // In another header the same.
  EXPECT_OK(authenticator.Authenticate({{{"x-caller-authorization", "Bearer " + token}}}));
  EXPECT_EQ(source->gets, 1);
}

TEST(JwtAuthenticator, DoesNotRememberWhatItRefused) {
  auto authenticator = PublicKeyAuthenticator();
  auto claims = GoodClaims();
  claims["aud"] = "webmail";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(authenticator.ReasonFor(RsToken(claims)), JwtRejection::kAudience);
  EXPECT_EQ(authenticator->cached_tokens(), 0u);
}

TEST(JwtAuthenticator, ForgetsATokenWhenItExpires) {
  const auto source = std::make_shared<FakeKeys>();
  source->Set(Keys().Public());
  SeenAuthenticator authenticator(PublicKeyOptions(), source);
  const std::string token = RsToken();
  const Time exp = kNow + std::chrono::seconds(300);
  EXPECT_EQ(authenticator.ReasonFor(token), JwtRejection::kNone);
  EXPECT_EQ(authenticator.ReasonFor(token, exp - std::chrono::nanoseconds(1)), JwtRejection::kNone);
  EXPECT_EQ(source->gets, 1);
  // From `exp` on it is verified each time, and accepted as long as the leeway lasts.
  EXPECT_EQ(authenticator.ReasonFor(token, exp), JwtRejection::kNone);
  EXPECT_EQ(authenticator.ReasonFor(token, exp + 59 * kSecond), JwtRejection::kNone);
  EXPECT_EQ(source->gets, 3);
  EXPECT_EQ(authenticator->cached_tokens(), 0u);
  EXPECT_EQ(authenticator.ReasonFor(token, exp + 60 * kSecond), JwtRejection::kExpired);
}

TEST(JwtAuthenticator, RefusesARememberedTokenOnceItsKeyIsGone) {
  const auto source = std::make_shared<FakeKeys>();
  const jose::KeySet all = Keys().Public();
  source->Set(all);
  SeenAuthenticator authenticator(PublicKeyOptions(), source);
  const std::string token = RsToken();
  EXPECT_EQ(authenticator.ReasonFor(token), JwtRejection::kNone);
  // A new set that still has the key: verified again, and accepted.
  source->Set(all);
  EXPECT_EQ(authenticator.ReasonFor(token), JwtRejection::kNone);
  EXPECT_EQ(source->gets, 2);
  EXPECT_EQ(authenticator.ReasonFor(token), JwtRejection::kNone);
  EXPECT_EQ(source->gets, 2);
  source->Set({all[1], all[2]});
  EXPECT_EQ(authenticator.ReasonFor(token), JwtRejection::kNoKey);
  EXPECT_EQ(authenticator->cached_tokens(), 0u);
  // Another key under the same id.
  const auto replaced = jose::ParseJwks(testing::JwksOf(SigningKey::Rsa().Jwk(R"(,"kid":"r")")));
  ASSERT_OK(replaced);
  source->Set(*replaced);
  EXPECT_EQ(authenticator.ReasonFor(token), JwtRejection::kSignature);
}

TEST(JwtAuthenticator, ATokenThatWaitedDoesNotOutliveTheKeysItWasVerifiedWith) {
  const auto source = std::make_shared<FakeKeys>();
  source->Set(Keys().Public());
  source->Hold(true);
  SeenAuthenticator authenticator(PublicKeyOptions(), source);
  int answers = 0;
  authenticator->Authenticate(Bearer(RsToken()), kNow, [&](const absl::StatusOr<Principal>& principal) {
    EXPECT_OK(principal);
    ++answers;
  });
  source->Answer();
  EXPECT_EQ(answers, 1);
  source->Hold(false);
  source->Set({Keys().Public()[1]});
  EXPECT_EQ(authenticator.ReasonFor(RsToken()), JwtRejection::kNoKey);
}

TEST(JwtAuthenticator, RemembersABoundedNumber) {
  auto options = PublicKeyOptions();
  options.cache_entries = 10;
  SeenAuthenticator authenticator(options, std::make_shared<StaticKeys>(Keys().Public()));
  for (int i = 0; i < 30; ++i) {
    auto claims = GoodClaims();
    claims["sub"] = "user-" + std::to_string(i);
    const std::string token = MakeJwt(R"({"alg":"EdDSA"})", claims.dump(), Keys().ed, Algorithm::kEdDsa);
    const auto principal = authenticator.Authenticate(Bearer(token));
    ASSERT_OK(principal);
    EXPECT_EQ(principal->subject, "user-" + std::to_string(i));
  }
  EXPECT_EQ(authenticator->cached_tokens(), 10u);
}

// What one authenticator has verified says nothing to another, whatever they share.
TEST(JwtAuthenticator, SharesNothingWithAnother) {
  const auto keys = std::make_shared<StaticKeys>(Keys().Public());
  SeenAuthenticator one(PublicKeyOptions(), keys);
  auto options = PublicKeyOptions();
  options.rules.audiences = {"webmail"};
  SeenAuthenticator other(options, keys);
  EXPECT_EQ(one.ReasonFor(RsToken()), JwtRejection::kNone);
  EXPECT_EQ(other.ReasonFor(RsToken()), JwtRejection::kAudience);
  EXPECT_EQ(other->cached_tokens(), 0u);
}

}  // namespace
}  // namespace livekit::token
