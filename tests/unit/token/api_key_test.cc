#include "livekit/token/api_key.h"

#include <string>
#include <type_traits>

#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using testing::IsFieldRefusal;

const std::string kGood = "0123456789abcdef0123456789abcdef";

TEST(ApiKey, TakesAnySecretOf32Bytes) {
  EXPECT_OK(ApiKey::Create("APIabc", kGood));
  EXPECT_OK(ApiKey::Create("any.id/without:spaces\xc3\xa9", kGood));
  EXPECT_OK(ApiKey::Create("k", kGood.substr(0, 30) + "\xc3\xa9"));
}

TEST(ApiKey, RefusesShortAndWellKnownSecrets) {
  EXPECT_THAT(ApiKey::Create("k", kGood.substr(1)), IsFieldRefusal(v1::FIELD_INVALID, "api_secret"));
  EXPECT_THAT(ApiKey::Create("devkey", "secret"), IsFieldRefusal(v1::FIELD_INVALID, "api_secret"));
  EXPECT_THAT(ApiKey::Create("k", "secretsecretsecretsecretsecretsecret"),
              IsFieldRefusal(v1::FIELD_INVALID, "api_secret"));
  EXPECT_OK(ApiKey::Create("devkey", "secret", SecretStrength::kAny));
}

TEST(ApiKey, RefusesWhatGotMangledOnItsWay) {
  for (const std::string& bad : {std::string(" ") + kGood, kGood + "\n", kGood + " x", "\"" + kGood + "\"",
                                 "'" + kGood + "'", kGood + std::string("\0", 1), kGood + "\xff", kGood + "\x7f"}) {
    EXPECT_THAT(ApiKey::Create("k", bad, SecretStrength::kAny), IsFieldRefusal(v1::FIELD_INVALID, "api_secret")) << bad;
  }
  for (const std::string& bad : {std::string("a b"), std::string("k\n"), std::string("\"k\""), std::string("\xff")}) {
    EXPECT_THAT(ApiKey::Create(bad, kGood), IsFieldRefusal(v1::FIELD_INVALID, "api_key")) << bad;
  }
  EXPECT_THAT(ApiKey::Create("", kGood), IsFieldRefusal(v1::FIELD_REQUIRED, "api_key"));
  EXPECT_THAT(ApiKey::Create("k", "", SecretStrength::kAny), IsFieldRefusal(v1::FIELD_REQUIRED, "api_secret"));
  EXPECT_THAT(ApiKey::Create(std::string(257, 'k'), kGood), IsFieldRefusal(v1::FIELD_TOO_LONG, "api_key"));
}

TEST(ApiKey, ErrorsDoNotContainTheSecret) {
  const std::string secret = "MARKER with space MARKER MARKER MARKER";
  const auto key = ApiKey::Create("k", secret);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.status().ToString().find("MARKER"), std::string::npos);
}

TEST(ApiKey, CannotBeCopied) {
  static_assert(!std::is_copy_constructible_v<ApiKey>);
  static_assert(!std::is_copy_assignable_v<ApiKey>);
}

TEST(KeyRing, FindsKeysAndTakesEachIdOnce) {
  KeyRing ring;
  ASSERT_OK(ring.Add(*ApiKey::Create("a", kGood)));
  ASSERT_OK(ring.Add(*ApiKey::Create("b", kGood)));
  EXPECT_FALSE(ring.Add(*ApiKey::Create("a", kGood)).ok());
  EXPECT_EQ(ring.Find("a")->id(), "a");
  EXPECT_EQ(ring.Find("c"), nullptr);
  EXPECT_EQ(ring.Find(""), nullptr);
  EXPECT_EQ(ring.keys().size(), 2u);
}

}  // namespace
}  // namespace livekit::token
