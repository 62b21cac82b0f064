#include "server/variable.h"

#include <array>

#include "base/status.h"
#include "base/text.h"
#include "jose/hmac_signer.h"

namespace livekit::token {
namespace {

constexpr std::string_view kClaims = "claims";
constexpr std::string_view kHmac = "hmac:";
constexpr int kCodeCharacters = 26;  // of 5 bits each

absl::Status Invalid(std::string_view message) { return Refuse(v1::FIELD_INVALID, message); }

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Parses `.path` or `["path"]`, which follows `claims`.
std::optional<ClaimPath> ParsePath(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.front() == '.') {
    text.remove_prefix(1);
    // `claims.["x"]` is a slip, although ClaimPath alone would take what stands behind the dot.
    if (!text.empty() && text.front() == '[') return std::nullopt;
    return ClaimPath::Parse(text);
  }
  if (text.front() != '[') return std::nullopt;
  return ClaimPath::Parse(text);
}

// The pseudonym that stands for `text`: HMAC-SHA-256, cut to 130 bits, in lower-case base32. What it was made of is
// part of the message, so that equal texts of different sources are not known to be equal.
std::string Code(const jose::HmacSha256& key, const std::optional<ClaimPath>& path, std::string_view text) {
  std::string message = path ? "claim" : "subject";
  if (path) {
    // Templates hold no NUL.
    for (const std::string& name : path->names()) message.append(1, '\0').append(name);
  }
  message.append(2, '\0').append(text);
  std::array<unsigned char, jose::HmacSha256::kSize> code;
  key.Sign(message, code.data());
  constexpr char kBase32[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (std::size_t at = 0; out.size() < kCodeCharacters;) {
    if (count < 5) {
      bits = (bits & 31u) << 8 | code[at++];
      count += 8;
    }
    count -= 5;
    out.push_back(kBase32[bits >> count & 31]);
  }
  return out;
}

}  // namespace

absl::StatusOr<Variable> Variable::Parse(std::string_view text, const TemplateOptions& options) {
  Variable variable;
  if (text == "random" || text == "uuid") {
    if (!options.may_be_random) return Invalid("uses {random} or {uuid}, which no value can be equal to");
    variable.kind_ = text == "random" ? Kind::kRandom : Kind::kUuid;
    return variable;
  }
  const bool code = TakePrefix(text, kHmac);
  if (text == "subject") {
    variable.kind_ = Kind::kSubject;
  } else if (TakePrefix(text, kClaims)) {
    variable.kind_ = Kind::kClaim;
    if (!text.empty() && text.back() == '?') {
      if (!options.may_be_absent) return Invalid("has a claim with `?` where the value cannot be left out");
      variable.may_be_absent_ = true;
      text.remove_suffix(1);
    }
    variable.path_ = ParsePath(text);
    if (!variable.path_) {
      return Invalid("has a claim that is not written {claims.name}, {claims.a.b} or {claims[\"https://…\"]}");
    }
  } else {
    return Invalid(
        "has an unknown variable; known are {subject}, {claims.…}, {random}, {uuid}, {hmac:subject} and "
        "{hmac:claims.…}");
  }
  if (options.anonymous) {
    return Invalid("uses {subject} or a claim, which anonymous callers do not have; use {random}");
  }
  if (code) {
    if (options.hmac_key == nullptr) return Invalid("uses {hmac:…}, which needs `hmac_key_file`");
    variable.kind_ = Kind::kCode;
    variable.hmac_key_ = options.hmac_key;
  }
  return variable;
}

absl::StatusOr<std::string> Variable::Source(const Principal& principal) const {
  if (!path_) {
    if (principal.subject.empty()) return Refuse(v1::CLAIM_MISSING);
    return principal.subject;
  }
  const nlohmann::json* value = principal.claims.Find(*path_);
  if (value == nullptr) {
    if (may_be_absent_) return std::string();
    return Refuse(v1::CLAIM_MISSING);
  }
  std::optional<std::string> text = ClaimText(*value);
  if (!text || (text->empty() && !may_be_absent_)) return Refuse(v1::CLAIM_MISSING);
  return *std::move(text);
}

absl::StatusOr<std::string> Variable::Text(const Principal& principal) const {
  if (kind_ == Kind::kRandom) return RandomName();
  if (kind_ == Kind::kUuid) return RandomUuid();
  LKT_ASSIGN_OR_RETURN(std::string source, Source(principal));
  if (kind_ == Kind::kCode && !source.empty()) return Code(*hmac_key_, path_, source);
  return source;
}

std::size_t VariableEnd(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == '}' && !quoted) return i;
  }
  return std::string_view::npos;
}

std::string_view FirstCharacter(std::string_view text) {
  std::size_t size = text.empty() ? 0 : 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) ++size;
  return text.substr(0, size);
}

}  // namespace livekit::token
