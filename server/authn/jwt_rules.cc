#include "server/authn/jwt_rules.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "jose/jwt.h"
#include "server/authn/workload.h"

namespace livekit::token {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSubjectBytes = 256;

// Seconds since the epoch. A double has a resolution below a microsecond for centuries, and no overflow.
double SecondsOf(Time time) { return std::chrono::duration<double>(time.time_since_epoch()).count(); }

Time TimeOf(double seconds) {
  // The clock's nanoseconds end in the year 2262.
  constexpr double kMax = 9e9;
  const std::chrono::duration<double> clamped(std::min(std::max(seconds, -kMax), kMax));
  return Time(std::chrono::duration_cast<Time::duration>(clamped));
}

// Reads the time `name` to `seconds`, which keeps its value if there is none. False if it is no number.
bool ReadTime(const json& claims, const char* name, std::optional<double>& seconds) {
  const auto claim = claims.find(name);
  if (claim == claims.end()) return true;
  if (!claim->is_number()) return false;
  seconds = claim->get<double>();
  return true;
}

// Whether there is a character of Unicode's class Cc in UTF-8 text.
bool HasControlCharacter(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    // U+0080 to U+009F.
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

}  // namespace

std::string_view JwtRejectionName(JwtRejection rejection) {
  switch (rejection) {
    case JwtRejection::kNone:
      return "none";
    case JwtRejection::kMalformed:
      return "malformed";
    case JwtRejection::kAlgorithm:
      return "algorithm";
    case JwtRejection::kExtension:
      return "extension";
    case JwtRejection::kHeader:
      return "header";
    case JwtRejection::kType:
      return "type";
    case JwtRejection::kNoKey:
      return "no_key";
    case JwtRejection::kSignature:
      return "signature";
    case JwtRejection::kLiveKitToken:
      return "livekit_token";
    case JwtRejection::kIssuer:
      return "issuer";
    case JwtRejection::kAudience:
      return "audience";
    case JwtRejection::kTime:
      return "time";
    case JwtRejection::kExpired:
      return "expired";
    case JwtRejection::kNotYetValid:
      return "not_yet_valid";
    case JwtRejection::kSubject:
      return "subject";
    case JwtRejection::kKeysUnavailable:
      return "keys_unavailable";
  }
  return "unknown";
}

std::string_view JwtRejectionSentence(JwtRejection rejection) {
  switch (rejection) {
    case JwtRejection::kNone:
      return "nothing is wrong with the token";
    case JwtRejection::kMalformed:
      return "the token is too long, or not three parts of base64url with JSON objects in the first two";
    case JwtRejection::kAlgorithm:
      return "the algorithm that the token's header states is not one of those that are accepted";
    case JwtRejection::kExtension:
      return "the token's header states an extension that is not supported";
    case JwtRejection::kHeader:
      return "`kid` or `typ` in the token's header is not text, or too long";
    case JwtRejection::kType:
      return "the type that the token's header states is not one that is a credential here";
    case JwtRejection::kNoKey:
      return "there is no key with the token's key id that fits its algorithm";
    case JwtRejection::kSignature:
      return "none of the keys made the token's signature";
    case JwtRejection::kLiveKitToken:
      return "it is a token for LiveKit, which is no credential here";
    case JwtRejection::kIssuer:
      return "the issuer is not the one that is configured";
    case JwtRejection::kAudience:
      return "the audience is none of those that are configured";
    case JwtRejection::kTime:
      return "`exp` is missing, or `exp`, `nbf` or `iat` is not a number";
    case JwtRejection::kExpired:
      return "the token has expired";
    case JwtRejection::kNotYetValid:
      return "the token is not valid yet: its `nbf` or `iat` is in the future";
    case JwtRejection::kSubject:
      return "the claim that names the subject is missing, or no text that can be a subject of this authenticator";
    case JwtRejection::kKeysUnavailable:
      return "the keys that verify the token could not be fetched";
  }
  return "the token is refused";
}

bool IsPermittedType(const JwtRules& rules, std::string_view type) {
  if (!rules.type.empty()) return type == rules.type;
  return type.empty() || type == "jwt" || type == (rules.kind == JwtKind::kSpiffe ? "jose" : "at+jwt");
}

bool ClaimsToBe(const JwtRules& rules, std::string_view token) {
  if (rules.kind != JwtKind::kSpiffe) return jose::PeekIssuer(token) == rules.issuer;
  const auto subject = jose::PeekSubject(token);
  return subject && SpiffePathOf(*subject, rules.issuer).has_value();
}

bool IsLiveKitToken(const json& claims, const std::set<std::string, std::less<>>& livekit_keys) {
  if (claims.contains("video")) return true;
  const auto issuer = claims.find("iss");
  return issuer != claims.end() && issuer->is_string() &&
         livekit_keys.count(issuer->get_ref<const std::string&>()) != 0;
}

bool NamesAudience(const json& claims, const std::string& name, const std::vector<std::string>& audiences) {
  const auto is_ours = [&](const json& value) {
    return std::find(audiences.begin(), audiences.end(), value.get_ref<const std::string&>()) != audiences.end();
  };
  const auto audience = claims.find(name);
  if (audience == claims.end()) return false;
  if (audience->is_string()) return is_ours(*audience);
  return audience->is_array() &&
         std::all_of(audience->begin(), audience->end(), [](const json& element) { return element.is_string(); }) &&
         std::any_of(audience->begin(), audience->end(), is_ours);
}

JwtRejection CheckTimes(const json& claims, std::chrono::seconds leeway, Time now, std::optional<Time>& expires) {
  expires = std::nullopt;
  std::optional<double> exp;
  std::optional<double> nbf;
  std::optional<double> iat;
  if (!ReadTime(claims, "exp", exp) || !ReadTime(claims, "nbf", nbf) || !ReadTime(claims, "iat", iat)) {
    return JwtRejection::kTime;
  }
  const double seconds = SecondsOf(now);
  const auto allowance = static_cast<double>(leeway.count());
  if (exp && seconds - allowance >= *exp) return JwtRejection::kExpired;
  for (const auto& start : {nbf, iat}) {
    if (start && seconds + allowance < *start) return JwtRejection::kNotYetValid;
  }
  if (exp) expires = TimeOf(*exp);
  return JwtRejection::kNone;
}

JwtRejection CheckClaims(const JwtRules& rules, const json& claims, Time now, Time& expires) {
  if (IsLiveKitToken(claims, rules.livekit_keys)) return JwtRejection::kLiveKitToken;
  if (rules.kind != JwtKind::kSpiffe) {
    const auto issuer = claims.find("iss");
    if (issuer == claims.end() || !issuer->is_string() || issuer->get_ref<const std::string&>() != rules.issuer) {
      return JwtRejection::kIssuer;
    }
  }
  if (!NamesAudience(claims, rules.audience_claim, rules.audiences)) return JwtRejection::kAudience;
  std::optional<Time> end;
  const JwtRejection times = CheckTimes(claims, rules.leeway, now, end);
  if (times != JwtRejection::kNone) return times;
  if (!end) return JwtRejection::kTime;
  expires = *end;
  return JwtRejection::kNone;
}

const std::string* SubjectAt(const ClaimPath& path, const Claims& claims) {
  const json* const subject = claims.Find(path);
  if (subject == nullptr || !subject->is_string()) return nullptr;
  const auto& text = subject->get_ref<const std::string&>();
  if (text.empty() || text.size() > kMaxSubjectBytes || HasControlCharacter(text)) return nullptr;
  return &text;
}

const std::string* SubjectOf(const JwtRules& rules, const Claims& claims) {
  const std::string* const subject = SubjectAt(rules.subject_claim, claims);
  if (subject == nullptr) return nullptr;
  switch (rules.kind) {
    case JwtKind::kIssuer:
      return subject;
    case JwtKind::kServiceAccount:
      return IsServiceAccount(*subject) ? subject : nullptr;
    case JwtKind::kSpiffe:
      return IsSpiffeId(*subject, rules.issuer) ? subject : nullptr;
  }
  return nullptr;
}

}  // namespace livekit::token
