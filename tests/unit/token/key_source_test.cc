#include "livekit/token/key_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kSecret = "MARKERsecret0123456789abcdef0123456789";

std::vector<std::string> Ids(const absl::StatusOr<LoadedKeys>& loaded) {
  std::vector<std::string> ids;
  if (!loaded.ok()) return {loaded.status().ToString()};
  for (const auto& key : loaded->keys) ids.push_back(key->id());
  return ids;
}

absl::StatusOr<LoadedKeys> Parse(const std::string& text) { return ParseKeys(text, SecretStrength::kRequired); }

// The refusal's text; it never contains a secret.
std::string Error(const absl::StatusOr<LoadedKeys>& loaded) {
  if (loaded.ok()) return "OK";
  const std::string text(loaded.status().message());
  EXPECT_THAT(text, Not(HasSubstr("MARKER")));
  return text;
}

// A directory of the test's own.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "keysXXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

 private:
  std::string path_;
};

TEST(ParseKeys, ReadsLiveKitsForm) {
  EXPECT_THAT(Ids(Parse("APIa: " + kSecret)), ElementsAre("APIa"));
  EXPECT_THAT(Ids(Parse("APIa: " + kSecret + "\nAPIb: " + kSecret + "\n")), ElementsAre("APIa", "APIb"));
  EXPECT_THAT(Ids(Parse("# comment\r\n---\r\n\r\nAPIa:   " + kSecret + "  \r\n  # another\r\n")), ElementsAre("APIa"));
  EXPECT_THAT(Ids(Parse("\"APIa\": \"" + kSecret + "\" # comment\n'APIb': '" + kSecret + "'")),
              ElementsAre("APIa", "APIb"));
  EXPECT_THAT(Ids(Parse("APIa: " + kSecret + " # comment")), ElementsAre("APIa"));
  // A hash without a space before it is part of the text, as in YAML.
  EXPECT_THAT(Ids(Parse("APIa: " + kSecret + "#more")), ElementsAre("APIa"));
  EXPECT_THAT(Ids(ParseKeys("devkey: secret", SecretStrength::kAny)), ElementsAre("devkey"));
  EXPECT_THAT(Ids(ParseKeys("APIa: \"12345678901234567890123456789012\"", SecretStrength::kRequired)),
              ElementsAre("APIa"));
}

TEST(ParseKeys, NamesTheLineOfWhatItCannotRead) {
  EXPECT_THAT(Error(Parse("APIa: " + kSecret + "\nAPIb:" + kSecret)), HasSubstr("line 2"));
  EXPECT_THAT(Error(Parse("APIa " + kSecret)), HasSubstr("line 1"));
}

TEST(ParseKeys, RefusesWhatYamlWouldReadOtherwise) {
  // LiveKit silently drops keys whose secret is not a string.
  for (const char* text :
       {"APIa: 12345678901234567890123456789012", "APIa: 1.5", "APIa: 1e33", "APIa: true", "APIa: ~", "APIa: null",
        "APIa: 0x1F", "APIa: -12", "1234: MARKERsecret0123456789abcdef0123456789", "APIa: 1_000"}) {
    EXPECT_THAT(Error(ParseKeys(text, SecretStrength::kAny)), HasSubstr("quotes")) << text;
  }
  for (const char* text : {"{a: b}", "- a: b", "APIa: [x]", "APIa: &x y", "APIa: *x", "APIa: |", "APIa: >",
                           "APIa: !!str x", "APIa: @x", "APIa: %x", "APIa: `x", "? a", "APIa: a: b"}) {
    EXPECT_NE(Error(ParseKeys(text, SecretStrength::kAny)), "OK") << text;
  }
}

TEST(ParseKeys, RefusesBrokenText) {
  for (const std::string& text :
       {std::string(""), std::string("\n# only a comment\n"), std::string("APIa:"), std::string("APIa: "),
        std::string(": ") + kSecret, std::string("APIa: \"") + kSecret, std::string("APIa: \"") + kSecret + "\" x",
        std::string("APIa: \"a\\nb\""), std::string(" APIa: ") + kSecret, std::string("\tAPIa: ") + kSecret,
        std::string("\xef\xbb\xbf") + "APIa: " + kSecret, "APIa: " + kSecret + " x", "AP Ia: " + kSecret,
        "APIa: " + kSecret + std::string("\0x", 2), std::string("APIa: short")}) {
    EXPECT_NE(Error(Parse(text)), "OK") << text;
  }
  EXPECT_THAT(Error(Parse("APIa: " + kSecret + "\nAPIa: " + kSecret + "2")), HasSubstr("line 2"));
}

TEST(LoadKeyFile, ReadsAFileThatOthersCannotAccess) {
  const Folder folder;
  const std::string text = "APIa: " + kSecret + "\n";
  EXPECT_THAT(Ids(LoadKeyFile(folder.Write("k", text, 0600), SecretStrength::kRequired)), ElementsAre("APIa"));
  EXPECT_THAT(Ids(LoadKeyFile(folder.Write("g", text, 0440), SecretStrength::kRequired)), ElementsAre("APIa"));
  for (const mode_t mode : {0604, 0602, 0601, 0644, 0666}) {
    EXPECT_THAT(Error(LoadKeyFile(folder.Write("o", text, mode), SecretStrength::kRequired)), HasSubstr("others"));
  }
}

TEST(LoadKeyFile, NamesTheFileInErrors) {
  const Folder folder;
  EXPECT_THAT(Error(LoadKeyFile("/nowhere/keys", SecretStrength::kRequired)), HasSubstr("/nowhere/keys"));
  const std::string bad = folder.Write("bad", "APIa:" + kSecret);
  EXPECT_THAT(Error(LoadKeyFile(bad, SecretStrength::kRequired)), HasSubstr(bad + ": line 1"));
  EXPECT_NE(Error(LoadKeyFile(folder.Write("big", std::string((1 << 20) + 1, '#')), SecretStrength::kRequired)), "OK");
  EXPECT_THAT(Error(LoadKeyFile("/tmp", SecretStrength::kRequired)), HasSubstr("regular file"));
}

