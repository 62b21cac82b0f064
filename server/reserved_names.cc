#include "server/reserved_names.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/text.h"

namespace livekit::token {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

template <std::size_t Size>
bool IsIn(const std::array<Range, Size>& ranges, std::uint32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// Bidirectional controls (Unicode property Bidi_Control).
constexpr std::array<Range, 4> kBidi = {{{0x061C, 0x061C}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069}}};

// What has no look of its own: property Default_Ignorable_Code_Point without the above, line and paragraph separators,
// annotation controls, shorthand format controls and the blank Hangul letters.
constexpr std::array<Range, 16> kInvisible = {{{0x00AD, 0x00AD},
                                               {0x034F, 0x034F},
                                               {0x115F, 0x1160},
                                               {0x17B4, 0x17B5},
                                               {0x180B, 0x180F},
                                               {0x200B, 0x200D},
                                               {0x2028, 0x2029},
                                               {0x2060, 0x206F},
                                               {0x3164, 0x3164},
                                               {0xFE00, 0xFE0F},
                                               {0xFEFF, 0xFEFF},
                                               {0xFFA0, 0xFFA0},
                                               {0xFFF0, 0xFFFB},
                                               {0x1BCA0, 0x1BCA3},
                                               {0x1D173, 0x1D17A},
                                               {0xE0000, 0xE0FFF}}};

// Property White_Space, as far as it is not a control character or a separator of the above, and the blank Braille
// pattern, which looks the same.
constexpr std::array<Range, 8> kSpaces = {{{0x0020, 0x0020},
                                           {0x00A0, 0x00A0},
                                           {0x1680, 0x1680},
                                           {0x2000, 0x200A},
                                           {0x202F, 0x202F},
                                           {0x205F, 0x205F},
                                           {0x2800, 0x2800},
                                           {0x3000, 0x3000}}};

bool IsJoiner(std::uint32_t c) { return c == 0x200C || c == 0x200D; }
bool IsVariationSelector(std::uint32_t c) { return c >= 0xFE00 && c <= 0xFE0F; }
constexpr std::uint32_t kZeroWidthJoiner = 0x200D;
constexpr std::uint32_t kEmojiPresentation = 0xFE0F;

// Blocks that emoji come from, without the modifiers of skin.
bool IsEmoji(std::uint32_t c) {
  return (c >= 0x2190 && c <= 0x2BFF) || (c >= 0x1F000 && c <= 0x1FAFF && !(c >= 0x1F3FB && c <= 0x1F3FF));
}
bool IsEmojiModifier(std::uint32_t c) { return (c >= 0x1F3FB && c <= 0x1F3FF) || c == kEmojiPresentation; }

bool IsNoncharacter(std::uint32_t c) { return (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE; }

// Takes the first character of text that IsValidUtf8.
std::uint32_t TakeCharacter(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const int size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t c = size == 1 ? lead : lead & (0x7Fu >> size);
  for (int i = 1; i < size; ++i) c = c << 6 | (static_cast<unsigned char>(text[static_cast<std::size_t>(i)]) & 0x3Fu);
  text.remove_prefix(static_cast<std::size_t>(size));
  return c;
}

// Visible ASCII without `#`, spaces inside it included: what most texts are, and no use has anything against.
bool IsPlain(std::string_view text) {
  if (text.front() == ' ' || text.back() == ' ') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F && c != '#'; });
}

}  // namespace

std::string_view TextProblem(std::string_view text, TextUse use) {
  constexpr std::string_view kInvisibleProblem = "must not contain invisible characters";
  if (use == TextUse::kFreeText || text.empty() || IsPlain(text)) return {};
  if (!IsValidUtf8(text)) return "is not UTF-8 text";
  bool at_start = true;
  bool after_emoji = false;  // one, with modifiers or without
  bool joining = false;      // the last character joins two emoji
  std::uint32_t c = 0;
  while (!text.empty()) {
    c = TakeCharacter(text);
    if (joining && !IsEmoji(c)) return kInvisibleProblem;
    joining = false;
    // Inside an emoji of several parts a joiner is seen: it makes one picture of them (Unicode UTS #51).
    const bool in_emoji = after_emoji && (c == kZeroWidthJoiner || IsEmojiModifier(c));
    if (in_emoji && use != TextUse::kDisplayName) joining = c == kZeroWidthJoiner;
    after_emoji = IsEmoji(c) || (after_emoji && IsEmojiModifier(c));
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return "must not contain control characters";
    if (c == '#' && use == TextUse::kIdentity) return "must not contain `#`";
    if (c >= 0x80) {
      if (IsIn(kBidi, c)) return "must not contain characters that change the direction of text";
      const bool shapes = use == TextUse::kDisplayName && (IsJoiner(c) || IsVariationSelector(c));
      if (IsIn(kInvisible, c) && !shapes && !in_emoji) return kInvisibleProblem;
      if (IsNoncharacter(c)) return "must not contain noncharacters";
      if (at_start && shapes) return kInvisibleProblem;  // there is nothing for it to shape
    }
    if (at_start && IsIn(kSpaces, c)) return "must not begin with white space";
    at_start = false;
  }
  if (joining) return kInvisibleProblem;
  if (IsIn(kSpaces, c)) return "must not end with white space";
  return {};
}

bool IsReservedKey(std::string_view key) {
  return EqualsIgnoreCase(key.substr(0, 3), "lk.") || EqualsIgnoreCase(key.substr(0, 4), "sip.");
}

}  // namespace livekit::token
