#include "server/authn/api_key.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using testing::FakeClock;
using testing::IsRefusal;
using testing::KeyOf;
using testing::SecretOf;

constexpr char kHeader[] = "x-api-key";

ApiKeyRecord RecordOf(const std::string& id, const std::string& secret, std::optional<Time> not_after = {}) {
  return {id, Sha256(secret), {}, not_after};
}

Credentials In(const std::string& header, const std::string& value) { return {{{header, value}}}; }

absl::StatusOr<Principal> Authenticate(const ApiKeyAuthenticator& authenticator, const Credentials& credentials,
                                       Time now = FakeClock().Now()) {
  absl::StatusOr<Principal> result = absl::InternalError("not called");
  int calls = 0;
  authenticator.Authenticate(credentials, now, [&](absl::StatusOr<Principal> principal) {
    result = std::move(principal);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
  return result;
}

ApiKeyAuthenticator Single(const std::string& header = kHeader) {
  return ApiKeyAuthenticator("partners", header, {RecordOf("web", SecretOf("web"))});
}

TEST(IsApiKeyId, TakesOnlyShortPlainNames) {
  for (const std::string id : {"a", "Web-1_x", "0"}) EXPECT_TRUE(IsApiKeyId(id)) << id;
  EXPECT_TRUE(IsApiKeyId(std::string(64, 'a')));
  for (const std::string id : {"", "a.b", "a b", "ü", "a\n", "a/b", "a*"}) EXPECT_FALSE(IsApiKeyId(id)) << id;
  EXPECT_FALSE(IsApiKeyId(std::string(65, 'a')));
  EXPECT_FALSE(IsApiKeyId(std::string_view("a\0b", 3)));
}

TEST(ApiKeyAuthenticator, AuthenticatesAKey) {
  auto record = RecordOf("web", SecretOf("web"));
  record.claims = Claims(nlohmann::json{{"plan", "pro"}});
  const ApiKeyAuthenticator authenticator("partners", kHeader, {record});
  auto principal = Authenticate(authenticator, In(kHeader, KeyOf("web")));
  ASSERT_OK(principal);
  EXPECT_EQ(principal->authenticator, "partners");
  EXPECT_EQ(principal->subject, "web");
  const nlohmann::json* plan = principal->claims.Find(*ClaimPath::Parse("plan"));
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(*plan, "pro");
}

TEST(ApiKeyAuthenticator, RefusesEveryOtherKeyAndSaysThatOneWasPresented) {
  const auto authenticator = Single();
  const std::string good = KeyOf("web");
  for (const std::string& key :
       {std::string("web"), std::string("web."), good + "x", good.substr(0, good.size() - 1), good + " ", " " + good,
        "web." + good, std::string("web.0123456789abcdefghi"), "Web." + SecretOf("web"), "Bearer " + good,
        std::string("other.") + SecretOf("web"), std::string("."), std::string()}) {
    const auto result = Authenticate(authenticator, In(kHeader, key));
    EXPECT_THAT(result, IsRefusal(v1::AUTHENTICATION_FAILED)) << key;
    EXPECT_TRUE(ToError(result.status()).credential_presented()) << key;
  }
}

TEST(ApiKeyAuthenticator, RefusesAllBadKeysInTheSameWords) {
  const auto authenticator = Single();
  const auto unknown = Authenticate(authenticator, In(kHeader, "nobody." + SecretOf("web")));
  const auto wrong = Authenticate(authenticator, In(kHeader, "web." + SecretOf("nobody")));
  EXPECT_EQ(unknown.status(), wrong.status());
}

TEST(ApiKeyAuthenticator, TellsTheOperatorAndNobodyElseThatAKeyHasExpired) {
  const Time now = FakeClock().Now();
  const ApiKeyAuthenticator authenticator("partners", kHeader, {RecordOf("web", SecretOf("web"), now)});
  const auto expired = Authenticate(authenticator, In(kHeader, KeyOf("web")), now);
  const auto wrong = Authenticate(authenticator, In(kHeader, "web." + SecretOf("nobody")), now);
  EXPECT_EQ(DetailOf(expired.status()), "the API key has expired");
  EXPECT_EQ(DetailOf(wrong.status()), "no API key has this id and secret");
  EXPECT_EQ(ToError(expired.status()).SerializeAsString(), ToError(wrong.status()).SerializeAsString());
}

TEST(ApiKeyAuthenticator, ComparesEveryByteOfTheHash) {
  const auto good = RecordOf("web", SecretOf("web"));
  ASSERT_EQ(good.sha256.size(), 32U);
  for (std::size_t i = 0; i < good.sha256.size(); ++i) {
    for (const int bit : {1, 0x80}) {
      auto changed = good;
      changed.sha256[i] = static_cast<char>(changed.sha256[i] ^ bit);
      const ApiKeyAuthenticator authenticator("partners", kHeader, {changed});
      EXPECT_THAT(Authenticate(authenticator, In(kHeader, KeyOf("web"))), IsRefusal(v1::AUTHENTICATION_FAILED)) << i;
    }
  }
  auto shorter = good;
  shorter.sha256.pop_back();
  EXPECT_THAT(Authenticate(ApiKeyAuthenticator("partners", kHeader, {shorter}), In(kHeader, KeyOf("web"))),
              IsRefusal(v1::AUTHENTICATION_FAILED));
}

TEST(ApiKeyAuthenticator, RefusesSecretsThatCouldBeGuessed) {
  const ApiKeyAuthenticator authenticator(
      "partners", kHeader,
      {RecordOf("empty", ""), RecordOf("short", "0123456789abcde"), RecordOf("enough", "0123456789abcdef")});
  EXPECT_THAT(Authenticate(authenticator, In(kHeader, "empty")), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(Authenticate(authenticator, In(kHeader, "empty.")), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(Authenticate(authenticator, In(kHeader, "short.0123456789abcde")), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_OK(Authenticate(authenticator, In(kHeader, "enough.0123456789abcdef")));
}

TEST(ApiKeyAuthenticator, TakesASecretWithDots) {
  const std::string secret = "0123456789.abcdef.";
  const ApiKeyAuthenticator authenticator("partners", kHeader, {RecordOf("web", secret)});
  EXPECT_OK(Authenticate(authenticator, In(kHeader, "web." + secret)));
}

TEST(ApiKeyAuthenticator, EndsAKeyAtItsTime) {
  const Time now = FakeClock().Now();
  const ApiKeyAuthenticator authenticator("partners", kHeader, {RecordOf("web", SecretOf("web"), now)});
  EXPECT_OK(Authenticate(authenticator, In(kHeader, KeyOf("web")), now - std::chrono::nanoseconds(1)));
  EXPECT_THAT(Authenticate(authenticator, In(kHeader, KeyOf("web")), now), IsRefusal(v1::AUTHENTICATION_FAILED));
}

TEST(ApiKeyAuthenticator, TakesBothSecretsWhileOneReplacesTheOther) {
  const Time now = FakeClock().Now();
  for (const bool old_first : {true, false}) {
    const auto old_record = RecordOf("web", SecretOf("old"), now);
    const auto new_record = RecordOf("web", SecretOf("new"));
    const ApiKeyAuthenticator authenticator(
        "partners", kHeader, old_first ? std::vector{old_record, new_record} : std::vector{new_record, old_record});
    const auto with = [&](const char* which, Time time) {
      return Authenticate(authenticator, In(kHeader, "web." + SecretOf(which)), time);
    };
    EXPECT_OK(with("old", now - std::chrono::seconds(1)));
    EXPECT_OK(with("new", now - std::chrono::seconds(1)));
    EXPECT_THAT(with("old", now), IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_OK(with("new", now));
    EXPECT_THAT(with("third", now), IsRefusal(v1::AUTHENTICATION_FAILED));
  }
}

TEST(ApiKeyAuthenticator, ReadsItsHeaderAndThatOfCallers) {
  const auto authenticator = Single();
  EXPECT_TRUE(authenticator.Recognizes(In(kHeader, KeyOf("web"))));
  EXPECT_TRUE(authenticator.Recognizes(In("x-caller-authorization", "Bearer " + KeyOf("web"))));
  EXPECT_FALSE(authenticator.Recognizes(In("x-caller-authorization", KeyOf("web"))));
  EXPECT_FALSE(authenticator.Recognizes(In("x-other", KeyOf("web"))));
  EXPECT_FALSE(authenticator.Recognizes(In("authorization", "Bearer " + KeyOf("web"))));
  EXPECT_FALSE(authenticator.Recognizes({}));
}

TEST(ApiKeyAuthenticator, ReadsAuthorizationBehindBearerOnly) {
  const auto authenticator = Single("authorization");
  EXPECT_OK(Authenticate(authenticator, In("authorization", "Bearer " + KeyOf("web"))));
  EXPECT_OK(Authenticate(authenticator, In("authorization", "bearer  " + KeyOf("web") + " ")));
  for (const std::string& value :
       {KeyOf("web"), "Basic " + KeyOf("web"), std::string("Bearer"), std::string("Bearer ")}) {
    EXPECT_FALSE(authenticator.Recognizes(In("authorization", value))) << value;
    EXPECT_THAT(Authenticate(authenticator, In("authorization", value)), IsRefusal(v1::AUTHENTICATION_FAILED)) << value;
  }
}

TEST(ApiKeyAuthenticator, IsResponsibleForItsIdsEvenWithAWrongSecret) {
  const auto authenticator = Single();
  EXPECT_TRUE(authenticator.Recognizes(In(kHeader, "web.wrong")));
  EXPECT_TRUE(authenticator.Recognizes(In(kHeader, "web")));
  EXPECT_FALSE(authenticator.Recognizes(In(kHeader, "web2." + SecretOf("web"))));
  EXPECT_FALSE(authenticator.Recognizes(In(kHeader, "we." + SecretOf("web"))));
}

// What --hash_api_key prints is what a server reads.
TEST(HashApiKey, PrintsALineThatAuthenticatesTheKey) {
  for (const std::string& secret : {std::string(), SecretOf("web")}) {
    const NewApiKey made = HashApiKey("web-1", secret);
    config::v1::ApiKeyFile file;
    EXPECT_EQ(FormatProblems("f", ReadYaml("keys:\n" + made.line + "\n", file)), "");
    ASSERT_EQ(file.keys_size(), 1);
    EXPECT_EQ(file.keys(0).id(), "web-1");
    EXPECT_EQ(made.key.substr(0, 6), "web-1.");
    EXPECT_EQ(file.keys(0).sha256(), HexEncode(Sha256(made.key.substr(6))));
    EXPECT_EQ(made.line.find(made.key.substr(6)), std::string::npos);
    const ApiKeyAuthenticator authenticator("partners", kHeader, {RecordOf("web-1", made.key.substr(6))});
    EXPECT_OK(Authenticate(authenticator, In(kHeader, made.key)));
  }
}

TEST(HashApiKey, DrawsANewSecretOf256BitsEachTime) {
  const std::string first = HashApiKey("a", "").key;
  EXPECT_EQ(first.size(), 2 + Base64UrlLength(32));
  EXPECT_NE(first, HashApiKey("a", "").key);
}

}  // namespace
}  // namespace livekit::token
