#include "jose/jws.h"

#include <string>

#include "base/text.h"
#include "gtest/gtest.h"

namespace livekit::token::jose {
namespace {

constexpr std::size_t kMax = 1 << 20;

TEST(ParseCompactJws, SplitsAndDecodes) {
  const auto jws = ParseCompactJws("e30.YQ.Yg", kMax);
  ASSERT_TRUE(jws.has_value());
  EXPECT_EQ(jws->signing_input, "e30.YQ");
  EXPECT_EQ(jws->header, "{}");
  EXPECT_EQ(jws->payload, "a");
  EXPECT_EQ(jws->signature, "b");
}

TEST(ParseCompactJws, RefusesEverythingElse) {
  for (const char* text :
       {"", ".", "..", "e30", "e30.YQ", "e30.YQ.", "e30..Yg", ".YQ.Yg", "e30.YQ.Yg.", "e30.YQ.Yg.Yg", "e30=.YQ.Yg",
        "e30.YQ==.Yg", "e30.YR.Yg", "e30. YQ.Yg", "e30.YQ.Yg\n", "e3+.YQ.Yg", "e30.Y.Yg", "{}.YQ.Yg"}) {
    EXPECT_FALSE(ParseCompactJws(text, kMax).has_value()) << text;
  }
}

TEST(ParseCompactJws, LimitsTheSize) {
  EXPECT_TRUE(ParseCompactJws("e30.YQ.Yg", 9).has_value());
  EXPECT_FALSE(ParseCompactJws("e30.YQ.Yg", 8).has_value());
}

TEST(CheckHs256Header, AcceptsHs256WhateverElseTheHeaderSays) {
  for (const char* header : {R"({"alg":"HS256"})", R"({"alg":"HS256","typ":"JWT"})", R"({"alg":"HS256","kid":"x"})",
                             R"({"alg":"HS256","jwk":{"kty":"oct","k":"AA"},"jku":"https://example.com"})"}) {
    EXPECT_EQ(CheckHs256Header(header), HeaderVerdict::kOk) << header;
  }
}

TEST(CheckHs256Header, RefusesEveryOtherAlgorithm) {
  for (const char* header : {R"({})", R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"hs256"})",
                             R"({"alg":"HS384"})", R"({"alg":"RS256"})", R"({"alg":"HS256 "})", R"({"alg":["HS256"]})",
                             R"({"alg":null})", R"({"ALG":"HS256"})", R"({"alg":""})"}) {
    EXPECT_EQ(CheckHs256Header(header), HeaderVerdict::kAlgorithm) << header;
  }
}

TEST(CheckHs256Header, RefusesCriticalExtensionsAndBrokenJson) {
  EXPECT_EQ(CheckHs256Header(R"({"alg":"HS256","crit":["b64"],"b64":false})"), HeaderVerdict::kCritical);
  EXPECT_EQ(CheckHs256Header(R"({"alg":"HS256","crit":[]})"), HeaderVerdict::kCritical);
  for (const char* header : {"", "null", "[]", "{", R"({"alg":"none","alg":"HS256"})"}) {
    EXPECT_EQ(CheckHs256Header(header), HeaderVerdict::kMalformed) << header;
  }
}

}  // namespace
}  // namespace livekit::token::jose
