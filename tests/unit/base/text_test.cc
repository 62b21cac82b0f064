#include "base/text.h"

#include <random>
#include <regex>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace livekit::token {
namespace {

std::string RandomBytesOf(std::mt19937& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// Text with many of the characters that are special to JSON and UTF-8, always well-formed.
std::string RandomText(std::mt19937& random) {
  static const char* const kPieces[] = {"a",
                                        "plain text",
                                        "\"",
                                        "\\",
                                        "/",
                                        "\n",
                                        "\r",
                                        "\t",
                                        "\b",
                                        "\x01",
                                        "\x1f",
                                        "\x7f",
                                        "<&>",
                                        "'",
                                        "\xc2\x80",
                                        "\xc3\xa4",
                                        "\xe2\x80\xa8",
                                        "\xef\xbf\xbf",
                                        "\xf0\x9f\x98\x80",
                                        "\xf4\x8f\xbf\xbf"};
  std::string text;
  for (int i = static_cast<int>(random() % 24); i > 0; --i) text += kPieces[random() % std::size(kPieces)];
  if (random() % 8 == 0) text.push_back('\0');
  return text;
}

TEST(IsValidUtf8, FollowsUnicodeTable37) {
  for (const char* good : {"", "ascii", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xe1\x80\x80", "\xec\xbf\xbf",
                           "\xed\x80\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
                           "\xf1\x80\x80\x80", "\xf3\xbf\xbf\xbf", "\xf4\x80\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << ::testing::PrintToString(good);
  }
  for (const char* bad : {"\x80",
                          "\xbf",
                          "\xc0\x80",
                          "\xc1\xbf",
                          "\xc2",
                          "\xc2\x41",
                          "\xc2\xc2\x80",
                          "\xe0\x80\x80",
                          "\xe0\x9f\xbf",
                          "\xe1\x80",
                          "\xe1\x80\x41",
                          "\xed\xa0\x80",
                          "\xed\xbf\xbf",
                          "\xf0\x80\x80\x80",
                          "\xf0\x8f\xbf\xbf",
                          "\xf1\x80\x80",
                          "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80",
                          "\xff",
                          "\xfe",
                          "ok\xe2\x82",
                          "\xf0\x9f\x98"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << ::testing::PrintToString(bad);
  }
  EXPECT_TRUE(IsValidUtf8(std::string_view("\0", 1)));
}

TEST(IsValidUtf8, AgreesWithAnotherImplementationOnRandomBytes) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = RandomBytesOf(random, random() % 6);
    bool valid = true;
    try {
      [[maybe_unused]] const std::string dumped = nlohmann::json(text).dump();
    } catch (const nlohmann::json::exception&) {
      valid = false;
    }
    EXPECT_EQ(IsValidUtf8(text), valid) << ::testing::PrintToString(text);
  }
}

TEST(AppendJsonString, ReadsBackAsTheSameText) {
  std::mt19937 random(2);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = RandomText(random);
    std::string json = "before";
    ASSERT_TRUE(AppendJsonString(text, json));
    EXPECT_EQ(nlohmann::json::parse(json.substr(6)).get<std::string>(), text);
  }
}

TEST(AppendJsonString, EscapesOnlyWhatMustBe) {
  std::string json;
  ASSERT_TRUE(AppendJsonString("a/b<&>\x7f\xc3\xa4'", json));
  EXPECT_EQ(json, "\"a/b<&>\x7f\xc3\xa4'\"");
  for (int c = 0; c < 0x20; ++c) {
    json.clear();
    // At each place of the bytes that are looked at together.
    for (std::size_t at = 0; at < 40; ++at) {
      std::string text(40, 'x');
      text[at] = static_cast<char>(c);
      json.clear();
      ASSERT_TRUE(AppendJsonString(text, json));
      EXPECT_EQ(nlohmann::json::parse(json).get<std::string>(), text);
      EXPECT_EQ(json.find(static_cast<char>(c)), std::string::npos);
    }
  }
}

TEST(AppendJsonString, RefusesTextThatIsNotUtf8AtEveryPlace) {
  for (std::size_t at = 0; at < 40; ++at) {
    std::string text(40, 'x');
    text[at] = '\xff';
    std::string json;
    EXPECT_FALSE(AppendJsonString(text, json)) << at;
  }
  std::string json;
  EXPECT_FALSE(AppendJsonString("1234567\xe2\x82", json));
}

TEST(Base64Url, EncodesTheVectorsOfRfc4648) {
  EXPECT_EQ(Base64UrlEncode(""), "");
  EXPECT_EQ(Base64UrlEncode("f"), "Zg");
  EXPECT_EQ(Base64UrlEncode("fo"), "Zm8");
  EXPECT_EQ(Base64UrlEncode("foo"), "Zm9v");
  EXPECT_EQ(Base64UrlEncode("foob"), "Zm9vYg");
  EXPECT_EQ(Base64UrlEncode("fooba"), "Zm9vYmE");
  EXPECT_EQ(Base64UrlEncode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64UrlEncode("\xfb\xff"), "-_8");
}

TEST(Base64Url, DecodesWhatItEncodes) {
  std::mt19937 random(3);
  for (int i = 0; i < 5'000; ++i) {
    const std::string bytes = RandomBytesOf(random, random() % 40);
    const std::string text = Base64UrlEncode(bytes);
    EXPECT_EQ(text.size(), Base64UrlLength(bytes.size()));
    EXPECT_EQ(Base64UrlDecode(text), bytes);
  }
}

TEST(Base64Url, HasOneTextForEachByteString) {
  for (const char* bad : {"A", "AAAAA", "Zg==", "Zg=", "Zh", "Zm9=", "Zm8=", "Zm9v ", " Zm9v", "Zm\n9v", "Zm9+", "Zm9/",
                          "Zm9", "Z\xc3\xa4g", "AB"}) {
    EXPECT_EQ(Base64UrlDecode(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(Base64UrlDecode("AA"), std::string(1, '\0'));
  EXPECT_EQ(Base64UrlDecode(std::string_view("AA\0A", 4)), std::nullopt);
  // All texts of two characters: each byte has exactly one.
  std::set<std::string> seen;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const auto decoded = Base64UrlDecode(std::string{static_cast<char>(a), static_cast<char>(b)});
      if (decoded) {
        EXPECT_TRUE(seen.insert(*decoded).second);
      }
    }
  }
  EXPECT_EQ(seen.size(), 256u);
}

TEST(HexEncode, WritesLowerCase) { EXPECT_EQ(HexEncode(std::string_view("\x00\x7f\xff\xab", 4)), "007fffab"); }

TEST(GlobMatches, TakesOnlyTheStarAsSpecial) {
  struct Case {
    const char* glob;
    const char* text;
    bool matches;
  };
  for (const Case& c : {
           Case{"", "", true},
           {"", "a", false},
           {"*", "", true},
           {"*", "anything", true},
           {"a", "a", true},
           {"a", "A", false},
           {"a", "ab", false},
           {"acme_*", "acme_", true},
           {"acme_*", "acme_x", true},
           {"acme_*", "acme", false},
           {"acme_*", "xacme_1", false},
           {"*-bot", "my-bot", true},
           {"*-bot", "my-bots", false},
           {"a*b*c", "a1b2c", true},
           {"a*b*c", "abbc", true},
           {"a*b*c", "acb", false},
           {"a**b", "ab", true},
           {"*a*", "bab", true},
           {"*a*", "bbb", false},
           {"a.c", "abc", false},
           {"a?c", "abc", false},
           {"[a]", "a", false},
           {"a.c", "a.c", true},
           {"*ab", "aab", true},
           {"*aab", "aaaab", true},
           {"\xc3\xa4*", "\xc3\xa4x", true},
       }) {
    EXPECT_EQ(GlobMatches(c.glob, c.text), c.matches) << c.glob << " " << c.text;
  }
}

// Every way to share out the text between the stars, tried one by one.
bool SlowGlobMatches(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] != '*') return !text.empty() && text[0] == glob[0] && SlowGlobMatches(glob.substr(1), text.substr(1));
  for (std::size_t taken = 0; taken <= text.size(); ++taken) {
    if (SlowGlobMatches(glob.substr(1), text.substr(taken))) return true;
  }
  return false;
}

