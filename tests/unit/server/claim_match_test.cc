#include "server/claim_match.h"

#include <string>

#include "gtest/gtest.h"
#include "policy_fixture.h"

namespace livekit::token {
namespace {

using testing::Someone;
using Value = ClaimCondition::Value;

bool MeetsOne(const std::string& claims, const Value& value, const std::string& path = "x") {
  return Meets(Someone("a", claims).claims, {*ClaimPath::Parse(path), {value}});
}

TEST(ClaimCondition, ComparesTextAsAGlob) {
  EXPECT_TRUE(MeetsOne(R"({"x":"pro"})", Value("pro")));
  EXPECT_TRUE(MeetsOne(R"({"x":"pro-1"})", Value("pro-*")));
  EXPECT_TRUE(MeetsOne(R"({"x":""})", Value("*")));
  for (const char* other : {R"("Pro")", R"("pro ")", R"("xpro")", R"("*")", R"("")", "null", "1", "true", "{}", "[]"}) {
    EXPECT_FALSE(MeetsOne(std::string("{\"x\":") + other + "}", Value("pro"))) << other;
  }
  EXPECT_FALSE(MeetsOne("{}", Value("*")));
  EXPECT_FALSE(MeetsOne(R"({"x":null})", Value("*")));
  EXPECT_FALSE(MeetsOne(R"({"x":5})", Value("*")));
  EXPECT_FALSE(MeetsOne(R"({"y":"pro"})", Value("pro")));
  // A claim with a star in it is no pattern.
  EXPECT_FALSE(MeetsOne(R"({"x":"*"})", Value("pro")));
}

TEST(ClaimCondition, ComparesByType) {
  EXPECT_TRUE(MeetsOne(R"({"x":true})", Value(true)));
  EXPECT_TRUE(MeetsOne(R"({"x":false})", Value(false)));
  for (const char* other : {"false", "1", R"("true")", "null", "{}", "[]"}) {
    EXPECT_FALSE(MeetsOne(std::string("{\"x\":") + other + "}", Value(true))) << other;
  }
  EXPECT_FALSE(MeetsOne("{}", Value(false)));
  EXPECT_TRUE(MeetsOne(R"({"x":1})", Value(std::int64_t{1})));
  EXPECT_TRUE(MeetsOne(R"({"x":-1})", Value(std::int64_t{-1})));
  for (const char* other : {"2", R"("1")", "1.0", "1.5", "true", "null", "-1", "18446744073709551615"}) {
    EXPECT_FALSE(MeetsOne(std::string("{\"x\":") + other + "}", Value(std::int64_t{1}))) << other;
  }
  EXPECT_FALSE(MeetsOne(R"({"x":18446744073709551615})", Value(std::int64_t{-1})));
  EXPECT_FALSE(MeetsOne(R"({"x":1})", Value("1")));
}

TEST(ClaimCondition, TakesAnyElementOfAListAndAnyOfTheValues) {
  EXPECT_TRUE(MeetsOne(R"({"x":["free","pro"]})", Value("pro")));
  EXPECT_TRUE(MeetsOne(R"({"x":[1,true,"a"]})", Value(true)));
  EXPECT_FALSE(MeetsOne(R"({"x":["free",["pro"],{"a":"pro"}]})", Value("pro")));
  EXPECT_TRUE(MeetsOne(R"({"a":{"b":["pro"]}})", Value("pro"), "a.b"));
  const ClaimCondition either{*ClaimPath::Parse("x"), {Value("pro"), Value(std::int64_t{7})}};
  EXPECT_TRUE(Meets(Someone("a", R"({"x":7})").claims, either));
  EXPECT_TRUE(Meets(Someone("a", R"({"x":"pro"})").claims, either));
  EXPECT_FALSE(Meets(Someone("a", R"({"x":"7"})").claims, either));
}

TEST(HasScopes, WantsEveryOne) {
  const auto has = [](const std::string& claims, const std::vector<std::string>& scopes) {
    return HasScopes(Someone("a", claims).claims, scopes);
  };
  EXPECT_TRUE(has("{}", {}));
  EXPECT_TRUE(has(R"({"scope":"openid calls:join  email"})", {"calls:join", "email", "openid"}));
  EXPECT_TRUE(has(R"({"scope":["calls:join","b"]})", {"b", "calls:join"}));
  EXPECT_TRUE(has(R"({"scp":"a b"})", {"b"}));
  EXPECT_TRUE(has(R"({"scp":["a","b"]})", {"b"}));
  EXPECT_TRUE(has(R"({"scope":"a","scp":["b"]})", {"a", "b"}));
  EXPECT_FALSE(has("{}", {"a"}));
  EXPECT_FALSE(has(R"({"scope":"a"})", {"a", "b"}));
  EXPECT_FALSE(has(R"({"scope":"ab A aa"})", {"a"}));
  EXPECT_FALSE(has(R"({"scope":"*"})", {"a"}));
  EXPECT_FALSE(has(R"({"scope":["a b"]})", {"a"}));
  EXPECT_FALSE(has(R"({"scope":{"a":true}})", {"a"}));
  EXPECT_FALSE(has(R"({"scope":["",1,["a"]]})", {"a"}));
  EXPECT_FALSE(has(R"({"scopes":"a"})", {"a"}));
}

}  // namespace
}  // namespace livekit::token
