#include "server/authn/jwt_rules.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

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

bool IsAudience(const JwtRules& rules, const json& value) {
  return std::find(rules.audiences.begin(), rules.audiences.end(), value.get_ref<const std::string&>()) !=
         rules.audiences.end();
}

// Whether the token's audience, a text or a list of texts (RFC 7519 section 4.1.3), names one of ours.
bool IsForUs(const JwtRules& rules, const json& claims) {
  const auto audience = claims.find(rules.audience_claim);
  if (audience == claims.end()) return false;
  if (audience->is_string()) return IsAudience(rules, *audience);
  if (!audience->is_array() ||
      !std::all_of(audience->begin(), audience->end(), [](const json& element) { return element.is_string(); })) {
    return false;
  }
  return std::any_of(audience->begin(), audience->end(),
                     [&rules](const json& element) { return IsAudience(rules, element); });
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

bool IsPermittedType(const JwtRules& rules, std::string_view type) {
  if (!rules.type.empty()) return type == rules.type;
  return type.empty() || type == "jwt" || type == "at+jwt";
}

JwtRejection CheckClaims(const JwtRules& rules, const json& claims, Time now, Time& expires) {
  const auto issuer = claims.find("iss");
  if (issuer == claims.end() || !issuer->is_string()) return JwtRejection::kIssuer;
  const auto& name = issuer->get_ref<const std::string&>();
  if (claims.contains("video") || rules.livekit_keys.count(name) != 0) return JwtRejection::kLiveKitToken;
  if (name != rules.issuer) return JwtRejection::kIssuer;
  if (!IsForUs(rules, claims)) return JwtRejection::kAudience;

  std::optional<double> exp;
  std::optional<double> nbf;
  std::optional<double> iat;
  if (!ReadTime(claims, "exp", exp) || !ReadTime(claims, "nbf", nbf) || !ReadTime(claims, "iat", iat) || !exp) {
    return JwtRejection::kTime;
  }
  const double seconds = SecondsOf(now);
  const auto leeway = static_cast<double>(rules.leeway.count());
  if (seconds - leeway >= *exp) return JwtRejection::kExpired;
  for (const auto& start : {nbf, iat}) {
    if (start && seconds + leeway < *start) return JwtRejection::kNotYetValid;
  }
  expires = TimeOf(*exp);
  return JwtRejection::kNone;
}

const std::string* SubjectOf(const JwtRules& rules, const Claims& claims) {
  const json* const subject = claims.Find(rules.subject_claim);
  if (subject == nullptr || !subject->is_string()) return nullptr;
  const auto& text = subject->get_ref<const std::string&>();
  if (text.empty() || text.size() > kMaxSubjectBytes || HasControlCharacter(text)) return nullptr;
  return &text;
}

}  // namespace livekit::token
