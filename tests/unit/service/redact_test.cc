#include "service/redact.h"

#include <string>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

std::string Redacted(std::string_view text) {
  std::string out = ">";
  AppendRedacted(text, out);
  EXPECT_EQ(HasCredential(text), out.substr(1) != text);
  return out.substr(1);
}

TEST(Redact, LeavesTokensOut) {
  const std::string token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln_mF0-XJl";
  EXPECT_EQ(Redacted(token), "***");
  EXPECT_EQ(Redacted("access_token=" + token + "&state=1"), "access_token=***&state=1");
  EXPECT_EQ(Redacted(token + ' ' + token + "\n"), "*** ***\n");
  EXPECT_EQ(Redacted("xeyJ" + std::string(16, 'a')), "x***");
  EXPECT_EQ(Redacted("eyJeyJ" + std::string(13, 'a')), "***");
}

TEST(Redact, KeepsWhatIsTooShortToBeOne) {
  EXPECT_EQ(Redacted("eyJ" + std::string(15, 'a')), "eyJ" + std::string(15, 'a'));
  EXPECT_EQ(Redacted("eyJ" + std::string(15, 'a') + "/aaaa"), "eyJ" + std::string(15, 'a') + "/aaaa");
  EXPECT_EQ(Redacted("eyj" + std::string(20, 'a')), "eyj" + std::string(20, 'a'));
  EXPECT_EQ(Redacted("ey"), "ey");
  EXPECT_EQ(Redacted(""), "");
}

TEST(Redact, LeavesOutWhatFollowsAScheme) {
  EXPECT_EQ(Redacted("Bearer s3cr3t"), "Bearer ***");
  EXPECT_EQ(Redacted("authorization: bEARER  s3cr3t, next"), "authorization: bEARER  *** next");
  EXPECT_EQ(Redacted("Basic dTpw\""), "Basic ***\"");
  EXPECT_EQ(Redacted("basic a' and Bearer b"), "basic ***' and Bearer ***");
  EXPECT_EQ(Redacted("Bearer Bearer a"), "Bearer *** a");
}

TEST(Redact, KeepsSchemesAlone) {
  for (const char* text : {"Bearer", "Bearer ", "Bearer \"x\"", "Basic", "bearer_token", "Basic: x", "b"}) {
    EXPECT_EQ(Redacted(text), text);
  }
}

}  // namespace
}  // namespace livekit::token
