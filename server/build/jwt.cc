#include "server/build/jwt.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "base/text.h"
#include "jose/hmac_signer.h"
#include "jose/jwk.h"
#include "server/build/context.h"
#include "server/build/token_fields.h"
#include "token/key_access.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

using jose::Algorithm;

class JwtBuilder {
 public:
  JwtBuilder(const std::string& path, const cfg::Jwt& jwt, Context& context)
      : path_(path), jwt_(jwt), context_(context) {}

  std::unique_ptr<const Authenticator> Build(const std::string& name) {
    const std::size_t before = context_.problems.size();
    JwtOptions options;
    options.name = name;
    options.header = TokenHeader(Path("header"), jwt_.header(), context_);
    options.rules.issuer = TokenIssuer(Path("issuer"), jwt_.issuer(), options.header, context_);
    options.rules.audiences = Audiences();
    options.rules.audience_claim = AudienceClaim();
    options.rules.subject_claim = TokenSubjectClaim(Path("subject_claim"), jwt_.subject_claim(), context_);
    options.rules.type = Type();
    if (jwt_.has_leeway()) options.rules.leeway = TokenLeeway(Path("leeway"), jwt_.leeway(), context_);
    options.rules.livekit_keys.insert(context_.key_ids.begin(), context_.key_ids.end());
    const auto keys = Keys();
    options.rules.algorithms = Algorithms(keys);
    if (context_.problems.size() != before || context_.options.check_only) return nullptr;
    auto source = Source(keys);
    if (source == nullptr) return nullptr;
    return MakeJwtAuthenticator(std::move(options), std::move(source));
  }

 private:
  std::string Path(std::string_view field) const { return ConfigPath(path_, field); }
  void Problem(std::string_view field, std::string message) { context_.Problem(Path(field), std::move(message)); }

  std::vector<std::string> Audiences() {
    if (jwt_.audiences().empty()) {
      Problem("audiences", "is required: tokens that the issuer made for others must not count here");
    }
    return TokenAudiences(Path("audiences"), jwt_.audiences(), context_);
  }

  std::string AudienceClaim() {
    const std::string& claim = jwt_.audience_claim();
    if (claim.empty()) return "aud";
    if (claim != "aud" && claim != "azp" && claim != "client_id") {
      Problem("audience_claim", "must be aud, azp or client_id");
    }
    return claim;
  }

  // As header fields `typ` are compared: RFC 7515 section 4.1.9 lets `application/` be left out.
  std::string Type() {
    std::string type = AsciiLower(jwt_.type());
    constexpr std::string_view kPrefix = "application/";
    if (type.rfind(kPrefix, 0) == 0) type.erase(0, kPrefix.size());
    return type;
  }

  // --- keys

  // The keys of files; nothing if they are at an address.
  std::optional<jose::KeySet> Keys() {
    struct Secret {
      const char* field;
      const std::string& file;
      Algorithm algorithm;
    };
    const std::array<Secret, 3> secrets = {{{"hs256_secret_file", jwt_.hs256_secret_file(), Algorithm::kHs256},
                                            {"hs384_secret_file", jwt_.hs384_secret_file(), Algorithm::kHs384},
                                            {"hs512_secret_file", jwt_.hs512_secret_file(), Algorithm::kHs512}}};
    int ways = int{!jwt_.jwks_uri().empty()} + int{!jwt_.jwks_file().empty()} + int{!jwt_.public_key_file().empty()};
    for (const auto& secret : secrets) ways += int{!secret.file.empty()};
    if (ways > 1) {
      context_.Problem(path_,
                       "has keys from more than one place; give one of `jwks_uri`, `jwks_file`, `public_key_file` and "
                       "`hs256_secret_file`, or none for discovery");
      return std::nullopt;
    }
    for (const auto& secret : secrets) {
      if (!secret.file.empty()) return LoadSecret(secret.field, secret.file, secret.algorithm);
    }
    if (!jwt_.jwks_file().empty()) {
      return ReadKeyFile(Path("jwks_file"), jwt_.jwks_file(), jose::JwksUse::kSignatures, context_);
    }
    if (!jwt_.public_key_file().empty()) return LoadPem();
    CheckKeyAddress();
    return std::nullopt;
  }

