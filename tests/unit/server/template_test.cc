#include "server/template.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policy_fixture.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using testing::IsRefusal;
using ::testing::MatchesRegex;
using testing::Someone;
using testing::WithClaim;
using testing::WithHmac;

Principal Named(const std::string& subject) { return {"app", subject, {}}; }

std::string Render(const std::string& text, const std::string& subject = "alice") {
  auto parsed = Template::Parse(text);
  EXPECT_OK(parsed) << text;
  if (!parsed.ok()) return "";
  auto rendered = parsed->Render(Named(subject));
  EXPECT_OK(rendered) << text;
  return rendered.value_or("");
}

TEST(Template, LeavesTextWithoutVariablesAsItIs) {
  EXPECT_EQ(Render("lobby"), "lobby");
  EXPECT_EQ(Render("a * b / ü"), "a * b / ü");
}

TEST(Template, InsertsTheSubjectLiterally) {
  EXPECT_EQ(Render("{subject}"), "alice");
  EXPECT_EQ(Render("u/{subject}/x"), "u/alice/x");
  EXPECT_EQ(Render("{subject}", "{random}*$1"), "{random}*$1");
}

TEST(Template, MakesUpRandomNames) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string name = Render("room-{random}");
    EXPECT_THAT(name, MatchesRegex("room-[a-z2-7]{26}"));
    EXPECT_TRUE(seen.insert(name).second);
    const std::string uuid = Render("{uuid}");
    EXPECT_THAT(uuid, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

TEST(Template, DrawsEachVariableByItself) {
  const std::string two = Render("{random}.{random}");
  EXPECT_NE(two.substr(0, 26), two.substr(27));
}

TEST(Template, RefusesAnEmptySubjectInsteadOfInsertingNothing) {
  for (const char* text : {"{subject}", "room-{subject}", "room-{subject}-x"}) {
    auto parsed = Template::Parse(text);
    ASSERT_OK(parsed);
    EXPECT_THAT(parsed->Render(Named("")), IsRefusal(v1::CLAIM_MISSING)) << text;
  }
}

// Tenant `a` must not reach what belongs to `a_b`.
TEST(Template, RefusesASubjectThatContainsTheCharacterAfterIt) {
  auto parsed = Template::Parse("{subject}_{random}");
  ASSERT_OK(parsed);
  EXPECT_OK(parsed->Render(Named("a-b")));
  EXPECT_THAT(parsed->Render(Named("a_b")), IsRefusal(v1::CLAIM_AMBIGUOUS));
  EXPECT_THAT(parsed->Render(Named("_")), IsRefusal(v1::CLAIM_AMBIGUOUS));
}

TEST(Template, TakesAnySubjectWhereNothingFollows) { EXPECT_EQ(Render("x_{subject}", "a_b"), "x_a_b"); }

TEST(Template, RefusesWhatItDoesNotUnderstand) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty"},
      {"{Subject}", "unknown variable"},
      {"{ subject }", "unknown variable"},
      {"{}", "unknown variable"},
      {"{{subject}}", "unknown variable"},
      {"a{subject", "other half"},
      {"a}b", "other half"},
      {"}{", "other half"},
      {"{subject}}", "other half"},
      {"{subject}{random}", "right after another"},
      {"{random}{subject}", "right after another"},
      {"x{uuid}{uuid}", "right after another"},
      {"{claims}", "a claim that is not written"},
      {"{claims.}", "a claim that is not written"},
      {"{claims.a..b}", "a claim that is not written"},
      {"{claims.[\"a\"]}", "a claim that is not written"},
      {"{claims[a]}", "a claim that is not written"},
      {"{claims.a b}", "a claim that is not written"},
      {"{claimsa}", "a claim that is not written"},
      {"{claims[\"a}\"]", "other half"},
      {"{subject?}", "unknown variable"},
      {"{hmac:random}", "unknown variable"},
      {"{hmac:subject}", "needs `hmac_key_file`"},
      {"{hmac:claims.a}", "needs `hmac_key_file`"},
      {"{claims.a}{claims.b}", "right after another"},
      {std::string("a\0b", 3), "not UTF-8"},
      {"\xff", "not UTF-8"},
  };
  for (const auto& [text, fragment] : cases) {
    const auto parsed = Template::Parse(text);
    EXPECT_THAT(parsed, IsRefusal(v1::FIELD_INVALID)) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(fragment)) << text;
  }
}

