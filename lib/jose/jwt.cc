#include "jose/jwt.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "jose/json.h"
#include "jose/jwk.h"
#include "jose/jws.h"

namespace livekit::token::jose {
namespace {

constexpr std::size_t kMaxTypeBytes = 128;
// Longer issuers are refused where they are configured, and longer subjects everywhere.
constexpr std::size_t kMaxPeekedBytes = 2048;

// Reads the text member `name` of a header to `out`. False if it is there and not a text of at most `max_bytes`.
bool ReadText(const nlohmann::json& header, const char* name, std::size_t max_bytes, std::string& out) {
  const auto member = header.find(name);
  if (member == header.end()) return true;
  if (!member->is_string()) return false;
  out = member->get<std::string>();
  return out.size() <= max_bytes;
}

// The characters behind base64url, decoded a piece at a time: the issuer usually stands near the front.
class DecodedText {
 public:
  explicit DecodedText(std::string_view encoded) : encoded_(encoded) {}

  // The next character; NUL, which JSON does not contain, at the end or where the encoding is wrong.
  char Next() {
    if (at_ == end_ && !Refill()) return '\0';
    return *at_++;
  }
  // The next character that is not white space.
  char NextToken() {
    char c = Next();
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') c = Next();
    return c;
  }

 private:
  static constexpr std::size_t kPiece = 128;  // whole groups of four

  bool Refill() {
    const std::string_view piece = encoded_.substr(0, kPiece);
    encoded_.remove_prefix(piece.size());
    at_ = bytes_.data();
    end_ = ReadBase64Url(piece, bytes_.data());
    if (end_ != nullptr && end_ != at_) return true;
    encoded_ = {};
    end_ = at_;
    return false;
  }

  std::string_view encoded_;
  std::array<char, Base64UrlDecodedBound(kPiece)> bytes_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

// Passes over a string, whose first quote has been read. False if it does not end.
bool SkipString(DecodedText& text) {
  for (char c = text.Next(); c != '\0'; c = text.Next()) {
    if (c == '"') return true;
    if (c == '\\' && text.Next() == '\0') return false;
  }
  return false;
}

// The same, and keeps the string in `raw` as it is written, with both quotes; no more than `max_bytes` of it and a few.
bool ReadString(DecodedText& text, std::size_t max_bytes, std::string& raw) {
  raw = "\"";
  for (char c = text.Next(); c != '\0'; c = text.Next()) {
    if (raw.size() <= max_bytes) raw.push_back(c);
    if (c == '"') return true;
    if (c == '\\') {
      const char escaped = text.Next();
      if (escaped == '\0') return false;
      if (raw.size() <= max_bytes) raw.push_back(escaped);
    }
  }
  return false;
}

// Passes over the value that begins with `c`, and returns the first character after it that is not white space.
char SkipValue(DecodedText& text, char c) {
  int depth = 0;
  for (; c != '\0'; c = text.NextToken()) {
    if (depth == 0 && (c == ',' || c == '}' || c == ']')) return c;
    if (c == '"' && !SkipString(text)) return '\0';
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return '\0';
}

// The text that a JSON string stands for.
std::optional<std::string> Unquote(std::string_view raw) {
  if (raw.find('\\') == std::string_view::npos) return std::string(raw.substr(1, raw.size() - 2));
  const auto value = nlohmann::json::parse(raw, nullptr, /*allow_exceptions=*/false);
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

// The text of the first member `quoted_name`, a short name in quotes, of a token's payload.
std::optional<std::string> Peek(std::string_view token, std::string_view quoted_name) {
  if (token.size() > kMaxJwtBytes) return std::nullopt;
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;

  DecodedText text(token.substr(first + 1, second - first - 1));
  if (text.NextToken() != '{') return std::nullopt;
  std::string name;
  char c;
  do {
    if (text.NextToken() != '"' || !ReadString(text, 8, name) || text.NextToken() != ':') return std::nullopt;
    c = text.NextToken();
    if (name == quoted_name) {
      if (c != '"' || !ReadString(text, kMaxPeekedBytes, name) || name.size() > kMaxPeekedBytes) return std::nullopt;
      return Unquote(name);
    }
    c = SkipValue(text, c);
  } while (c == ',');
  return std::nullopt;
}

}  // namespace

JwtVerdict ParseJwt(std::string_view token, Jwt& jwt) {
  auto jws = ParseCompactJws(token, kMaxJwtBytes);
  if (!jws) return JwtVerdict::kMalformed;
  const auto header = ParseJsonObject(jws->header);
  if (!header) return JwtVerdict::kMalformed;
  for (const char* name : {"crit", "b64", "zip", "enc"}) {
    if (header->contains(name)) return JwtVerdict::kExtension;
  }
  const auto alg = header->find("alg");
  if (alg == header->end() || !alg->is_string()) return JwtVerdict::kAlgorithm;
  const auto algorithm = ParseAlgorithm(alg->get_ref<const std::string&>());
  if (!algorithm) return JwtVerdict::kAlgorithm;
  jwt = Jwt();
  if (!ReadText(*header, "kid", kMaxKeyIdBytes, jwt.key_id)) return JwtVerdict::kHeader;
  if (!ReadText(*header, "typ", kMaxTypeBytes, jwt.type)) return JwtVerdict::kHeader;
  jwt.type = AsciiLower(jwt.type);
  constexpr std::string_view kMediaType = "application/";
  if (jwt.type.compare(0, kMediaType.size(), kMediaType) == 0) jwt.type.erase(0, kMediaType.size());
  jwt.signing_input = jws->signing_input;
  jwt.algorithm = *algorithm;
  jwt.payload = std::move(jws->payload);
  jwt.signature = std::move(jws->signature);
  return JwtVerdict::kOk;
}

std::optional<std::string> PeekIssuer(std::string_view token) { return Peek(token, "\"iss\""); }

std::optional<std::string> PeekSubject(std::string_view token) { return Peek(token, "\"sub\""); }

bool LooksLikeJwt(std::string_view text) {
  if (PeekIssuer(text)) return true;
  const auto jws = ParseCompactJws(text, kMaxJwtBytes);
  return jws && ParseJsonObject(jws->header).has_value();
}

}  // namespace livekit::token::jose
