#include "base/text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/secret.h"

namespace livekit::token {
namespace {

constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Two characters for each 12-bit group: half the look-ups of the usual table.
constexpr auto kBase64Pairs = [] {
  std::array<std::array<char, 2>, 4096> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = {kBase64Url[i >> 6], kBase64Url[i & 63]};
  return table;
}();

constexpr auto kBase64Values = [] {
  std::array<std::int8_t, 256> table{};
  for (auto& value : table) value = -1;
  for (int i = 0; i < 64; ++i) table[static_cast<unsigned char>(kBase64Url[i])] = static_cast<std::int8_t>(i);
  return table;
}();

// The second character of a two-character escape, or 0.
constexpr auto kShortEscapes = [] {
  std::array<char, 256> table{};
  table['"'] = '"';
  table['\\'] = '\\';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table['\b'] = 'b';
  table['\f'] = 'f';
  return table;
}();

// A mask over the eight bytes of `w`: the lowest set bit is the high bit of the first byte that needs an escape or is
// outside ASCII. Bits above it mean nothing, since borrows run upwards.
constexpr std::uint64_t SpecialBytes(std::uint64_t w) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kHigh = 0x8080808080808080u;
  const std::uint64_t quote = w ^ (kOnes * '"');
  const std::uint64_t backslash = w ^ (kOnes * '\\');
  // A byte's high bit is set where it is below 0x20, is zero after the XOR, or is not ASCII.
  return ((w - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes) | w) & kHigh;
}
static_assert(std::endian::native == std::endian::little, "SpecialBytes and WriteBase64Url load bytes as numbers");

// Whether all of the text is ASCII that needs no escape. Without a branch, so that it is done in vectors.
bool IsPlain(std::string_view text) {
  unsigned char special = 0;
  for (const char c : text) {
    // What is not ASCII is negative: whether `char` is signed depends on the processor.
    special |= static_cast<unsigned char>(static_cast<signed char>(c) < 0x20 || c == '"' || c == '\\');
  }
  return special == 0;
}

// Length of the well-formed sequence at `p`, which starts with a byte of 0x80 or above, or 0.
std::size_t Utf8SequenceLength(const char* p, const char* end) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(p[i]); };
  const auto is_tail = [&](int i) { return p + i < end && (byte(i) & 0xc0) == 0x80; };
  const unsigned char lead = byte(0);
  if (lead >= 0xc2 && lead <= 0xdf) return is_tail(1) ? 2 : 0;
  if ((lead & 0xf0) == 0xe0) {
    if (!is_tail(1) || !is_tail(2)) return 0;
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
    if (lead == 0xed && byte(1) > 0x9f) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!is_tail(1) || !is_tail(2) || !is_tail(3)) return 0;
    if (lead == 0xf0 && byte(1) < 0x90) return 0;  // overlong
    if (lead == 0xf4 && byte(1) > 0x8f) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

constexpr char kHex[] = "0123456789abcdef";

void WriteHex(char byte, char* to) {
  to[0] = kHex[static_cast<unsigned char>(byte) >> 4];
  to[1] = kHex[static_cast<unsigned char>(byte) & 15];
}

char* WriteEscape(unsigned char c, char* to) {
  *to++ = '\\';
  if (kShortEscapes[c] != 0) {
    *to++ = kShortEscapes[c];
    return to;
  }
  const char text[5] = {'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
  std::memcpy(to, text, sizeof text);
  return to + sizeof text;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    if (static_cast<unsigned char>(*p) < 0x80) {
      ++p;
      continue;
    }
    const std::size_t length = Utf8SequenceLength(p, end);
    if (length == 0) return false;
    p += length;
  }
  return true;
}

char* WriteJsonString(std::string_view text, char* to) {
  *to++ = '"';
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    if (end - p >= 8) {
      // Copy eight bytes in any case and count those before the first special one.
      std::uint64_t w;
      std::memcpy(&w, p, sizeof w);
      std::memcpy(to, &w, sizeof w);
      const std::uint64_t special = SpecialBytes(w);
      const int plain = special == 0 ? 8 : std::countr_zero(special) / 8;
      p += plain;
      to += plain;
      if (special == 0) continue;
    }
    const auto c = static_cast<unsigned char>(*p);
    if (c >= 0x80) {
      const std::size_t length = Utf8SequenceLength(p, end);
      if (length == 0) return nullptr;
      std::memcpy(to, p, length);
      p += length;
      to += length;
    } else if (c < 0x20 || c == '"' || c == '\\') {
      to = WriteEscape(c, to);
      ++p;
    } else {
      *to++ = *p++;
    }
  }
  *to++ = '"';
  return to;
}

bool AppendJsonString(std::string_view text, std::string& out) {
  // Most texts, and all tokens, stand as they are: no room for escapes needs to be found and given back.
  if (IsPlain(text)) {
    out.push_back('"');
    out.append(text);
    out.push_back('"');
    return true;
  }
  const std::size_t start = out.size();
  out.resize(start + JsonStringBound(text.size()));
  const char* const end = WriteJsonString(text, out.data() + start);
  out.resize(end == nullptr ? start : static_cast<std::size_t>(end - out.data()));
  return end != nullptr;
}