TEST(Template, InsertsTextAndIntegersOfClaims) {
  const Principal alice =
      Someone("alice", R"({"t": "x{subject}*", "n": -7, "big": 18446744073709551615, "a": {"b c": {"d": "deep"}},
                          "https://acme.dev/plan": "pro", "b}": "brace"})");
  const std::pair<const char*, const char*> cases[] = {
      {"{claims.t}", "x{subject}*"},
      {"a_{claims.n}", "a_-7"},
      {"{claims.big}", "18446744073709551615"},
      {"{claims.a[\"b c\"].d}", "deep"},
      {"{claims[\"https://acme.dev/plan\"]}-x", "pro-x"},
      {"{claims[\"b}\"]}", "brace"},
      {"{claims.t?}", "x{subject}*"},
  };
  for (const auto& [text, expected] : cases) {
    auto parsed = Template::Parse(text);
    ASSERT_OK(parsed) << text;
    auto rendered = parsed->Render(alice);
    ASSERT_OK(rendered) << text;
    EXPECT_EQ(*rendered, expected);
  }
}

TEST(Template, RefusesClaimsThatAreNoText) {
  for (const char* value : {"true", "1.5", "[\"a\"]", "[]", "{}", "{\"a\":1}"}) {
    const Principal principal = Someone("alice", std::string("{\"x\":") + value + "}");
    for (const char* text : {"{claims.x}", "a-{claims.x}", "{claims.x?}"}) {
      EXPECT_THAT(Template::Parse(text)->Render(principal), IsRefusal(v1::CLAIM_MISSING)) << text << value;
    }
    EXPECT_THAT(Template::Parse("{hmac:claims.x}", WithHmac())->Render(principal), IsRefusal(v1::CLAIM_MISSING));
  }
}

TEST(Template, RefusesAMissingOrEmptyClaimUnlessItMayBeAbsent) {
  for (const char* claims : {"{}", R"({"x": null})", R"({"x": ""})", R"({"X": "a"})"}) {
    const Principal principal = Someone("alice", claims);
    for (const char* text : {"{claims.x}", "a-{claims.x}", "{claims.x.y}", "{hmac:claims.x}"}) {
      EXPECT_THAT(Template::Parse(text, WithHmac())->Render(principal), IsRefusal(v1::CLAIM_MISSING)) << text << claims;
    }
    for (const char* text : {"{claims.x?}", "a-{claims.x?}-b", "{hmac:claims.x?}"}) {
      auto rendered = Template::Parse(text, WithHmac())->Render(principal);
      ASSERT_OK(rendered);
      EXPECT_EQ(*rendered, "") << text << claims;
    }
  }
}

TEST(Template, KnowsWhereAbsentAndRandomTextMayStand) {
  TemplateOptions options = WithHmac();
  options.may_be_absent = false;
  for (const char* text : {"{claims.x?}", "{hmac:claims.x?}"}) {
    EXPECT_THAT(std::string(Template::Parse(text, options).status().message()), HasSubstr("cannot be left out"));
  }
  EXPECT_OK(Template::Parse("{claims.x}", options));
  options.may_be_random = false;
  for (const char* text : {"{random}", "a-{uuid}"}) {
    EXPECT_THAT(std::string(Template::Parse(text, options).status().message()), HasSubstr("no value can be equal to"));
  }
  options = WithHmac();
  options.anonymous = true;
  for (const char* text : {"{subject}", "{claims.x}", "{claims.x?}", "{hmac:subject}", "{hmac:claims.x}"}) {
    EXPECT_THAT(std::string(Template::Parse(text, options).status().message()), HasSubstr("anonymous callers"));
  }
  EXPECT_OK(Template::Parse("{random}-{uuid}", options));
}