TEST(GlobMatches, AgreesWithTryingEverything) {
  std::mt19937 random(4);
  int matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string glob;
    std::string text;
    for (int n = static_cast<int>(random() % 6); n > 0; --n) glob.push_back("ab*"[random() % 3]);
    for (int n = static_cast<int>(random() % 8); n > 0; --n) text.push_back("ab"[random() % 2]);
    matched += GlobMatches(glob, text) ? 1 : 0;
    ASSERT_EQ(GlobMatches(glob, text), SlowGlobMatches(glob, text)) << glob << " " << text;
  }
  EXPECT_GT(matched, 1000);
}

TEST(GlobMatches, IsNotExponential) {
  std::string glob;
  for (int i = 0; i < 30; ++i) glob += "a*";
  EXPECT_FALSE(GlobMatches(glob + "b", std::string(5000, 'a')));
}

TEST(EqualsIgnoreCase, FoldsAsciiOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("Content-Type", "content-type"));
  EXPECT_FALSE(EqualsIgnoreCase("Content-Typ", "content-type"));
  EXPECT_FALSE(EqualsIgnoreCase("\xc3\x84", "\xc3\xa4"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_EQ(AsciiLower("AZ[az\xc3\x84"), "az[az\xc3\x84");
}

TEST(RandomName, Is26CharactersAndNeverTheSame) {
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) names.insert(RandomName());
  EXPECT_EQ(names.size(), 1000u);
  for (const std::string& name : names) {
    EXPECT_EQ(name.size(), 26u);
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"), std::string::npos) << name;
  }
}

