#include "livekit/token/token_verifier.h"

#include <nlohmann/json.hpp>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "livekit/token/access_token.h"
#include "support/status_matchers.h"
#include "support/vectors.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::SignCompact;

constexpr std::int64_t kNow = 1'790'000'000;
constexpr char kHeader[] = R"({"alg":"HS256","typ":"JWT"})";

std::chrono::system_clock::time_point At(std::int64_t seconds) {
  return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
}

class TokenVerifierTest : public ::testing::Test {
 protected:
  TokenVerifierTest() : verifier_(Keys()) {}

  static std::shared_ptr<const KeyRing> Keys() {
    auto keys = std::make_shared<KeyRing>();
    EXPECT_OK(keys->Add(*ApiKey::Create(testing::kVectorKey, testing::kVectorSecret)));
    EXPECT_OK(keys->Add(*ApiKey::Create("APIother", "anotherSecret0123456789ABCDEFGHIJKLMN")));
    return keys;
  }
  static json Good() {
    return {{"iss", testing::kVectorKey},
            {"sub", "alice"},
            {"nbf", kNow},
            {"exp", kNow + 600},
            {"video", {{"roomJoin", true}, {"room", "r1"}}}};
  }
  v1::RejectionReason ReasonOfText(const std::string& payload) const {
    return verifier_.Verify(SignCompact(kHeader, payload, testing::kVectorSecret), At(kNow)).reason;
  }
  v1::RejectionReason Reason(const json& claims) const { return ReasonOfText(claims.dump()); }
  // The good claims with one member set by a JSON text.
  v1::RejectionReason ReasonWith(const std::string& name, const std::string& value) const {
    json claims = Good();
    claims[name] = json::parse(value);
    return Reason(claims);
  }

  TokenVerifier verifier_;
};

constexpr auto kGood = v1::REJECTION_REASON_UNSPECIFIED;

TEST_F(TokenVerifierTest, ReadsBackEverythingThatAccessTokenWrites) {
  AccessToken token;
  v1::Grants& grants =
      token.SetIdentity("alice").SetName("Alice").SetMetadata("{\"a\":1}").SetAttribute("k", "v").grants();
  grants.set_kind("agent");
  grants.add_kind_details("cloud_agent");
  auto& video = *grants.mutable_video();
  video.set_room_join(true);
  video.set_room("r1");
  video.set_room_admin(true);
  video.set_can_publish(false);
  video.set_can_subscribe(true);
  video.set_can_publish_data(false);
  video.add_can_publish_sources("camera");
  video.set_can_update_own_metadata(false);
  video.set_hidden(true);
  video.set_can_subscribe_metrics(true);
  video.set_can_manage_agent_session(false);
  video.set_destination_room("r2");
  grants.mutable_sip()->set_call(true);
  grants.mutable_agent()->set_database_admin(true);
  grants.mutable_inference()->set_perform(true);
  grants.mutable_observability()->set_write(true);
  grants.mutable_room_config()->add_agents()->set_agent_name("helper");
  grants.set_room_preset("preset");
  grants.set_sha256("CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42DbefYI=");
  (*grants.mutable_extra_claims()->mutable_fields())["future"].set_number_value(1.5);
  const auto key = Keys()->Find(testing::kVectorKey);
  const auto signed_token = token.Sign(*key, At(kNow));
  ASSERT_OK(signed_token);
  const Verdict verdict = verifier_.VerifyJoin(signed_token->token, At(kNow));
  ASSERT_TRUE(verdict.ok()) << Describe(verdict.reason);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(verdict.token->grants(), grants))
      << verdict.token->grants().DebugString();
  EXPECT_EQ(verdict.token->issuer(), testing::kVectorKey);
  EXPECT_EQ(verdict.token->jti(), signed_token->jti);
  EXPECT_EQ(verdict.token->issue_time(), At(kNow));
  EXPECT_EQ(verdict.token->not_before(), At(kNow));
  EXPECT_EQ(verdict.token->expire_time(), At(kNow + 900));
}

TEST_F(TokenVerifierTest, RefusesEveryFlippedBitAndEveryLength) {
  const std::string token = SignCompact(kHeader, Good().dump(), testing::kVectorSecret);
  ASSERT_TRUE(verifier_.Verify(token, At(kNow)).ok());
  for (std::size_t length = 0; length < token.size(); ++length) {
    EXPECT_FALSE(verifier_.Verify(token.substr(0, length), At(kNow)).ok()) << length;
  }
  for (std::size_t bit = 0; bit < token.size() * 8; ++bit) {
    std::string flipped = token;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(verifier_.Verify(flipped, At(kNow)).ok()) << bit;
  }
  for (const char* more : {"a", ".", "=", " ", "\n", ".e30"}) {
    EXPECT_FALSE(verifier_.Verify(token + more, At(kNow)).ok()) << more;
  }
}

