#include "server/pattern.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policy_fixture.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using testing::IsRefusal;
using testing::Someone;
using testing::WithClaim;
using testing::WithHmac;

std::shared_ptr<const Pattern> Parsed(const std::string& text) {
  auto pattern = Pattern::Parse(text, WithHmac());
  EXPECT_OK(pattern) << text;
  return pattern.ok() ? *pattern : nullptr;
}

bool Matches(const std::string& text, const Principal& principal, const std::string& value) {
  const auto pattern = Parsed(text);
  if (pattern == nullptr) return false;
  const auto matches = pattern->Matches(principal, value);
  EXPECT_OK(matches) << text;
  return matches.ok() && *matches;
}

TEST(Pattern, MatchesTheWholeValue) {
  struct Case {
    const char* pattern;
    const char* value;
    bool matches;
  };
  const Case cases[] = {
      {"team-[a-z]+", "team-x", true},
      {"team-[a-z]+", "xteam-x", false},
      {"team-[a-z]+", "team-x1", false},
      {"team-[a-z]+", "team-x\n", false},
      {"a|b", "b", true},
      {"a|b", "ab", false},
      {"a|bc", "ac", false},
      {"[a-z]{1,3}", "abc", true},
      {"[a-z]{1,3}", "abcd", false},
      {"[a-z]{2}", "a", false},
      {"\\d{2}", "12", true},
      {"\\pL+", "\xC3\xA9", true},
      {"\\p{Greek}+", "\xCE\xB1", true},
      {"\\p{Greek}+", "a", false},
      {"[\\p{Greek}x]+", "x\xCE\xB1", true},
      {"\\x{61}", "a", true},
      {"(?i)abc", "ABC", true},
      {"[]a]", "]", true},
      {"[^]a]", "b", true},
      {"[[:alpha:]]+", "ab", true},
      {"\\{subject\\}", "{subject}", true},
      {"a{,2}", "a{,2}", true},
      {"^a$", "a", true},
      {"caf\xC3\xA9", "caf\xC3\xA9", true},
      {"a\\.b", "axb", false},
      {"a.b", "axb", true},
      {"(?P<n>a)b", "ab", true},
      {"(?:a|b)c", "bc", true},
  };
  for (const auto& [pattern, value, matches] : cases) {
    EXPECT_EQ(Matches(pattern, Someone("alice"), value), matches) << pattern << " " << value;
  }
}

// The first form is split into text and an expression, the others are cached as a whole.
TEST(Pattern, InsertsClaimsLiterally) {
  struct Case {
    const char* pattern;
    const char* claim;
    const char* value;
    bool matches;
  };
  const Case cases[] = {
      {"acme_{claims.t}_[a-z]{1,4}", "pro", "acme_pro_abcd", true},
      {"acme_{claims.t}_[a-z]{1,4}", "pro", "acme_pro_", false},
      {"acme_{claims.t}_[a-z]{1,4}", "pro", "acme_prx_abcd", false},
      {"acme_{claims.t}_[a-z]{1,4}", "pro", "xacme_pro_abcd", false},
      {"acme_{claims.t}_[a-z]{1,4}", ".*", "acme_x_abc", false},
      {"acme_{claims.t}_[a-z]{1,4}", ".*", "acme_.*_abc", true},
      {"acme_{claims.t}_[a-z]{1,4}", "{subject}", "acme_alice_abc", false},
      {"acme_{claims.t}_[a-z]{1,4}", "{subject}", "acme_{subject}_abc", true},
      {"(dm|call)_{claims.t}", "pro", "dm_pro", true},
      {"(dm|call)_{claims.t}", "pro", "dm_pro2", false},
      {"(dm|call)_{claims.t}", ".*", "dm_x", false},
      {"(dm|call)_{claims.t}", ".*", "dm_.*", true},
      {"(dm|call)_{claims.t}", "a|b", "dm_a", false},
      {"(dm|call)_{claims.t}", "(?i)A", "dm_a", false},
      {"(dm|call)_{claims.t}", "x)|(.*", "whatever", false},
      {"(dm|call)_{claims.t}", "\\E.*", "dm_abc", false},
      {"u_{subject}", "-", "u_alice", true},
      {"u_{subject}", "-", "u_alicex", false},
      {"u_{subject}\\.[0-9]+", "-", "u_alice.12", true},
      {"u_{subject}\\.[0-9]+", "-", "u_alicex12", false},
      {"x|a_{subject}_b", "-", "x", true},
      {"x|a_{subject}_b", "-", "a_alice_b", true},
      {"a_{subject}_b|x", "-", "x", true},
      {"a_{subject}_b|x", "-", "a_alice_x", false},
      {"a_{subject}_b{_|_}x", "-", "a_alice_b{_", true},
      {"a_{subject}_(b|c)", "-", "a_alice_c", true},
      {"a_{subject}_^b", "-", "a_alice_b", false},
      {"a_{subject}_\\bb", "-", "a_alice_b", false},
      {"a_{subject}_\\Ab", "-", "a_alice_b", false},
      {"a_{subject}-\\Bb", "-", "a_alice-b", false},
      {"{claims.t}-{subject}-[0-9]", "pro", "pro-alice-1", true},
      {"{claims.t}-{subject}-[0-9]", "pro", "alice-pro-1", false},
      {"\\d_{hmac:subject}", "-", "1_alice", false},
  };
  for (const auto& [pattern, claim, value, matches] : cases) {
    EXPECT_EQ(Matches(pattern, WithClaim(claim), value), matches) << pattern << " " << claim << " " << value;
  }
}