char* WriteBase64Url(std::string_view bytes, char* to) {
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  // Six bytes at a time out of one load of eight.
  for (; left >= 8; left -= 6, from += 6, to += 8) {
    std::uint64_t group;
    std::memcpy(&group, from, sizeof group);
    group = __builtin_bswap64(group);
    std::memcpy(to, kBase64Pairs[group >> 52].data(), 2);
    std::memcpy(to + 2, kBase64Pairs[group >> 40 & 0xfff].data(), 2);
    std::memcpy(to + 4, kBase64Pairs[group >> 28 & 0xfff].data(), 2);
    std::memcpy(to + 6, kBase64Pairs[group >> 16 & 0xfff].data(), 2);
  }
  for (; left >= 3; left -= 3, from += 3, to += 4) {
    const std::uint32_t group = std::uint32_t{from[0]} << 16 | std::uint32_t{from[1]} << 8 | from[2];
    std::memcpy(to, kBase64Pairs[group >> 12].data(), 2);
    std::memcpy(to + 2, kBase64Pairs[group & 0xfff].data(), 2);
  }
  if (left == 1) {
    *to++ = kBase64Url[from[0] >> 2];
    *to++ = kBase64Url[(from[0] & 3) << 4];
  } else if (left == 2) {
    *to++ = kBase64Url[from[0] >> 2];
    *to++ = kBase64Url[(from[0] & 3) << 4 | from[1] >> 4];
    *to++ = kBase64Url[(from[1] & 15) << 2];
  }
  return to;
}

void AppendBase64Url(std::string_view bytes, std::string& out) {
  const std::size_t start = out.size();
  out.resize(start + Base64UrlLength(bytes.size()));
  WriteBase64Url(bytes, out.data() + start);
}

std::string Base64UrlEncode(std::string_view bytes) {
  std::string out;
  AppendBase64Url(bytes, out);
  return out;
}

char* ReadBase64Url(std::string_view text, char* to) {
  // Negative for a character outside the alphabet, and so is then every bitwise or with it.
  const auto value = [text](std::size_t i) {
    return static_cast<std::int32_t>(kBase64Values[static_cast<unsigned char>(text[i])]);
  };
  std::size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    const std::int32_t a = value(i), b = value(i + 1), c = value(i + 2), d = value(i + 3);
    if ((a | b | c | d) < 0) return nullptr;
    *to++ = static_cast<char>(a << 2 | b >> 4);
    *to++ = static_cast<char>((b & 0xf) << 4 | c >> 2);
    *to++ = static_cast<char>((c & 0x3) << 6 | d);
  }
  const std::size_t rest = text.size() - i;
  if (rest == 0) return to;
  if (rest == 1) return nullptr;
  const std::int32_t a = value(i), b = value(i + 1), c = rest == 3 ? value(i + 2) : 0;
  if ((a | b | c) < 0) return nullptr;
  // What no byte needs must be zero.
  if (rest == 2 ? (b & 0xf) != 0 : (c & 0x3) != 0) return nullptr;
  *to++ = static_cast<char>(a << 2 | b >> 4);
  if (rest == 3) *to++ = static_cast<char>((b & 0xf) << 4 | c >> 2);
  return to;
}

std::optional<std::string> Base64UrlDecode(std::string_view text) {
  std::string out(Base64UrlDecodedBound(text.size()), '\0');
  const char* const end = ReadBase64Url(text, out.data());
  if (end == nullptr) return std::nullopt;
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out;
}

std::string HexEncode(std::string_view bytes) {
  std::string out(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) WriteHex(bytes[i], out.data() + 2 * i);
  return out;
}

bool GlobMatches(std::string_view glob, std::string_view text) {
  // On a mismatch, go back to the last star and let it take one character more.
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      star_text = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

std::string AsciiLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool IsOfNameCharacters(std::string_view text) {
  // A table takes a quarter of the time of comparisons, and every request has some of these.
  static constexpr auto kAllowed = [] {
    std::array<bool, 256> allowed{};
    for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")) {
      allowed[static_cast<unsigned char>(c)] = true;
    }
    return allowed;
  }();
  return std::all_of(text.begin(), text.end(), [](char c) { return kAllowed[static_cast<unsigned char>(c)]; });
}

bool IsRequestId(std::string_view text) {
  // A JSON Web Token, which begins like this, consists of the same characters.
  return !text.empty() && text.size() <= 128 && text.substr(0, 3) != "eyJ" && IsOfNameCharacters(text);
}

std::string RandomName() {
  constexpr char kBase32[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<unsigned char, 26> random;
  RandomIdBytes(random.data(), random.size());
  std::string out(26, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kBase32[random[i] & 31];
  return out;
}

std::string RandomUuid() {
  std::array<char, 16> random;
  RandomIdBytes(random.data(), random.size());
  random[6] = static_cast<char>((random[6] & 0x0f) | 0x40);
  random[8] = static_cast<char>((random[8] & 0x3f) | 0x80);
  std::string out(36, '-');
  std::size_t at = 0;
  for (std::size_t i = 0; i < random.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;  // the four that stay
    WriteHex(random[i], out.data() + at);
    at += 2;
  }
  return out;
}

std::string HideSecrets(std::string_view text) {
  constexpr std::size_t kMinSecret = 24;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_part = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '+' || c == '=';
  };
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
  std::string result;
  bool in_path = false;
  for (std::size_t at = 0; at < text.size();) {
    if (at == 0 || is_space(text[at - 1])) in_path = text[at] == '/';
    std::size_t end = at;
    while (end < text.size() && is_part(text[end])) ++end;
    const std::string_view run = text.substr(at, end == at ? 1 : end - at);
    const bool secret = run.size() >= kMinSecret && std::any_of(run.begin(), run.end(), is_digit);
    result.append(secret && !in_path ? "…" : run);
    at += run.size();
  }
  return result;
}

}  // namespace livekit::token
