#include "server/reserved_names.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

std::string Utf8(std::uint32_t c) {
  const auto byte = [](std::uint32_t b) { return static_cast<char>(b); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 63))};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
}

constexpr TextUse kNames[] = {TextUse::kRoom, TextUse::kIdentity, TextUse::kDisplayName, TextUse::kKey};

bool Fits(const std::string& text, TextUse use) { return TextProblem(text, use).empty(); }

// One row for each class of characters, with both ends of each of its ranges.
TEST(TextProblem, RefusesEveryClassOfCharactersThatNobodySees) {
  const std::pair<const char*, std::vector<std::uint32_t>> classes[] = {
      {"control characters", {0x00, 0x09, 0x0A, 0x0D, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9F}},
      {"direction", {0x061C, 0x200E, 0x200F, 0x202A, 0x202C, 0x202E, 0x2066, 0x2069}},
      {"invisible", {0x00AD, 0x034F,  0x115F,  0x1160,  0x17B4,  0x17B5,  0x180B,  0x180E,  0x180F,  0x200B, 0x2028,
                     0x2029, 0x2060,  0x2064,  0x2065,  0x206A,  0x206F,  0x3164,  0xFEFF,  0xFFA0,  0xFFF0, 0xFFF9,
                     0xFFFB, 0x1BCA0, 0x1BCA3, 0x1D173, 0x1D17A, 0xE0000, 0xE0001, 0xE007F, 0xE0100, 0xE0FFF}},
      {"noncharacters", {0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x1FFFF, 0x10FFFE, 0x10FFFF}},
  };
  for (const auto& [message, characters] : classes) {
    for (const std::uint32_t c : characters) {
      for (const TextUse use : kNames) {
        for (const std::string& text : {Utf8(c), "a" + Utf8(c), Utf8(c) + "a", "a" + Utf8(c) + "b"}) {
          EXPECT_NE(TextProblem(text, use).find(message), std::string_view::npos)
              << std::hex << c << " " << TextProblem(text, use);
        }
      }
      EXPECT_TRUE(Fits("a" + Utf8(c), TextUse::kFreeText));
    }
  }
}

TEST(TextProblem, LeavesTheirNeighboursAlone) {
  for (const std::uint32_t c :
       {0x20u,    0x21u,   0x7Eu,         0xA0u,    0xA1u,   0xACu,    0xAEu,    0x034Eu,  0x0350u,
        0x061Bu,  0x061Du, 0x115Eu,       0x1161u,  0x17B3u, 0x17B6u,  0x180Au,  0x1810u,  0x2010u,
        0x2027u,  0x202Fu, 0x2030u,       0x205Fu,  0x2070u, 0x3163u,  0x3165u,  0xFDCFu,  0xFDF0u,
        0xFE10u,  0xFEFEu, 0xFF9Fu,       0xFFA1u,  0xFFEFu, 0xFFFCu,  0xFFFDu,  0x10000u, 0x1BC9Fu,
        0x1F600u, 0xE000u, 0xDFFFFu - 2u, 0xE1000u, 0xD7FFu, 0x1D172u, 0x1D17Bu, 0x1BCA4u, 0x10FFFDu}) {
    for (const TextUse use : kNames) EXPECT_TRUE(Fits("a" + Utf8(c) + "b", use)) << std::hex << c;
  }
}

TEST(TextProblem, LetsNamesHaveJoinersInsideEmojiOnly) {
  const std::string woman = Utf8(0x1F469);
  const std::string rocket = Utf8(0x1F680);
  const std::string joiner = Utf8(0x200D);
  for (const TextUse use : {TextUse::kRoom, TextUse::kIdentity, TextUse::kKey}) {
    EXPECT_TRUE(Fits(woman + joiner + rocket, use));
    EXPECT_TRUE(Fits("a" + woman + Utf8(0x1F3FD) + joiner + Utf8(0x2695) + Utf8(0xFE0F) + "b", use));
    for (const std::string& bad : {joiner, woman + joiner, joiner + woman, "a" + joiner + woman, woman + joiner + "a",
                                   woman + joiner + joiner + rocket, woman + Utf8(0x200C) + rocket, "a" + Utf8(0xFE0F),
                                   woman + joiner + Utf8(0x1F3FD), woman + Utf8(0x200B) + rocket}) {
      EXPECT_FALSE(Fits(bad, use)) << bad;
    }
  }
}