TEST(Pattern, RefusesClaimsWhoseBorderCouldNotBeSeen) {
  const std::pair<const char*, const char*> ambiguous[] = {
      {"{claims.t}_[a-z_]*", "a_b"},
      {"x{claims.t}\\.[a-z]*", "a.b"},
      {"(x|y)_{claims.t}-z", "a-b"},
      // Behind pattern text, which may take what belongs to the claim.
      {"[a-z_]*_{claims.t}", "a_b"},
      {"[a-z_]*_{claims.t}", "_"},
  };
  for (const auto& [pattern, claim] : ambiguous) {
    EXPECT_THAT(Parsed(pattern)->Matches(WithClaim(claim), "x"), IsRefusal(v1::CLAIM_AMBIGUOUS)) << pattern;
  }
  EXPECT_OK(Parsed("a_{claims.t}")->Matches(WithClaim("a_b"), "x"));
  EXPECT_OK(Parsed("{claims.t}-_[a-z]")->Matches(WithClaim("a_b"), "x"));
  for (const char* pattern : {"{claims.t}_[a-z]*", "(x|y)_{claims.t}"}) {
    EXPECT_THAT(Parsed(pattern)->Matches(Someone("alice"), "x"), IsRefusal(v1::CLAIM_MISSING));
    EXPECT_THAT(Parsed(pattern)->Matches(WithClaim(""), "x"), IsRefusal(v1::CLAIM_MISSING));
    EXPECT_THAT(Parsed(pattern)->Matches(Someone("alice", R"({"t":["a"]})"), "x"), IsRefusal(v1::CLAIM_MISSING));
  }
}

TEST(Pattern, RefusesWhatIsUnclearWhenItIsConfigured) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty"},
      {std::string(1025, 'a'), "more than 1024 bytes"},
      {"\xff", "not UTF-8"},
      {std::string("a\0b", 3), "not UTF-8"},
      {"a\\", "ends with a backslash"},
      {"(a", "not a regular expression"},
      {"a**", "not a regular expression"},
      {"a{1,2000}", "not a regular expression"},
      {"[z-a]", "not a regular expression"},
      {"[a", "bracket without"},
      {"[a\\", "bracket without"},
      {"\\p{Greek", "brace without"},
      {"\\Q{subject}\\E", "uses \\Q"},
      {"{subject", "brace without"},
      {"{x}", "unknown variable"},
      {"{claims.t?}_x", "cannot be left out"},
      {"a_{random}", "no value can be equal to"},
      {"{claims.a}{claims.b}", "right after another"},
      {"{claims.a}.*", "followed by pattern text"},
      {"{claims.a}[a-z]", "followed by pattern text"},
      {"{claims.a}*", "followed by pattern text"},
      {"{claims.a}?", "followed by pattern text"},
      {"{claims.a}{1,2}", "followed by pattern text"},
      {"{claims.a}_*", "followed by pattern text"},
      {"{claims.a}_?x", "followed by pattern text"},
      {"{claims.a}_{0,2}x", "followed by pattern text"},
      {"{claims.a}\\.+x", "followed by pattern text"},
      {"{claims.a}\\d", "followed by pattern text"},
      {"{claims.a}$", "followed by pattern text"},
      {"{claims.a}|x", "followed by pattern text"},
      {"(x_{claims.a})", "followed by pattern text"},
      {".*{claims.a}", "right after pattern text"},
      {"[a-z]{claims.a}", "right after pattern text"},
      {"_*{claims.a}", "right after pattern text"},
      {"({claims.a}_)x", "right after pattern text"},
      {"x|{claims.a}", "right after pattern text"},
      {"[{claims.a}]", "inside brackets"},
      {"[^]{subject}]", "inside brackets"},
      {"(?i)a_{claims.a}", "flags"},
      {"(?i:a_{claims.a}_)", "flags"},
  };
  for (const auto& [text, fragment] : cases) {
    const auto pattern = Pattern::Parse(text, WithHmac());
    EXPECT_THAT(pattern, IsRefusal(v1::FIELD_INVALID)) << text;
    EXPECT_THAT(std::string(pattern.status().message()), HasSubstr(fragment)) << text;
  }
  EXPECT_OK(Pattern::Parse(std::string(1024, 'a'), {}));
  EXPECT_OK(Pattern::Parse("{claims.a}_", {}));
  EXPECT_OK(Pattern::Parse("{claims.a}_x*", {}));
  EXPECT_OK(Pattern::Parse("{claims.a}_{1x}", {}));  // no quantifier for RE2 either
}

TEST(Pattern, TakesNoTimeForNastyTexts) {
  EXPECT_FALSE(Matches("(a*)*b", Someone("x"), std::string(100'000, 'a')));
  EXPECT_FALSE(Matches("(x|y)_{claims.t}", WithClaim(std::string(20'000, '.')), "x_a"));
}

TEST(Pattern, KeepsWorkingWithMorePrincipalsThanItRemembers) {
  const auto pattern = Parsed("(x|y)_{claims.t}");
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < Pattern::kMaxCached + 20; ++i) {
      const std::string claim = "t" + std::to_string(i);
      EXPECT_TRUE(*pattern->Matches(WithClaim(claim), "x_" + claim));
      EXPECT_FALSE(*pattern->Matches(WithClaim(claim), "x_t"));
    }
  }
}

TEST(Pattern, MayBeUsedByThreads) {
  const auto pattern = Parsed("(x|y)_{claims.t}");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pattern] {
      for (int i = 0; i < 2'000; ++i) {
        const std::string claim = "t" + std::to_string(i % 700);
        EXPECT_TRUE(*pattern->Matches(WithClaim(claim), "y_" + claim));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace livekit::token
