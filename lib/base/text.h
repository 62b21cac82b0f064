// Text: UTF-8, JSON strings, base64url, globs, random names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace livekit::token {

// Whether `text` is well-formed UTF-8 (Unicode table 3-7: no surrogates, no overlong forms, nothing above U+10FFFF).
bool IsValidUtf8(std::string_view text);

// Most bytes that WriteJsonString writes for `size` bytes.
constexpr std::size_t JsonStringBound(std::size_t size) { return size * 6 + 2; }

// Writes `text` to `to` as a JSON string with quotes, escaping only what RFC 8259 section 7 requires, and returns the
// end. There must be room for JsonStringBound bytes. Null if `text` is not UTF-8.
char* WriteJsonString(std::string_view text, char* to);

// The same at the end of `out`. Returns false if `text` is not UTF-8; `out` is then as it was.
bool AppendJsonString(std::string_view text, std::string& out);

// Length of the base64url form without padding of `size` bytes (RFC 7515 section 2).
constexpr std::size_t Base64UrlLength(std::size_t size) { return size / 3 * 4 + (size % 3 == 0 ? 0 : size % 3 + 1); }

// Writes `bytes` to `to` as base64url without padding, Base64UrlLength bytes, and returns the end.
char* WriteBase64Url(std::string_view bytes, char* to);

// Appends `bytes` as base64url without padding.
void AppendBase64Url(std::string_view bytes, std::string& out);
std::string Base64UrlEncode(std::string_view bytes);

// Most bytes that `size` characters of base64url stand for.
constexpr std::size_t Base64UrlDecodedBound(std::size_t size) { return size / 4 * 3 + 2; }

// Strict inverse: refuses padding, white space, other alphabets and non-zero trailing bits, so that every byte string
// has exactly one text. Writes the bytes to `to`, where there must be room for Base64UrlDecodedBound bytes, and returns
// the end; null if `text` is refused.
char* ReadBase64Url(std::string_view text, char* to);
std::optional<std::string> Base64UrlDecode(std::string_view text);

// Lower-case hexadecimal.
std::string HexEncode(std::string_view bytes);

// Whether `text` matches `glob` as a whole: `*` stands for any text, everything else for itself. Linear in time for one
// `*`, at worst the product of the lengths.
bool GlobMatches(std::string_view glob, std::string_view text);

// Whether `text` equals `lower`, which is in lower case, apart from ASCII case. Inline, since headers are looked up by
// it, most of which differ in length.
inline bool EqualsIgnoreCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return a == b || (a >= 'A' && a <= 'Z' && static_cast<char>(a - 'A' + 'a') == b);
  });
}
std::string AsciiLower(std::string_view text);

// Whether `text` has only letters, digits, `.`, `_` and `-`, as names of hosts and ids have.
bool IsOfNameCharacters(std::string_view text);

// Whether `text` may serve as a request id: 1 to 128 letters, digits, `.`, `_` and `-`, so that it can stand in headers
// and logs as it is; and no JSON Web Token.
bool IsRequestId(std::string_view text);

// 128 random bits as 26 characters of a-z and 2-7.
std::string RandomName();

// A random UUID (RFC 9562 version 4).
std::string RandomUuid();

// The text without what looks like a secret, for messages that repeat what an operator or a client has written, who may
// have put a secret where it does not belong: 24 or more letters, digits, `_`, `+` and `=` in a row, with a digit among
// them, are replaced by `…`. Words that begin with `/`, which are paths, stay.
std::string HideSecrets(std::string_view text);

}  // namespace livekit::token
