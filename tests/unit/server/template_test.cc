#include "server/template.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using testing::IsRefusal;
using ::testing::MatchesRegex;

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
  const std::pair<const char*, const char*> cases[] = {
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
      {"\xff", "not UTF-8"},
  };
  for (const auto& [text, fragment] : cases) {
    const auto parsed = Template::Parse(text);
    EXPECT_THAT(parsed, IsRefusal(v1::FIELD_INVALID)) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(fragment)) << text;
  }
}

}  // namespace
}  // namespace livekit::token
