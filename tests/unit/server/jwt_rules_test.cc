#include "server/authn/jwt_rules.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "jwt_fixture.h"

namespace livekit::token {
namespace {

using testing::GoodClaims;
using testing::kNow;
using testing::kNowSeconds;

JwtRules Rules() { return testing::PublicKeyOptions().rules; }

TEST(JwtRejection, HasANameForEachReason) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(JwtRejection::kKeysUnavailable); ++i) {
    names.insert(std::string(JwtRejectionName(static_cast<JwtRejection>(i))));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(JwtRejection::kKeysUnavailable) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
}

TEST(CheckClaims, TellsWhenTheTokenExpires) {
  Time expires;
  EXPECT_EQ(CheckClaims(Rules(), GoodClaims(), kNow, expires), JwtRejection::kNone);
  EXPECT_EQ(expires, kNow + std::chrono::seconds(300));
  auto claims = GoodClaims();
  claims["exp"] = 1e300;
  EXPECT_EQ(CheckClaims(Rules(), claims, kNow, expires), JwtRejection::kNone);
  EXPECT_EQ(expires, Time(std::chrono::seconds(9'000'000'000)));
}

TEST(CheckClaims, ComparesTimesWithTheLeeway) {
  auto rules = Rules();
  Time expires;
  for (const int leeway : {0, 1, 60, 300}) {
    rules.leeway = std::chrono::seconds(leeway);
    auto claims = GoodClaims();
    const auto at = [&](Time now) { return CheckClaims(rules, claims, now, expires); };
    // The time in `exp` is one at which the token is no longer accepted (RFC 7519 section 4.1.4).
    const Time end = kNow + std::chrono::seconds(300 + leeway);
    EXPECT_EQ(at(end), JwtRejection::kExpired);
    EXPECT_EQ(at(end - std::chrono::milliseconds(1)), JwtRejection::kNone);
    for (const char* name : {"nbf", "iat"}) {
      claims = GoodClaims();
      claims[name] = kNowSeconds;
      const Time start = kNow - std::chrono::seconds(leeway);
      EXPECT_EQ(at(start), JwtRejection::kNone) << name;
      EXPECT_EQ(at(start - std::chrono::milliseconds(1)), JwtRejection::kNotYetValid) << name;
    }
  }
}

TEST(CheckClaims, SurvivesClocksAtTheEndsOfTime) {
  Time expires;
  EXPECT_EQ(CheckClaims(Rules(), GoodClaims(), Time::max(), expires), JwtRejection::kExpired);
  EXPECT_EQ(CheckClaims(Rules(), GoodClaims(), Time::min(), expires), JwtRejection::kNone);
}

TEST(CheckClaims, WithoutAudiencesNothingIsForUs) {
  auto rules = Rules();
  rules.audiences.clear();
  Time expires;
  EXPECT_EQ(CheckClaims(rules, GoodClaims(), kNow, expires), JwtRejection::kAudience);
}

TEST(SubjectOf, FollowsAPath) {
  auto rules = Rules();
  const Claims claims(
      nlohmann::json{{"sub", "opaque"}, {"user", {{"id", "alice"}, {"number", 7}}}, {"https://acme.dev/user", "bob"}});
  EXPECT_EQ(*SubjectOf(rules, claims), "opaque");
  rules.subject_claim = *ClaimPath::Parse("user.id");
  EXPECT_EQ(*SubjectOf(rules, claims), "alice");
  rules.subject_claim = *ClaimPath::Parse("https://acme.dev/user");
  EXPECT_EQ(*SubjectOf(rules, claims), "bob");
  for (const char* path : {"user", "user.number", "user.name", "sub.id", "none"}) {
    rules.subject_claim = *ClaimPath::Parse(path);
    EXPECT_EQ(SubjectOf(rules, claims), nullptr) << path;
  }
}

}  // namespace
}  // namespace livekit::token
