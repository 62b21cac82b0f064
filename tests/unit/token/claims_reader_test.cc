#include "token/claims_reader.h"

#include <random>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "livekit/token/grants.h"
#include "support/random_message.h"
#include "support/status_matchers.h"
#include "token/claims_writer.h"

namespace livekit::token {
namespace {

TEST(PeekIssuer, FindsTheIssuerAndNothingElse) {
  EXPECT_EQ(PeekIssuer(R"({"iss":"APIa","sub":5})"), "APIa");
  EXPECT_EQ(PeekIssuer(R"({"sub":"a"})"), "");
  EXPECT_EQ(PeekIssuer(R"({"iss":5})"), std::nullopt);
  EXPECT_EQ(PeekIssuer(R"({"iss":"a","ISS":"b"})"), std::nullopt);
  EXPECT_EQ(PeekIssuer("[]"), std::nullopt);
}

TEST(ReadClaims, KeepsUnknownClaimsAndUnknownKinds) {
  Claims claims;
  ASSERT_EQ(ReadClaims(R"({"kind":"robot","agentThread":{"all":true},"n":7,"x":null,"l":[1,"a"]})", claims),
            ClaimsVerdict::kOk);
  EXPECT_EQ(claims.grants.kind(), "robot");
  const auto& extra = claims.grants.extra_claims().fields();
  EXPECT_EQ(extra.size(), 4u);
  EXPECT_TRUE(extra.at("agentThread").struct_value().fields().at("all").bool_value());
  EXPECT_EQ(extra.at("n").number_value(), 7);
}

// What the writer writes the reader reads: every field, in random combinations.
TEST(ReadClaims, IsTheInverseOfAppendClaims) {
  std::mt19937_64 random(7);
  int written = 0;
  for (int i = 0; i < 3000; ++i) {
    v1::Grants grants;
    testing::RandomMessageOptions options;
    options.not_finite = false;  // NaN does not equal itself
    testing::FillRandomly(random, options, grants);
    // What the form of claims cannot tell apart, or has rules of its own.
    grants.clear_extra_claims();
    if (grants.identity().empty()) grants.set_identity("i");
    Buffer text;
    AppendIssuer("APIa", text);
    const auto* room_config = grants.has_room_config() ? &grants.room_config() : nullptr;
    ASSERT_OK(AppendClaims({"id", 10, 20}, grants, room_config, text));
    Claims claims;
    ASSERT_EQ(ReadClaims(text.view(), claims), ClaimsVerdict::kOk) << text.view();
    EXPECT_EQ(claims.issuer, "APIa");
    EXPECT_EQ(claims.jti, "id");
    EXPECT_EQ(claims.issued_at, 10);
    EXPECT_EQ(claims.not_before, 10);
    EXPECT_EQ(claims.expires_at, 20);
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(claims.grants, grants)) << text.view();
    ++written;
  }
  EXPECT_EQ(written, 3000);
}

}  // namespace
}  // namespace livekit::token