TEST(LoadKeyPair, DropsSpaceAroundTheValuesAndSaysSo) {
  const Folder folder;
  auto loaded =
      LoadKeyPair(folder.Write("key", "APIa", 0644), folder.Write("secret", kSecret), SecretStrength::kRequired);
  EXPECT_THAT(Ids(loaded), ElementsAre("APIa"));
  EXPECT_THAT(loaded->warnings, IsEmpty());
  loaded = LoadKeyPair(folder.Write("key", "APIa\n", 0644), folder.Write("secret", " " + kSecret + "\r\n"),
                       SecretStrength::kRequired);
  EXPECT_THAT(Ids(loaded), ElementsAre("APIa"));
  EXPECT_EQ(loaded->warnings.size(), 2u);
  for (const auto& warning : loaded->warnings) EXPECT_THAT(warning, Not(HasSubstr("MARKER")));
}

TEST(LoadKeyPair, RefusesAnOpenSecretAndInnerSpace) {
  const Folder folder;
  const std::string key = folder.Write("key", "APIa", 0644);
  EXPECT_THAT(Error(LoadKeyPair(key, folder.Write("s1", kSecret, 0644), SecretStrength::kRequired)),
              HasSubstr("others"));
  EXPECT_NE(Error(LoadKeyPair(key, folder.Write("s2", kSecret + " " + kSecret), SecretStrength::kRequired)), "OK");
  EXPECT_NE(Error(LoadKeyPair(key, folder.Write("s3", ""), SecretStrength::kRequired)), "OK");
  EXPECT_NE(Error(LoadKeyPair("/nowhere", folder.Write("s4", kSecret), SecretStrength::kRequired)), "OK");
}

absl::StatusOr<LoadedKeys> FromEnvironment(const std::map<std::string, std::string>& variables) {
  return KeysFromEnvironment(
      [&](const char* name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      },
      SecretStrength::kRequired);
}

TEST(KeysFromEnvironment, ReadsEveryDocumentedForm) {
  const Folder folder;
  const std::string key = folder.Write("key", "APIa");
  const std::string secret = folder.Write("secret", kSecret);
  EXPECT_THAT(Ids(FromEnvironment({{"LIVEKIT_API_KEY", "APIa"}, {"LIVEKIT_API_SECRET", kSecret}})),
              ElementsAre("APIa"));
  EXPECT_THAT(Ids(FromEnvironment({{"LIVEKIT_API_KEY_FILE", key}, {"LIVEKIT_API_SECRET_FILE", secret}})),
              ElementsAre("APIa"));
  EXPECT_THAT(Ids(FromEnvironment({{"LIVEKIT_API_KEY", "APIa"}, {"LIVEKIT_API_SECRET_FILE", secret}})),
              ElementsAre("APIa"));
  EXPECT_THAT(Ids(FromEnvironment({{"LIVEKIT_KEYS", "APIa: " + kSecret + "\nAPIb: " + kSecret}})),
              ElementsAre("APIa", "APIb"));
  EXPECT_THAT(Ids(FromEnvironment({{"LIVEKIT_KEY_FILE", folder.Write("f", "APIc: " + kSecret)}})), ElementsAre("APIc"));
  EXPECT_THAT(Ids(FromEnvironment({})), IsEmpty());
  EXPECT_THAT(Ids(FromEnvironment({{"LIVEKIT_API_KEY", ""}, {"LIVEKIT_KEYS", ""}})), IsEmpty());
}

TEST(KeysFromEnvironment, TrimsWhatShellsAdd) {
  const auto loaded = FromEnvironment({{"LIVEKIT_API_KEY", "APIa\n"}, {"LIVEKIT_API_SECRET", kSecret + " "}});
  EXPECT_THAT(Ids(loaded), ElementsAre("APIa"));
  EXPECT_EQ(loaded->warnings.size(), 2u);
}

TEST(KeysFromEnvironment, RefusesHalvesAndMixtures) {
  const std::string keys = "APIa: " + kSecret;
  EXPECT_THAT(Error(FromEnvironment({{"LIVEKIT_API_KEY", "APIa"}})), HasSubstr("LIVEKIT_API_SECRET"));
  EXPECT_THAT(Error(FromEnvironment({{"LIVEKIT_API_SECRET", kSecret}})), HasSubstr("LIVEKIT_API_KEY"));
  EXPECT_NE(Error(FromEnvironment({{"LIVEKIT_API_KEY", "a"}, {"LIVEKIT_API_SECRET", kSecret}, {"LIVEKIT_KEYS", keys}})),
            "OK");
  EXPECT_NE(Error(FromEnvironment({{"LIVEKIT_KEYS", keys}, {"LIVEKIT_KEY_FILE", "/x"}})), "OK");
  EXPECT_NE(Error(FromEnvironment({{"LIVEKIT_API_KEY", "a"}, {"LIVEKIT_API_KEY_FILE", "/x"}})), "OK");
  EXPECT_NE(Error(FromEnvironment(
                {{"LIVEKIT_API_KEY", "a"}, {"LIVEKIT_API_SECRET", "x"}, {"LIVEKIT_API_SECRET_FILE", "/x"}})),
            "OK");
  EXPECT_THAT(Error(FromEnvironment({{"LIVEKIT_KEYS", "APIa:" + kSecret}})), HasSubstr("LIVEKIT_KEYS: line 1"));
}

}  // namespace
}  // namespace livekit::token