TEST(RandomUuid, HasVersionAndVariant) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> uuids;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = RandomUuid();
    EXPECT_TRUE(std::regex_match(uuid, form)) << uuid;
    uuids.insert(uuid);
  }
  EXPECT_EQ(uuids.size(), 1000u);
}

TEST(IsRequestId, TakesOnlyWhatIsSafeInHeadersAndLogs) {
  EXPECT_TRUE(IsRequestId("a"));
  EXPECT_TRUE(IsRequestId("Az09._-"));
  EXPECT_TRUE(IsRequestId(std::string(128, 'x')));
  EXPECT_FALSE(IsRequestId(std::string(129, 'x')));
  for (const char* text : {"", " ", "a b", "a\r\nb", "a\"", "a/b", "\xc3\xa9"}) EXPECT_FALSE(IsRequestId(text)) << text;
}

TEST(HideSecrets, HidesWhatLooksLikeOne) {
  const std::string hex = "0123456789abcdef01234567";
  EXPECT_EQ(HideSecrets(hex), "…");
  EXPECT_EQ(HideSecrets("keys." + hex + ": is not a known key"), "keys.…: is not a known key");
  EXPECT_EQ(HideSecrets("a/" + hex + " gateway." + hex + "=="), "a/… gateway.…");
  EXPECT_EQ(HideSecrets("APIabc_DEF+ghi=JKLmnoPQRst1"), "…");
}

TEST(HideSecrets, LeavesEverythingElse) {
  for (const std::string text :
       {"", "0123456789abcdef0123456", "abcdefghijklmnopqrstuvwxyzABCDEF",
        "no secret in here, but 24 or more characters",
        "authenticators[2].oauth2_introspection.client_secret_file: is required",
        "/nix/store/0123456789abcdefghijklmnopqrstuv-x/keys.yaml: does not exist",
        "file: /run/0123456789abcdef0123456789abcdef/a", "7d444840-9dc0-11d1-b245-5ffdce74fad2", "Größe…"}) {
    EXPECT_EQ(HideSecrets(text), text);
  }
}

TEST(IsRequestId, IsNoJsonWebToken) {
  EXPECT_FALSE(IsRequestId("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"));
  EXPECT_TRUE(IsRequestId("eyes.e30"));
}

}  // namespace
}  // namespace livekit::token
