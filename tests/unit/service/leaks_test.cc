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

TEST(FindLeaks, TakesNoRandomIdForAToken) {
  for (const char* line : {R"({"jti":"a1U4_eyJ9q57eZpJ4CRMpA"})", R"({"room":"hmac:eyJhbGciOiJIUzI1NiJ9._","a":1})"}) {
    EXPECT_THAT(FindLeaks(line, {}), SizeIs(line[2] == 'r')) << line;  // that one is longer than a code
  }
  EXPECT_THAT(FindLeaks(R"({"identity":"hmac:eyJhbGciOiJIUzI1NiJ9AA"})", {}), IsEmpty());
  EXPECT_THAT(FindLeaks(R"({"jti":"a1U4_eyJ9q57eZpJ4CRMpA","error":"eyJhbGciOiJI"})", {}), SizeIs(1));
  EXPECT_THAT(FindLeaks(R"({"jti":"a1U4_eyJ9q57eZpJ4CRMpAB"})", {}), SizeIs(1));
  EXPECT_THAT(FindLeaks(R"({"kid":"a1U4_eyJ9q57eZpJ4CRMpA"})", {}), SizeIs(1));
}

TEST(FindLeaks, FindsASecretInEveryKindOfOutput) {
  using namespace std::literals;
  for (const std::string_view before :
       {R"({"ts":"2026-01-01T00:00:00.000Z","level":"info","event":"http_request","route":")"sv,
        R"({"ts":"2026-01-01T00:00:00.000Z","event":"audit","outcome":"issued","principal":")"sv,
        "# TYPE a counter\na{caller=\""sv, R"({"code":"FIELD_INVALID","message":")"sv, "\x08\x03\x12\x20"sv,
        "PATH=/bin\0LIVEKIT_URL=wss://a\0A="sv, "livekit-token-server\0--config="sv}) {
    const std::string text = std::string(before) + kSecret + "\"}\0\nB=1"s;
    EXPECT_THAT(FindLeaks(text, {kSecret}), SizeIs(1)) << text;
    EXPECT_THAT(FindLeaks(text, {"another_secret_0123"}), IsEmpty()) << text;
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

TEST(AuditFilesOf, AreThoseOfTheConfiguration) {
  const TempFolder folder;
  const auto files = [&](const std::string& text) {
    return AuditFilesOf({"--dev", "--config=" + folder.Write("server.yaml", text)});
  };
  EXPECT_THAT(files("audit: { file: /a.jsonl, blocking: true }\n"), UnorderedElementsAre("/a.jsonl"));
  EXPECT_THAT(files("a: 1\naudit: {hash_names: true, file: \"/a.jsonl\"}\n"), UnorderedElementsAre("/a.jsonl"));
  EXPECT_THAT(files("audit:\n  blocking: true\n  file: /a.jsonl\n"), UnorderedElementsAre("/a.jsonl"));
  EXPECT_THAT(files("audit: { blocking: true }\ndeny_list: { file: /a.yaml }\n"), IsEmpty());
  EXPECT_THAT(files("audit:\n  blocking: true\ndeny_list:\n  file: /a.yaml\n"), IsEmpty());
}

// A flag that does not exist is named in what a program prints.
TEST(Program, FailsATestThatPrintsSecrets) {
  PlantSecret("planted_in_the_test");
  EXPECT_NONFATAL_FAILURE(RunProgram("livekit-token-gateway", {"--no_such_planted_in_the_test"}),
                          "the program has printed the secret planted_in_the_test");
}

}  // namespace
}  // namespace livekit::token::testing
