#include "server/authenticator.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using ::testing::ElementsAre;
using testing::FakeClock;
using testing::IsRefusal;
using testing::KeyOf;
using testing::SecretOf;

std::unique_ptr<const Authenticator> ApiKeys(const std::string& name, const std::string& header,
                                             const std::string& id) {
  return std::make_unique<ApiKeyAuthenticator>(name, header,
                                               std::vector<ApiKeyRecord>{{id, Sha256(SecretOf(id)), {}, {}}});
}

// Partners with keys in x-api-key, programs with keys behind Bearer, teams with keys in x-team-key.
AuthenticatorSet MakeSet(const std::string& anonymous) {
  std::vector<std::unique_ptr<const Authenticator>> all;
  all.push_back(ApiKeys("partners", "x-api-key", "web"));
  all.push_back(ApiKeys("programs", "authorization", "recorder"));
  all.push_back(ApiKeys("teams", "x-team-key", "red"));
  return AuthenticatorSet(std::move(all), anonymous);
}

absl::StatusOr<Principal> Authenticate(const AuthenticatorSet& set, const Credentials& credentials) {
  absl::StatusOr<Principal> result = absl::InternalError("not called");
  int calls = 0;
  set.Authenticate(credentials, FakeClock().Now(), [&](absl::StatusOr<Principal> principal) {
    result = std::move(principal);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
  return result;
}

TEST(AuthenticatorSet, FindsTheAuthenticatorOfACredential) {
  const auto set = MakeSet("guests");
  const std::pair<PresentedHeader, std::pair<const char*, const char*>> cases[] = {
      {{"x-api-key", KeyOf("web")}, {"partners", "web"}},
      {{"authorization", "Bearer " + KeyOf("recorder")}, {"programs", "recorder"}},
      {{"x-team-key", KeyOf("red")}, {"teams", "red"}},
      {{"x-caller-authorization", "Bearer " + KeyOf("red")}, {"teams", "red"}},
  };
  for (const auto& [header, expected] : cases) {
    auto principal = Authenticate(set, {{header}});
    ASSERT_OK(principal) << header.name;
    EXPECT_EQ(principal->authenticator, expected.first);
    EXPECT_EQ(principal->subject, expected.second);
  }
}

TEST(AuthenticatorSet, TakesAbsenceOfCredentialsForAnonymous) {
  auto principal = Authenticate(MakeSet("guests"), {});
  ASSERT_OK(principal);
  EXPECT_EQ(principal->authenticator, "guests");
  EXPECT_EQ(principal->subject, "");
}

TEST(AuthenticatorSet, RequiresCredentialsWhereAnonymousCallersAreUnknown) {
  const auto result = Authenticate(MakeSet(""), {});
  EXPECT_THAT(result, IsRefusal(v1::AUTHENTICATION_REQUIRED));
  EXPECT_FALSE(ToError(result.status()).credential_presented());
}

// Whoever presents something means to be someone: a bad credential must not end as a guest.
TEST(AuthenticatorSet, NeverTakesABadCredentialForAnonymous) {
  const auto set = MakeSet("guests");
  const PresentedHeader cases[] = {
      {"x-api-key", "nobody." + SecretOf("web")},
      {"x-api-key", "web." + SecretOf("nobody")},
      {"x-api-key", ""},
      {"x-api-key", KeyOf("red")},  // a good key in the wrong header
      {"authorization", ""},
      {"authorization", "Bearer "},
      {"authorization", "Basic dXNlcjpwYXNz"},
      {"authorization", KeyOf("recorder")},
      {"authorization", "Bearer " + KeyOf("web")},
      {"X-Api-Key", KeyOf("web")},  // names are in lower case
      {"x-unknown", KeyOf("web")},
      {"x-caller-authorization", "Bearer nobody.x"},
  };
  for (const auto& header : cases) {
    const auto result = Authenticate(set, {{header}});
    EXPECT_THAT(result, IsRefusal(v1::AUTHENTICATION_FAILED)) << header.name << ": " << header.value;
    EXPECT_TRUE(ToError(result.status()).credential_presented()) << header.name << ": " << header.value;
  }
}

TEST(AuthenticatorSet, RefusesCredentialsOfTwoAuthenticators) {
  const auto set = MakeSet("guests");
  const std::string web = KeyOf("web");
  EXPECT_THAT(Authenticate(set, {{{"x-api-key", web}, {"x-team-key", KeyOf("red")}}}),
              IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  EXPECT_THAT(Authenticate(set, {{{"x-api-key", web}, {"authorization", "Bearer " + KeyOf("recorder")}}}),
              IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  // Also when one of them would fail: which one counts must not be guessed.
  EXPECT_THAT(Authenticate(set, {{{"x-api-key", web}, {"x-team-key", "red.wrong"}}}),
              IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

TEST(AuthenticatorSet, RefusesAHeaderThatIsThereTwice) {
  const auto set = MakeSet("guests");
  const std::string web = KeyOf("web");
  for (const std::string& second : {web, std::string("web.wrong"), std::string("nobody.x"), std::string()}) {
    EXPECT_THAT(Authenticate(set, {{{"x-api-key", web}, {"x-api-key", second}}}), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
    EXPECT_THAT(Authenticate(set, {{{"x-api-key", second}, {"x-api-key", web}}}), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  }
}

TEST(AuthenticatorSet, RefusesASecondCredentialThatNobodyChecks) {
  const auto set = MakeSet("guests");
  for (const PresentedHeader& second :
       {PresentedHeader{"authorization", "Bearer ey.unknown"}, {"x-team-key", "nobody.x"}, {"x-unknown", ""}}) {
    const auto result = Authenticate(set, {{{"x-api-key", KeyOf("web")}, second}});
    EXPECT_THAT(result, IsRefusal(v1::AUTHENTICATION_FAILED)) << second.name;
    EXPECT_TRUE(ToError(result.status()).credential_presented());
  }
}

TEST(AuthenticatorSet, KnowsAllHeadersOfPrincipals) {
  EXPECT_THAT(MakeSet("").headers(), ElementsAre("authorization", "x-api-key", "x-team-key"));
  EXPECT_THAT(AuthenticatorSet({}, "guests").headers(), ElementsAre("authorization"));
}

TEST(BearerToken, ReadsTheTokenAfterTheScheme) {
  EXPECT_EQ(BearerToken("Bearer abc"), "abc");
  EXPECT_EQ(BearerToken("bEARER  abc  "), "abc");
  for (const char* value : {"", "Bearer", "Bearer ", "Bearer   ", "Bearerabc", "Basic abc", "abc", " Bearer abc"}) {
    EXPECT_EQ(BearerToken(value), "") << value;
  }
}

}  // namespace
}  // namespace livekit::token