  jose::KeySet LoadSecret(const char* field, const std::string& file, Algorithm algorithm) {
    const auto content = context_.ReadSecret(Path(field), file);
    if (!content) return {};
    const std::string_view secret = content->Reveal();
    if (IsLiveKitSecret(secret)) {
      Problem(field,
              file + " holds the secret of a LiveKit API key: whoever may sign for users could sign for LiveKit");
    }
    auto key = jose::VerificationKey::FromSecret(algorithm, secret);
    if (key.ok()) return {*std::move(key)};
    Problem(field, file + ": " + std::string(key.status().message()));
    return {};
  }

  // Secrets cannot be compared, since keys keep only the state of their signers; codes of one text can.
  bool IsLiveKitSecret(std::string_view secret) const {
    constexpr std::string_view kProbe = "probe";
    std::array<unsigned char, jose::HmacSha256::kSize> code;
    jose::HmacSha256(secret).Sign(kProbe, code.data());
    const std::string_view expected(reinterpret_cast<const char*>(code.data()), code.size());
    for (const auto& project : context_.projects) {
      if (project->keys == nullptr) continue;
      for (const auto& [id, key] : project->keys->keys()) {
        if (KeyAccess::Signer(*key).verifier.Verify(kProbe, expected)) return true;
      }
    }
    return false;
  }

  jose::KeySet LoadPem() {
    const auto text = ReadConfigFile(Path("public_key_file"), jwt_.public_key_file(), 64 * 1024, context_);
    if (!text) return {};
    auto key = jose::VerificationKey::FromPem(*text);
    if (key.ok()) return {*std::move(key)};
    Problem("public_key_file", jwt_.public_key_file() + ": " + std::string(key.status().message()));
    return {};
  }

  void CheckKeyAddress() {
    const bool discovered = jwt_.jwks_uri().empty();
    CheckAddress(
        Path(discovered ? "issuer" : "jwks_uri"), discovered ? jwt_.issuer() : jwt_.jwks_uri(), jwt_.allow_http(),
        discovered ? " for discovery; or give `jwks_uri` or a file with keys" : ", unless `allow_http` permits http://",
        context_);
    CheckAuthorities(Path("ca_file"), jwt_.ca_file(), context_);
  }

  jose::AlgorithmSet Algorithms(const std::optional<jose::KeySet>& keys) {
    const auto fits = [&](Algorithm algorithm) {
      // A set may get keys of other kinds.
      if (!keys || !jwt_.jwks_file().empty()) return jose::FamilyOf(algorithm) != jose::AlgorithmFamily::kHmac;
      return std::any_of(keys->begin(), keys->end(), [&](const auto& key) { return key->Permits(algorithm); });
    };
    jose::AlgorithmSet set;
    for (int i = 0; i < jwt_.algorithms_size(); ++i) {
      const std::string place = ConfigPath(Path("algorithms"), i);
      const auto algorithm = jose::ParseAlgorithm(jwt_.algorithms(i));
      if (!algorithm) {
        context_.Problem(place, "must be one of HS, RS, PS and ES with 256, 384 or 512, or EdDSA");
      } else if (!fits(*algorithm) && (!keys || !keys->empty() || !jwt_.jwks_file().empty())) {
        context_.Problem(place, "does not fit the keys: HS needs a secret, all others public keys of their kind");
      } else {
        set.Insert(*algorithm);
      }
    }
    if (!jwt_.algorithms().empty()) return set;
    for (int i = 0; i < jose::kAlgorithmCount; ++i) {
      if (fits(static_cast<Algorithm>(i))) set.Insert(static_cast<Algorithm>(i));
    }
    return set;
  }

  std::shared_ptr<KeySource> Source(const std::optional<jose::KeySet>& keys) {
    if (keys) return std::make_shared<StaticKeys>(*keys);
    JwksLocation location;
    location.issuer = jwt_.issuer();
    location.jwks_uri = jwt_.jwks_uri();
    location.allow_http = jwt_.allow_http();
    location.ca_file = jwt_.ca_file();
    return FetchedKeys(path_, location, {}, context_);
  }

  const std::string& path_;
  const cfg::Jwt& jwt_;
  Context& context_;
};

}  // namespace

std::unique_ptr<const Authenticator> BuildJwt(const std::string& path, const std::string& name, const cfg::Jwt& jwt,
                                              Context& context) {
  return JwtBuilder(path, jwt, context).Build(name);
}

}  // namespace livekit::token::build