TEST_F(TokenVerifierTest, RefusesATokenOfOneKeySignedWithAnother) {
  json claims = Good();
  claims["iss"] = "APIother";
  EXPECT_EQ(Reason(claims), v1::SIGNATURE_INVALID);
  claims["iss"] = "APInope";
  EXPECT_EQ(Reason(claims), v1::ISSUER_UNKNOWN);
  claims.erase("iss");
  EXPECT_EQ(Reason(claims), v1::ISSUER_UNKNOWN);
  EXPECT_EQ(ReasonWith("iss", R"(["APIvectorKey123"])"), v1::MALFORMED);
}

TEST_F(TokenVerifierTest, AllowsTheLeewayToTheSecond) {
  const std::string token = SignCompact(kHeader, Good().dump(), testing::kVectorSecret);
  const auto reason = [&](std::int64_t now) { return verifier_.Verify(token, At(now)).reason; };
  EXPECT_EQ(reason(kNow + 600 + 59), kGood);
  EXPECT_EQ(reason(kNow + 600 + 60), v1::EXPIRED);
  EXPECT_EQ(reason(kNow - 60), kGood);
  EXPECT_EQ(reason(kNow - 61), v1::NOT_YET_VALID);
  const TokenVerifier strict(Keys(), {std::chrono::seconds(0), 1 << 20});
  EXPECT_EQ(strict.Verify(token, At(kNow + 599)).reason, kGood);
  EXPECT_EQ(strict.Verify(token, At(kNow + 600)).reason, v1::EXPIRED);
  EXPECT_EQ(strict.Verify(token, At(kNow - 1)).reason, v1::NOT_YET_VALID);
}

TEST_F(TokenVerifierTest, NeedsAnExpiry) {
  json claims = Good();
  claims.erase("exp");
  EXPECT_EQ(Reason(claims), v1::EXPIRY_MISSING);
  EXPECT_EQ(ReasonWith("exp", "null"), v1::EXPIRY_MISSING);
}

TEST_F(TokenVerifierTest, RefusesClaimsOfWrongTypes) {
  EXPECT_EQ(Reason(Good()), kGood);
  for (const auto& [name, value] : {std::pair{"exp", "\"1790000600\""},
                                    {"exp", "1e300"},
                                    {"exp", "true"},
                                    {"nbf", "\"0\""},
                                    {"iat", "[]"},
                                    {"sub", "1"},
                                    {"sub", "{}"},
                                    {"jti", "1"},
                                    {"name", "5"},
                                    {"identity", "5"},
                                    {"kind", "[]"},
                                    {"kindDetails", "\"a\""},
                                    {"kindDetails", "[1]"},
                                    {"metadata", "{}"},
                                    {"attributes", "[]"},
                                    {"attributes", "{\"a\":1}"},
                                    {"sha256", "1"},
                                    {"roomPreset", "1"},
                                    {"roomConfig", "[]"},
                                    {"roomConfig", "{\"maxParticipants\":\"many\"}"},
                                    {"video", "true"},
                                    {"video", "{\"roomJoin\":1}"},
                                    {"video", "{\"roomJoin\":\"true\"}"},
                                    {"video", "{\"room\":5}"},
                                    {"video", "{\"canPublishSources\":\"camera\"}"},
                                    {"sip", "{\"admin\":0}"},
                                    {"agent", "{\"admin\":\"\"}"},
                                    {"inference", "[]"},
                                    {"observability", "{\"write\":1}"}}) {
    EXPECT_EQ(ReasonWith(name, value), v1::CLAIM_INVALID) << name << " " << value;
  }
}

TEST_F(TokenVerifierTest, TakesWhatLiveKitTakes) {
  for (const auto& [name, value] : {std::pair{"exp", "1790000600.9"},
                                    {"aud", "\"x\""},
                                    {"aud", "[1]"},
                                    {"future", "{\"a\":[null]}"},
                                    {"name", "null"},
                                    {"video", "{\"roomJoin\":true,\"room\":\"r\",\"future\":1}"},
                                    {"video", "null"},
                                    {"roomConfig", "null"},
                                    {"roomConfig", "{\"future\":{}}"},
                                    {"roomConfig", "{\"agents\":[{\"restartPolicy\":\"SOMETIMES\"}]}"},
                                    {"attributes", "{\"a\":null}"},
                                    {"identity", "\"mallory\""},
                                    {"kind", "\"unheard_of\""},
                                    {"sip", "{}"}}) {
    EXPECT_EQ(ReasonWith(name, value), kGood) << name << " " << value;
  }
}