// Tenant `a` must not reach what belongs to `a_b`; only the first character behind the variable matters.
TEST(Template, RefusesAClaimThatContainsTheCharacterAfterIt) {
  struct Case {
    const char* text;
    const char* claim;
    bool ambiguous;
  };
  const Case cases[] = {
      {"{claims.t}_x", "a_b", true},          {"{claims.t}_x", "a-b", false},      {"{claims.t}_-", "a-b", false},
      {"{claims.t}éx", "caf\xC3\xA8", false}, {"{claims.t}éx", "é", true},         {"x_{claims.t}", "a_b", false},
      {"{claims.t?}_x", "a_b", true},         {"{claims.t}_{subject}", "_", true}, {"{hmac:claims.t}a", "a", false}};
  for (const auto& [text, claim, ambiguous] : cases) {
    const auto rendered = Template::Parse(text, WithHmac())->Render(WithClaim(claim));
    if (ambiguous) {
      EXPECT_THAT(rendered, IsRefusal(v1::CLAIM_AMBIGUOUS)) << text;
    } else {
      EXPECT_OK(rendered) << text;
    }
  }
}

// Their length is known, whatever characters they have.
TEST(Template, LetsAnythingFollowRandomNamesAndPseudonyms) {
  for (const char* text : {"{random}a", "{uuid}-", "{hmac:subject}a", "{hmac:subject}e"}) {
    const auto parsed = Template::Parse(text, WithHmac());
    ASSERT_OK(parsed);
    for (int i = 0; i < 200; ++i) EXPECT_OK(parsed->Render(Named("s" + std::to_string(i)))) << text;
  }
}

TEST(Template, MakesPseudonymsThatDependOnKeySourceAndText) {
  const auto code = [](const std::string& text, const Principal& principal, const TemplateOptions& options) {
    auto rendered = Template::Parse(text, options)->Render(principal);
    EXPECT_OK(rendered);
    return rendered.value_or("");
  };
  const Principal alice = Someone("alice", R"({"a": "alice", "b": {"c": "alice"}, "b.c": "alice", "bc": "alice"})");
  TemplateOptions other;
  other.hmac_key = std::make_shared<const jose::HmacSha256>("another key, which has enough bytes too");
  const std::string first = code("{hmac:subject}", alice, WithHmac());
  EXPECT_THAT(first, MatchesRegex("[a-z2-7]{26}"));
  EXPECT_EQ(first, code("{hmac:subject}", Someone("alice"), WithHmac()));
  EXPECT_EQ(code("x-{hmac:subject}-y", alice, WithHmac()), "x-" + first + "-y");
  // HMAC-SHA-256 of `subject`, two NUL and the text under this key, first 130 bits, by Python's hmac and base64.
  EXPECT_EQ(first, "qj5kq56zovs2a4xxsdanlzzzam");
  std::set<std::string> seen = {first};
  for (const char* text : {"{hmac:claims.a}", "{hmac:claims.b.c}", "{hmac:claims[\"b.c\"]}", "{hmac:claims.bc}"}) {
    EXPECT_TRUE(seen.insert(code(text, alice, WithHmac())).second) << text;
  }
  EXPECT_TRUE(seen.insert(code("{hmac:subject}", Someone("bob"), WithHmac())).second);
  EXPECT_TRUE(seen.insert(code("{hmac:subject}", alice, other)).second);
  EXPECT_EQ(code("{hmac:claims[\"a\"]}", alice, WithHmac()), code("{hmac:claims.a}", alice, WithHmac()));
}

}  // namespace
}  // namespace livekit::token
