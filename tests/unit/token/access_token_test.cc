#include "livekit/token/access_token.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"
#include "support/vectors.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using ::testing::Contains;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using ::testing::Not;

const std::chrono::system_clock::time_point kNow{std::chrono::milliseconds(1'790'000'000'750)};

std::shared_ptr<const ApiKey> Key() { return *ApiKey::Create(testing::kVectorKey, testing::kVectorSecret); }

json Part(const std::string& token, int index) {
  std::size_t begin = 0;
  for (int i = 0; i < index; ++i) begin = token.find('.', begin) + 1;
  return json::parse(*Base64UrlDecode(std::string_view(token).substr(begin, token.find('.', begin) - begin)));
}

json Claims(const absl::StatusOr<SignedToken>& token) { return token.ok() ? Part(token->token, 1) : json(); }

AccessToken Alice() { return std::move(AccessToken().SetIdentity("alice").JoinRoom("lobby")); }

TEST(AccessToken, WritesTheHeaderThatEveryVerifierTakes) {
  const auto token = Alice().Sign(*Key(), kNow);
  ASSERT_OK(token);
  EXPECT_EQ(Part(token->token, 0), json::parse(R"({"alg":"HS256","typ":"JWT"})"));
}

TEST(AccessToken, WritesIntegerTimesInWholeSecondsAndNoAudience) {
  const auto token = Alice().SetTtl(std::chrono::seconds(90)).Sign(*Key(), kNow);
  ASSERT_OK(token);
  const json claims = Claims(token);
  EXPECT_EQ(claims["iat"], 1'790'000'000);
  EXPECT_EQ(claims["nbf"], 1'790'000'000);
  EXPECT_EQ(claims["exp"], 1'790'000'090);
  for (const char* name : {"iat", "nbf", "exp"}) EXPECT_TRUE(claims[name].is_number_integer()) << name;
  EXPECT_FALSE(claims.contains("aud"));
  EXPECT_EQ(token->issue_time, std::chrono::system_clock::time_point(std::chrono::seconds(1'790'000'000)));
  EXPECT_EQ(token->expire_time, std::chrono::system_clock::time_point(std::chrono::seconds(1'790'000'090)));
}

TEST(AccessToken, LivesFifteenMinutesByDefault) {
  const json claims = Claims(Alice().Sign(*Key(), kNow));
  EXPECT_EQ(claims["exp"].get<int>() - claims["nbf"].get<int>(), 15 * 60);
}

TEST(AccessToken, HasAnIdOf128RandomBitsOnlyWithAnIdentity) {
  const auto token = Alice().Sign(*Key(), kNow);
  ASSERT_OK(token);
  EXPECT_EQ(Base64UrlDecode(token->jti)->size(), 16u);
  EXPECT_EQ(Claims(token)["jti"], token->jti);

  AccessToken list;
  list.grants().mutable_video()->set_room_list(true);
  const auto without = list.Sign(*Key(), kNow);
  ASSERT_OK(without);
  EXPECT_EQ(without->jti, "");
  EXPECT_FALSE(Claims(without).contains("jti"));
  EXPECT_FALSE(Claims(without).contains("sub"));
}

TEST(AccessToken, NeverRepeatsAnIdAcrossThreads) {
  const auto key = Key();
  std::vector<std::vector<std::string>> ids(4);
  std::vector<std::thread> threads;
  for (auto& own : ids) {
    threads.emplace_back([&own, &key] {
      for (int i = 0; i < 2000; ++i) own.push_back(Alice().Sign(*key, kNow)->jti);
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& own : ids) all.insert(own.begin(), own.end());
  EXPECT_EQ(all.size(), 8000u);
}

TEST(AccessToken, KeepsTheIssuerOfEveryLength) {
  // The issuer decides how the token's constant beginning is cut into groups of base64.
  for (std::size_t length = 1; length <= 70; ++length) {
    const std::string id(length, 'k');
    const auto key = ApiKey::Create(id, testing::kVectorSecret);
    ASSERT_OK(key);
    const auto token = Alice().Sign(**key, kNow);
    ASSERT_OK(token);
    EXPECT_EQ(Claims(token)["iss"], id);
    EXPECT_EQ(
        token->token,
        testing::SignCompact(R"({"alg":"HS256","typ":"JWT"})",
                             *Base64UrlDecode(std::string_view(token->token).substr(37, token->token.rfind('.') - 37)),
                             testing::kVectorSecret));
  }
}

TEST(AccessToken, WritesMapsSorted) {
  auto token = Alice();
  for (const char* key : {"b", "a", "c", ""}) token.SetAttribute(key, "v");
  const auto signed_token = token.Sign(*Key(), kNow);
  ASSERT_OK(signed_token);
  const std::string text =
      *Base64UrlDecode(std::string_view(signed_token->token).substr(37, signed_token->token.rfind('.') - 37));
  EXPECT_NE(text.find(R"("attributes":{"":"v","a":"v","b":"v","c":"v"})"), std::string::npos) << text;
}

TEST(AccessToken, WritesBothMembersOfSip) {
  auto token = Alice();
  token.grants().mutable_sip()->set_call(true);
  EXPECT_EQ(Claims(token.Sign(*Key(), kNow))["sip"], json::parse(R"({"admin":false,"call":true})"));
}

TEST(AccessToken, RefusesLifetimesThatMakeNoSense) {
  using std::chrono::seconds;
  for (const seconds ttl : {seconds(0), seconds(-1), seconds::min(), seconds::max(), kMaxTtl + seconds(1)}) {
    EXPECT_THAT(Alice().SetTtl(ttl).Sign(*Key(), kNow), IsFieldRefusal(v1::FIELD_INVALID, "ttl")) << ttl.count();
  }
  EXPECT_OK(Alice().SetTtl(seconds(1)).Sign(*Key(), kNow));
  EXPECT_OK(Alice().SetTtl(kMaxTtl).Sign(*Key(), kNow));
}

TEST(AccessToken, RefusesTextThatIsNotUtf8AndNamesTheField) {
  for (const std::string bad : {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"}) {
    EXPECT_THAT(AccessToken().SetIdentity(bad).JoinRoom("r").Sign(*Key(), kNow),
                IsFieldRefusal(v1::FIELD_INVALID, "identity"));
    EXPECT_THAT(AccessToken().SetIdentity("a").JoinRoom(bad).Sign(*Key(), kNow),
                IsFieldRefusal(v1::FIELD_INVALID, "video.room"));
    EXPECT_THAT(Alice().SetName(bad).Sign(*Key(), kNow), IsFieldRefusal(v1::FIELD_INVALID, "name"));
    EXPECT_THAT(Alice().SetMetadata(bad).Sign(*Key(), kNow), IsFieldRefusal(v1::FIELD_INVALID, "metadata"));
    EXPECT_THAT(Alice().SetAttribute(bad, "").Sign(*Key(), kNow), IsFieldRefusal(v1::FIELD_INVALID, "attributes"));
    auto config = Alice();
    config.grants().mutable_room_config()->add_agents()->set_agent_name(bad);
    EXPECT_THAT(config.Sign(*Key(), kNow), IsFieldRefusal(v1::FIELD_INVALID, "room_config"));
  }
  // A token that failed leaves nothing behind for the next one of the thread.
  EXPECT_EQ(Claims(Alice().Sign(*Key(), kNow))["sub"], "alice");
}

TEST(AccessToken, WritesAnyUtf8AsItIs) {
  const std::string text = "quote\" back\\slash / \b\f\n\r\t \x01 \x7f \u00e9 \u2028 \U0001f389 <b>&";
  EXPECT_EQ(Claims(Alice().SetMetadata(text).Sign(*Key(), kNow))["metadata"], text);
}

TEST(AccessToken, RefusesCredentialsUnlessTheCallerInsists) {
  auto token = Alice();
  token.grants().mutable_room_config()->mutable_egress()->mutable_tracks()->mutable_s3()->set_secret("s3-secret");
  EXPECT_THAT(token.Sign(*Key(), kNow), IsRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG));
  const auto allowed = token.AllowSensitiveCredentials().Sign(*Key(), kNow);
  EXPECT_EQ(Claims(allowed)["roomConfig"]["egress"]["tracks"]["s3"]["secret"], "s3-secret");
}

TEST(AccessToken, DropsWhatAnOlderServerWouldRefuse) {
  auto token = Alice();
  auto* agent = token.grants().mutable_room_config()->add_agents();
  agent->set_agent_name("a");
  agent->set_deployment("staging");
  EXPECT_EQ(Claims(token.Sign(*Key(), kNow))["roomConfig"]["agents"][0]["deployment"], "staging");
  const json old = Claims(token.SetSfuVersion(SfuVersion(1, 11, 0)).Sign(*Key(), kNow))["roomConfig"];
  EXPECT_EQ(old["agents"][0], json::parse(R"({"agentName":"a"})"));
}

TEST(AccessToken, WritesOnlyKnownFieldsOfTheRoomConfiguration) {
  auto token = Alice();
  auto& config = *token.grants().mutable_room_config();
  config.set_name("n");
  config.GetReflection()->MutableUnknownFields(&config)->AddLengthDelimited(99, "future");
  EXPECT_EQ(Claims(token.Sign(*Key(), kNow))["roomConfig"], json::parse(R"({"name":"n"})"));
}

TEST(AccessToken, MergesExtraClaims) {
  auto token = Alice();
  auto& extra = *token.grants().mutable_extra_claims()->mutable_fields();
  extra["agentThread"].mutable_struct_value()->mutable_fields()->operator[]("list").set_bool_value(true);
  extra["limit"].set_number_value(5);
  extra["ratio"].set_number_value(0.5);
  extra["video"].mutable_struct_value()->mutable_fields()->operator[]("canFly").set_bool_value(true);
  extra["inference"].mutable_struct_value()->mutable_fields()->operator[]("tier").set_string_value("gold");
  const json claims = Claims(token.Sign(*Key(), kNow));
  EXPECT_EQ(claims["agentThread"], json::parse(R"({"list":true})"));
  EXPECT_EQ(claims["limit"], 5);
  EXPECT_TRUE(claims["limit"].is_number_integer());
  EXPECT_EQ(claims["ratio"], 0.5);
  EXPECT_EQ(claims["video"], json::parse(R"({"roomJoin":true,"room":"lobby","canFly":true})"));
  EXPECT_EQ(claims["inference"], json::parse(R"({"tier":"gold"})"));
}

TEST(AccessToken, SurvivesHugeClaimsBetweenSmallOnes) {
  EXPECT_OK(Alice().SetMetadata(std::string(512 * 1024, '"')).Sign(*Key(), kNow));
  EXPECT_EQ(Claims(Alice().Sign(*Key(), kNow))["sub"], "alice");
}

// Measuring is signing without a signature: the same checks, and as many bytes.
TEST(MeasureToken, KnowsTheSizeOfWhatSignMakes) {
  v1::Grants grants;
  for (int i = 0; i < 40; ++i) {
    for (const bool with_identity : {true, false}) {
      grants.set_identity(with_identity ? "alice" : "");
      grants.set_metadata(std::string(static_cast<std::size_t>(i * i), 'x'));
      grants.mutable_video()->set_room_create(true);
      if (i % 2 == 1) grants.mutable_room_config()->add_agents()->set_agent_name("bot");
      SignOptions options;
      options.ttl = std::chrono::seconds(1 + i * i * i);
      if (i % 3 == 0) options.sfu_version = SfuVersion(1, 1, 0);
      const auto signed_token = Sign(*Key(), grants, options, kNow);
      const auto size = MeasureToken(*Key(), grants, options, kNow);
      ASSERT_OK(signed_token);
      ASSERT_OK(size);
      EXPECT_EQ(*size, signed_token->token.size());
    }
  }
}

TEST(MeasureToken, RefusesWhatSignRefuses) {
  v1::Grants join;
  join.mutable_video()->set_room_join(true);
  v1::Grants secret;
  secret.mutable_room_config()->mutable_egress()->mutable_room()->add_file_outputs()->mutable_s3()->set_secret("s");
  v1::Grants bad_text;
  bad_text.set_name("\xff");
  for (const auto& grants : {join, secret, bad_text}) {
    const auto measured = MeasureToken(*Key(), grants, {}, kNow);
    EXPECT_FALSE(measured.ok());
    EXPECT_EQ(measured.status(), Sign(*Key(), grants, {}, kNow).status());
  }
  SignOptions options;
  for (const std::chrono::seconds ttl : {std::chrono::seconds(0), kMaxTtl + std::chrono::seconds(1),
                                         std::chrono::seconds::min(), std::chrono::seconds::max()}) {
    options.ttl = ttl;
    EXPECT_THAT(MeasureToken(*Key(), {}, options, kNow), IsFieldRefusal(v1::FIELD_INVALID, "ttl"));
    EXPECT_THAT(Sign(*Key(), {}, options, kNow), IsFieldRefusal(v1::FIELD_INVALID, "ttl"));
  }
  options = {};
  options.allow_sensitive_credentials = true;
  EXPECT_OK(MeasureToken(*Key(), secret, options, kNow));
}

}  // namespace
}  // namespace livekit::token
