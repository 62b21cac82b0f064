#include "server/claims.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace livekit::token {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

TEST(ClaimPath, ParsesNames) {
  EXPECT_THAT(ClaimPath::Parse("plan")->names(), ElementsAre("plan"));
  EXPECT_THAT(ClaimPath::Parse("realm_access.roles")->names(), ElementsAre("realm_access", "roles"));
  EXPECT_THAT(ClaimPath::Parse("https://acme.dev/plan")->names(), ElementsAre("https://acme.dev/plan"));
  EXPECT_THAT(ClaimPath::Parse(R"(["https://acme.dev/plan"])")->names(), ElementsAre("https://acme.dev/plan"));
  EXPECT_THAT(ClaimPath::Parse(R"(a["b.c"].d)")->names(), ElementsAre("a", "b.c", "d"));
  EXPECT_THAT(ClaimPath::Parse("cognito:groups")->names(), ElementsAre("cognito:groups"));
  for (const char* bad :
       {"", ".", "a.", ".a", "a..b", "a b", "a[", "a[\"b", "[\"\"]", "a[b]", "a[\"b\"]c", "a{b}", "é"}) {
    EXPECT_FALSE(ClaimPath::Parse(bad)) << bad;
  }
}

TEST(Claims, FindsMembers) {
  const Claims claims(json::parse(R"({"a":{"b":[1],"n":null},"t":"x"})"));
  const auto find = [&](const char* path) { return claims.Find(*ClaimPath::Parse(path)); };
  ASSERT_NE(find("a.b"), nullptr);
  EXPECT_EQ(*find("a.b"), json::parse("[1]"));
  EXPECT_EQ(find("a.n"), nullptr);
  EXPECT_EQ(find("a.b.c"), nullptr);
  EXPECT_EQ(find("t.x"), nullptr);
  EXPECT_EQ(find("z"), nullptr);
  EXPECT_EQ(Claims().Find(*ClaimPath::Parse("a")), nullptr);
  EXPECT_EQ(Claims(json::parse("[1]")).Find(*ClaimPath::Parse("a")), nullptr);
}

TEST(Claims, TakesOnlyExactIntegersFromAStruct) {
  google::protobuf::Struct object;
  auto& fields = *object.mutable_fields();
  fields["small"].set_number_value(-7);
  fields["largest"].set_number_value(9007199254740991.0);
  fields["rounded"].set_number_value(9007199254740992.0);  // also what 9007199254740993 becomes
  fields["half"].set_number_value(0.5);
  const Claims claims = Claims::FromStruct(object);
  const auto text = [&](const char* path) { return ClaimText(*claims.Find(*ClaimPath::Parse(path))); };
  EXPECT_EQ(text("small"), "-7");
  EXPECT_EQ(text("largest"), "9007199254740991");
  EXPECT_EQ(text("rounded"), std::nullopt);
  EXPECT_EQ(text("half"), std::nullopt);
}

TEST(ClaimText, StandsForStringsAndIntegersOnly) {
  EXPECT_EQ(ClaimText(json("a")), "a");
  EXPECT_EQ(ClaimText(json("")), "");
  EXPECT_EQ(ClaimText(json(18446744073709551615U)), "18446744073709551615");
  EXPECT_EQ(ClaimText(json(-5)), "-5");
  for (const char* other : {"true", "null", "1.0", "[1]", "{}", "1e3"}) {
    EXPECT_EQ(ClaimText(json::parse(other)), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace livekit::token
