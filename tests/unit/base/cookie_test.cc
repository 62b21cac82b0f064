#include "base/cookie.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace livekit::token {
namespace {

using Globs = std::vector<std::string>;

TEST(SelectCookies, KeepsThoseThatAreNamed) {
  EXPECT_EQ(SelectCookies("theme=dark; session=abc; lang=en", {"session"}), "session=abc");
  EXPECT_EQ(SelectCookies("theme=dark", {"session"}), "");
  EXPECT_EQ(SelectCookies("", {"session"}), "");
  EXPECT_EQ(SelectCookies("session=abc", {}), "");
}

TEST(SelectCookies, KeepsTheirOrderAndEveryOneOfAName) {
  EXPECT_EQ(SelectCookies("b=2; a=1; x=9; a=3", {"a", "b"}), "b=2; a=1; a=3");
}

TEST(SelectCookies, MatchesGlobs) {
  EXPECT_EQ(SelectCookies("__Secure-authjs.session-token.0=x; authjs.session-token.1=y; authjs.csrf-token=z",
                          {"*authjs.session-token*"}),
            "__Secure-authjs.session-token.0=x; authjs.session-token.1=y");
}

// A cookie `Session` is another cookie than `session`.
TEST(SelectCookies, ComparesNamesWithTheirCase) { EXPECT_EQ(SelectCookies("Session=abc", {"session"}), ""); }

TEST(SelectCookies, ComparesWholeNames) {
  EXPECT_EQ(SelectCookies("session2=a; xsession=b; __Host-session=c; session_=d", {"session"}), "");
}

TEST(SelectCookies, LeavesValuesAsTheyAre) {
  EXPECT_EQ(SelectCookies("a=\"q;a=x\"; a=b=c==", {"a"}), "a=\"q; a=x\"; a=b=c==");
  EXPECT_EQ(SelectCookies("a=; a", {"a"}), "a=");
}

TEST(SelectCookies, IgnoresWhatHasNoName) {
  EXPECT_EQ(SelectCookies("=a; session; ;;  ; =session=1", {"*session*"}), "");
}

TEST(SelectCookies, TakesWhiteSpaceAway) { EXPECT_EQ(SelectCookies(" \ta=1 ;\tb=2\t", {"a", "b"}), "a=1; b=2"); }

// What stands in a value cannot become a cookie of another name.
TEST(SelectCookies, DoesNotLookIntoValues) { EXPECT_EQ(SelectCookies("x=session=abc", {"session"}), ""); }

TEST(CheckCookieGlob, TakesNamesThatCookiesHave) {
  for (const char* glob : {"session", "__Host-session", "*authjs.session-token*", "a", "connect.sid", "s*"}) {
    EXPECT_EQ(CheckCookieGlob(glob), "") << glob;
  }
  EXPECT_EQ(CheckCookieGlob(std::string(128, 'a')), "");
}

TEST(CheckCookieGlob, RefusesWhatNamesNoneOrAll) {
  for (const std::string& glob :
       {std::string(), std::string("*"), std::string("***"), std::string("a b"), std::string("a;b"), std::string("a=b"),
        std::string("sess(ion)?"), std::string("a\nb"), std::string("a+"), std::string("\xc3\xa9"),
        std::string(129, 'a')}) {
    EXPECT_NE(CheckCookieGlob(glob), "") << glob;
  }
}

}  // namespace
}  // namespace livekit::token
