#include "service/secret_variables.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using ::testing::Eq;
using ::testing::Optional;

constexpr char kSecret[] = "MARKER-environment-0123456789abcdef";

TEST(SecretVariables, KeepsWhatItTakes) {
  setenv("LIVEKIT_API_SECRET", kSecret, 1);
  setenv("LIVEKIT_KEYS", "", 1);
  setenv("LIVEKIT_URL", "wss://livekit.example", 1);
  unsetenv("LIVEKIT_API_KEY");
  const char* const there = getenv("LIVEKIT_API_SECRET");
  const SecretVariables variables;
  EXPECT_EQ(getenv("LIVEKIT_API_SECRET"), nullptr);
  EXPECT_EQ(getenv("LIVEKIT_KEYS"), nullptr);
  // The text where it stood is gone too.
  EXPECT_EQ(std::string(there, sizeof kSecret), std::string(sizeof kSecret, '\0'));
  for (int times = 0; times < 2; ++times) {
    EXPECT_THAT(variables.Get("LIVEKIT_API_SECRET"), Optional(Eq(kSecret)));
    EXPECT_THAT(variables.Get("LIVEKIT_KEYS"), Optional(Eq("")));
  }
  EXPECT_EQ(variables.Get("LIVEKIT_API_KEY"), std::nullopt);
  // Others are as they always are.
  EXPECT_THAT(variables.Get("LIVEKIT_URL"), Optional(Eq("wss://livekit.example")));
  EXPECT_STREQ(getenv("LIVEKIT_URL"), "wss://livekit.example");
  unsetenv("LIVEKIT_URL");
}

TEST(SecretVariables, TakesOnlyWholeNames) {
  setenv("LIVEKIT_API_KEY_FILE", "/run/key", 1);
  const SecretVariables variables;
  EXPECT_STREQ(getenv("LIVEKIT_API_KEY_FILE"), "/run/key");
  EXPECT_THAT(variables.Get("LIVEKIT_API_KEY_FILE"), Optional(Eq("/run/key")));
  unsetenv("LIVEKIT_API_KEY_FILE");
}

// execve takes any list, also one with a name twice.
TEST(SecretVariables, WipesEveryEntryOfAName) {
  std::string first = std::string("LIVEKIT_API_SECRET=") + kSecret + "1";
  std::string second = std::string("LIVEKIT_API_SECRET=") + kSecret + "2";
  char* entries[] = {first.data(), second.data(), nullptr};
  char** const before = environ;
  environ = entries;
  const SecretVariables variables;
  EXPECT_EQ(environ[0], nullptr);
  environ = before;
  EXPECT_EQ(first.find(kSecret), std::string::npos);
  EXPECT_EQ(second.find(kSecret), std::string::npos);
  EXPECT_THAT(variables.Get("LIVEKIT_API_SECRET"), Optional(Eq(std::string(kSecret) + "1")));
}

}  // namespace
}  // namespace livekit::token