TEST_F(TokenVerifierTest, MatchesNamesWithoutRegardToCaseButOnlyOnce) {
  EXPECT_EQ(ReasonOfText(R"({"ISS":"APIvectorKey123","Sub":"a","Exp":1790000600})"), kGood);
  json claims = Good();
  claims["Video"] = {{"roomAdmin", true}};
  EXPECT_EQ(Reason(claims), v1::CLAIM_INVALID);
  claims = Good();
  claims["video"]["ROOM"] = "r2";
  EXPECT_EQ(Reason(claims), v1::CLAIM_INVALID);
  // Inside roomConfig case matters, as in proto3 JSON.
  claims = Good();
  claims["roomConfig"] = {{"Name", 5}};
  EXPECT_EQ(Reason(claims), kGood);
}

TEST_F(TokenVerifierTest, RefusesDuplicateMembersAndBrokenPayloads) {
  EXPECT_EQ(ReasonOfText(R"({"iss":"APIvectorKey123","exp":1790000600,"exp":1})"), v1::MALFORMED);
  EXPECT_EQ(ReasonOfText(std::string("null")), v1::MALFORMED);
  EXPECT_EQ(ReasonOfText(std::string("[]")), v1::MALFORMED);
  EXPECT_EQ(ReasonOfText(std::string("{\"iss\":\"\xff\"}")), v1::MALFORMED);
  EXPECT_EQ(verifier_.Verify("", At(kNow)).reason, v1::MALFORMED);
  EXPECT_EQ(verifier_.Verify(std::string(2 << 20, 'a'), At(kNow)).reason, v1::MALFORMED);
}

TEST_F(TokenVerifierTest, TakesTheHeadersAlgorithmOnlyIfItIsTheKeys) {
  const auto reason = [&](const char* header) {
    return verifier_.Verify(SignCompact(header, Good().dump(), testing::kVectorSecret), At(kNow)).reason;
  };
  EXPECT_EQ(reason(R"({"alg":"HS512"})"), v1::ALGORITHM_NOT_SUPPORTED);
  EXPECT_EQ(reason(R"({"alg":"none"})"), v1::ALGORITHM_NOT_SUPPORTED);
  EXPECT_EQ(reason(R"({"alg":"HS256","crit":["exp"]})"), v1::CRITICAL_HEADER);
  EXPECT_EQ(reason(R"({"alg":"HS256","alg":"none"})"), v1::MALFORMED);
}

TEST_F(TokenVerifierTest, UsesTheIdForTheIdentityWithoutSubject) {
  json claims = Good();
  claims.erase("sub");
  claims["jti"] = "from-jti";
  const Verdict verdict = verifier_.VerifyJoin(SignCompact(kHeader, claims.dump(), testing::kVectorSecret), At(kNow));
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.token->grants().identity(), "from-jti");
}

TEST_F(TokenVerifierTest, JoiningNeedsMore) {
  const auto reason = [&](json claims) {
    return verifier_.VerifyJoin(SignCompact(kHeader, claims.dump(), testing::kVectorSecret), At(kNow)).reason;
  };
  EXPECT_EQ(reason(Good()), kGood);
  json claims = Good();
  claims["video"]["roomJoin"] = false;
  EXPECT_EQ(reason(claims), v1::JOIN_NOT_GRANTED);
  claims = Good();
  claims["sub"] = "";
  EXPECT_EQ(reason(claims), v1::IDENTITY_MISSING);
  claims = Good();
  claims["video"]["room"] = "";
  EXPECT_EQ(reason(claims), v1::ROOM_MISSING);
  for (const char* name : {"sub", "room", "metadata", "attributes"}) {
    claims = Good();
    if (name == std::string("sub")) claims["sub"] = std::string(257, 'x');
    if (name == std::string("room")) claims["video"]["room"] = std::string(257, 'x');
    if (name == std::string("metadata")) claims["metadata"] = std::string(512 * 1024 + 1, 'x');
    if (name == std::string("attributes")) claims["attributes"] = {{"k", std::string(64 * 1024, 'x')}};
    EXPECT_EQ(reason(claims), v1::CLAIM_TOO_LONG) << name;
  }
}

TEST(Describe, HasASentenceForEveryReason) {
  const auto* descriptor = v1::RejectionReason_descriptor();
  std::set<std::string_view> sentences;
  for (int i = 0; i < descriptor->value_count(); ++i) {
    sentences.insert(Describe(static_cast<v1::RejectionReason>(descriptor->value(i)->number())));
  }
  EXPECT_EQ(sentences.size(), static_cast<std::size_t>(descriptor->value_count()));
}

}  // namespace
}  // namespace livekit::token
