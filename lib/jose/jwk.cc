#include "jose/jwk.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "jose/json.h"

namespace livekit::token::jose {
namespace {

using nlohmann::json;

absl::Status Invalid(std::string_view message) { return absl::InvalidArgumentError(Sv(message)); }

// The text of member `name`; nothing if it is absent or no string.
std::optional<std::string_view> Text(const json& key, const char* name) {
  const auto member = key.find(name);
  if (member == key.end() || !member->is_string()) return std::nullopt;
  return member->get_ref<const std::string&>();
}

// The bytes of a parameter, which is base64url.
absl::StatusOr<std::string> Parameter(const json& key, const char* name) {
  const auto text = Text(key, name);
  auto bytes = text ? Base64UrlDecode(*text) : std::nullopt;
  if (!bytes || bytes->empty()) return Invalid("a parameter of the key is missing or is not base64url");
  return *std::move(bytes);
}

// Whether the key states that it verifies JWT-SVIDs (The SPIFFE Trust Domain and Bundle, section 4.2.2).
bool IsForJwtSvids(const json& key) { return key.is_object() && Text(key, "use") == "jwt-svid"; }

// Checks what the key is for (RFC 7517 sections 4.2 and 4.3).
absl::Status CheckPurpose(const json& key, JwksUse use) {
  if (use == JwksUse::kSignatures && key.contains("use") && Text(key, "use") != "sig") {
    return Invalid("the key is not for signatures");
  }
  const auto operations = key.find("key_ops");
  if (operations == key.end()) return absl::OkStatus();
  if (!operations->is_array() || !std::all_of(operations->begin(), operations->end(),
                                              [](const json& operation) { return operation.is_string(); })) {
    return Invalid("`key_ops` is not a list of names");
  }
  if (std::find(operations->begin(), operations->end(), "verify") == operations->end()) {
    return Invalid("the key is not for verification");
  }
  return absl::OkStatus();
}

// The curve that `crv` names. It need not fit `kty`: the makers of keys take their own curves only.
std::optional<KeyType> CurveOf(const json& key) {
  const auto name = Text(key, "crv");
  if (name == "P-256") return KeyType::kP256;
  if (name == "P-384") return KeyType::kP384;
  if (name == "P-521") return KeyType::kP521;
  if (name == "Ed25519") return KeyType::kEd25519;
  if (name == "Ed448") return KeyType::kEd448;
  return std::nullopt;
}

absl::StatusOr<std::shared_ptr<const VerificationKey>> ReadKey(const json& key, JwksUse use) {
  if (!key.is_object()) return Invalid("is not an object");
  const auto type = Text(key, "kty");
  if (!type) return Invalid("`kty` is missing");
  if (type == "oct") return Invalid("is symmetric");
  for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (key.contains(name)) return Invalid("contains a private key, which is public now and must be replaced");
  }
  LKT_RETURN_IF_ERROR(CheckPurpose(key, use));
  std::string key_id;
  if (key.contains("kid")) {
    const auto text = Text(key, "kid");
    if (!text || text->size() > kMaxKeyIdBytes) return Invalid("`kid` is not a text of at most 256 bytes");
    key_id = *text;
  }
  if (use == JwksUse::kJwtSvid && key_id.empty()) return Invalid("`kid` is missing");
  std::optional<Algorithm> algorithm;
  if (key.contains("alg")) {
    const auto text = Text(key, "alg");
    algorithm = text ? ParseAlgorithm(*text) : std::nullopt;
    if (!algorithm) return Invalid("`alg` is unknown");
  }
  if (type == "RSA") {
    LKT_ASSIGN_OR_RETURN(const std::string modulus, Parameter(key, "n"));
    LKT_ASSIGN_OR_RETURN(const std::string exponent, Parameter(key, "e"));
    return VerificationKey::FromRsa(modulus, exponent, std::move(key_id), algorithm);
  }
  if (type == "EC") {
    const auto curve = CurveOf(key);
    if (!curve) return Invalid("`crv` is unknown");
    LKT_ASSIGN_OR_RETURN(const std::string x, Parameter(key, "x"));
    LKT_ASSIGN_OR_RETURN(const std::string y, Parameter(key, "y"));
    return VerificationKey::FromEc(*curve, x, y, std::move(key_id), algorithm);
  }
  if (type == "OKP") {
    const auto curve = CurveOf(key);
    if (!curve) return Invalid("`crv` is unknown");
    LKT_ASSIGN_OR_RETURN(const std::string x, Parameter(key, "x"));
    return VerificationKey::FromEdwards(*curve, x, std::move(key_id), algorithm);
  }
  return Invalid("`kty` is unknown");
}

// A hint that is no integer from 1 is none: it is only a hint.
std::optional<std::chrono::seconds> RefreshHint(const json& document) {
  constexpr std::uint64_t kMost = 3'000'000'000;  // about a century
  const auto hint = document.find("spiffe_refresh_hint");
  if (hint == document.end() || !hint->is_number_unsigned()) return std::nullopt;
  const auto seconds = hint->get<std::uint64_t>();
  if (seconds == 0) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kMost));
}

}  // namespace

absl::StatusOr<Jwks> ReadJwks(std::string_view text, JwksUse use) {
  if (text.size() > kMaxJwksBytes) return Invalid("the key set is longer than 256 KiB");
  const auto document = ParseJsonObject(text);
  if (!document) return Invalid("the key set is not strict JSON");
  const auto keys = document->find("keys");
  if (keys == document->end() || !keys->is_array()) return Invalid("the key set has no list `keys`");
  if (keys->size() > kMaxJwksKeys) return Invalid("the key set has more than 100 keys");
  Jwks result;
  if (use == JwksUse::kJwtSvid) result.refresh_hint = RefreshHint(*document);
  for (std::size_t i = 0; i < keys->size(); ++i) {
    if (use == JwksUse::kJwtSvid && !IsForJwtSvids((*keys)[i])) continue;
    auto key = ReadKey((*keys)[i], use);
    if (key.ok()) {
      result.keys.push_back(*std::move(key));
    } else {
      result.skipped.push_back("keys[" + std::to_string(i) + "]: " + std::string(key.status().message()));
    }
  }
  if (result.keys.empty()) {
    std::string message = use == JwksUse::kJwtSvid ? "the bundle has no key for JWT-SVIDs that can be used"
                                                   : "the key set has no key that can be used";
    for (std::size_t i = 0; i < std::min<std::size_t>(result.skipped.size(), 5); ++i)
      message += "; " + result.skipped[i];
    return Invalid(message);
  }
  return result;
}

absl::StatusOr<KeySet> ParseJwks(std::string_view text) {
  LKT_ASSIGN_OR_RETURN(Jwks result, ReadJwks(text));
  return std::move(result.keys);
}

}  // namespace livekit::token::jose