TEST(TextProblem, LetsDisplayNamesHaveJoinersInside) {
  for (const std::uint32_t c : {0x200Cu, 0x200Du, 0xFE00u, 0xFE0Fu}) {
    EXPECT_TRUE(Fits("a" + Utf8(c) + "b", TextUse::kDisplayName)) << std::hex << c;
    EXPECT_FALSE(Fits(Utf8(c) + "b", TextUse::kDisplayName)) << std::hex << c;
    for (const TextUse use : {TextUse::kRoom, TextUse::kIdentity, TextUse::kKey}) {
      EXPECT_FALSE(Fits("a" + Utf8(c) + "b", use)) << std::hex << c;
    }
  }
  EXPECT_TRUE(Fits(Utf8(0x2764) + Utf8(0xFE0F), TextUse::kDisplayName));  // a red heart
  EXPECT_TRUE(Fits(Utf8(0x1F468) + Utf8(0x200D) + Utf8(0x1F469), TextUse::kDisplayName));
}

TEST(TextProblem, RefusesWhiteSpaceAtTheEnds) {
  for (const std::uint32_t c : {0x20u, 0xA0u, 0x1680u, 0x2000u, 0x200Au, 0x202Fu, 0x205Fu, 0x2800u, 0x3000u}) {
    for (const TextUse use : kNames) {
      EXPECT_FALSE(Fits(Utf8(c), use)) << std::hex << c;
      EXPECT_FALSE(Fits(Utf8(c) + "a", use)) << std::hex << c;
      EXPECT_FALSE(Fits("a" + Utf8(c), use)) << std::hex << c;
      EXPECT_TRUE(Fits("a" + Utf8(c) + "b", use)) << std::hex << c;
    }
    EXPECT_TRUE(Fits(Utf8(c), TextUse::kFreeText));
  }
}

TEST(TextProblem, KeepsTheSignOfConnectionsOutOfIdentities) {
  EXPECT_FALSE(Fits("a#b", TextUse::kIdentity));
  EXPECT_FALSE(Fits("#", TextUse::kIdentity));
  for (const TextUse use : {TextUse::kRoom, TextUse::kDisplayName, TextUse::kKey}) EXPECT_TRUE(Fits("a#b", use));
}

TEST(TextProblem, TakesOrdinaryNames) {
  for (const TextUse use : kNames) {
    EXPECT_TRUE(Fits("", use));
    for (const char* text : {"alice", "Zo\xC3\xAB M\xC3\xBCller", "\xE5\xB1\xB1\xE7\x94\xB0", "a b", "user@acme.dev",
                             "\xF0\x9F\x98\x80", "{subject}*", "\xD9\x85\xD8\xB1\xD9\x8A\xD9\x85"}) {
      EXPECT_TRUE(Fits(text, use)) << text;
    }
    EXPECT_FALSE(Fits("\xff", use));
    EXPECT_FALSE(Fits("a\xC3", use));
    EXPECT_FALSE(Fits("\xED\xA0\x80", use));  // a surrogate
  }
}

TEST(IsReservedKey, KnowsLiveKitsPrefixesInAnyCase) {
  for (const char* key : {"lk.", "lk.x", "LK.x", "Lk.publish_on_behalf", "sip.", "sip.callID", "SiP.x"}) {
    EXPECT_TRUE(IsReservedKey(key)) << key;
  }
  for (const char* key : {"", "l", "lk", "lkx.a", "sip", "sipx.", "xlk.a", " lk.a", "xsip.", "s.ip"}) {
    EXPECT_FALSE(IsReservedKey(key)) << key;
  }
}

}  // namespace
}  // namespace livekit::token
