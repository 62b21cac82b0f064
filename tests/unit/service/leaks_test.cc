#include "support/leaks.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "support/program.h"

namespace livekit::token::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kSecret[] = "S3cret+of/the.test_0123";

TEST(FindLeaks, FindsSecretsAsTheyStandAndEncoded) {
  for (const char* line : {
           "x S3cret+of/the.test_0123 y",
           "UzNjcmV0K29mL3RoZS50ZXN0XzAxMjM=",      // base64
           "eFMzY3JldCtvZi90aGUudGVzdF8wMTIz",      // behind one byte
           "eHhTM2NyZXQrb2YvdGhlLnRlc3RfMDEyMw==",  // behind two
           "5333637265742b6f662f7468652e746573745f30313233",
           "5333637265742B6F662F7468652E746573745F30313233",
       }) {
    EXPECT_THAT(FindLeaks(line, {kSecret}), SizeIs(1)) << line;
  }
  EXPECT_THAT(FindLeaks("S3cret+of/the.test_012\n53", {kSecret}), IsEmpty());
}

TEST(FindLeaks, FindsTokensAndCredentials) {
  for (const char* line : {"at eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJBUEkifQ.c2ln", "eyJhbGciOiJI", "Bearer abc.defghi",
                           "authorization: BEARER abcdefgh", "Basic dXNlcjpwYXNz"}) {
    EXPECT_THAT(FindLeaks(line, {}), SizeIs(1)) << line;
  }
  for (const char* line : {"eyJ", "`Authorization: Bearer …`", "bearer tokens", "basic auth"}) {
    EXPECT_THAT(FindLeaks(line, {}), IsEmpty()) << line;
  }
}

TEST(FindLeaks, NamesEveryLine) { EXPECT_THAT(FindLeaks("Bearer 0123456789\nok\neyJhbGciOiJI\n", {}), SizeIs(2)); }

TEST(SecretsGivenTo, AreThoseOfEnvironmentFlagsAndConfiguration) {
  const TempFolder folder;
  const auto file = [&](const char* name) { return folder.Write(name, std::string("in-the-file-of-") + name + "\n"); };
  const std::string keys = folder.Write("keys.yaml", "APIkeyOfSixteenChars: in-the-file-of-keys\n");
  const std::string more = folder.Write("more.yaml", "\"APIother\": 'in-the-file-of-more'");
  const std::string config = folder.Write(
      "server.yaml", "projects:\n  - keys: { signing_key: A, file: " + keys + " }\n  - keys:\n      file: " + more +
                         "\naudit: { file: " + file("audit") + " }\nx: { client_secret_file: " + file("client") +
                         ", cert_file: " + file("cert") + " }\n");
  EXPECT_THAT(SecretsGivenTo({"--config=" + config, "--caller_token_file=" + file("caller"), "--dev"},
                             {{"LIVEKIT_API_SECRET", "in-the-environment"},
                              {"LIVEKIT_KEYS", "APIa: in-a-list-of-keys\nAPIb: short"},
                              {"LIVEKIT_KEY_FILE", file("variable")},
                              {"LIVEKIT_URL", "wss://livekit.example"}}),
              UnorderedElementsAre("in-the-file-of-keys", "in-the-file-of-more", "in-the-file-of-client",
                                   "in-the-file-of-caller", "in-the-environment", "in-a-list-of-keys",
                                   "in-the-file-of-variable"));
}

// A flag that does not exist is named in what a program prints.
TEST(Program, FailsATestThatPrintsSecrets) {
  PlantSecret("planted_in_the_test");
  EXPECT_NONFATAL_FAILURE(RunProgram("livekit-token-gateway", {"--no_such_planted_in_the_test"}),
                          "the program has printed the secret planted_in_the_test");
}

}  // namespace
}  // namespace livekit::token::testing
