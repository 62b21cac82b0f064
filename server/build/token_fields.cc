#include "server/build/token_fields.h"

#include <utility>

#include "base/text.h"
#include "http/client_url.h"
#include "jose/jwk.h"
#include "server/authn/jwks_source.h"
#include "server/build/context.h"
#include "service/log.h"

namespace livekit::token::build {
namespace {

constexpr std::chrono::seconds kMaxLeeway{5 * 60};
constexpr std::size_t kMaxAuthoritiesBytes = std::size_t{1} << 20;

bool BeginsWith(const std::string& text, std::string_view prefix) { return text.rfind(prefix, 0) == 0; }

}  // namespace

std::string TokenHeader(const std::string& path, const std::string& header, Context& context) {
  if (header.empty()) return "authorization";
  std::string lower = AsciiLower(header);
  if (lower == kCallerHeader || lower.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    context.Problem(path, "is not a header that can carry end users' tokens");
  }
  return lower;
}

std::string TokenIssuer(const std::string& path, const std::string& issuer, const std::string& header,
                        Context& context) {
  if (issuer.empty()) {
    context.Problem(path, "is required: the `iss` of the tokens, exactly");
  } else if (context.key_ids.count(issuer) != 0) {
    context.Problem(path, "is a LiveKit API key; LiveKit's tokens are no credentials");
  } else if (!context.jwt_issuers.emplace(header, issuer).second) {
    context.Problem(path, "has another authenticator with the same header, so that its tokens would be ambiguous");
  }
  return issuer;
}

std::vector<std::string> TokenAudiences(const std::string& path,
                                        const google::protobuf::RepeatedPtrField<std::string>& audiences,
                                        Context& context) {
  for (int i = 0; i < audiences.size(); ++i) {
    if (audiences[i].empty()) context.Problem(ConfigPath(path, i), "is empty");
  }
  return {audiences.begin(), audiences.end()};
}

ClaimPath TokenSubjectClaim(const std::string& path, const std::string& claim, Context& context) {
  const auto subject = ClaimPath::Parse(claim.empty() ? "sub" : claim);
  if (subject) return *subject;
  context.Problem(path, "must be the path of a claim such as sub, user.id or [\"https://acme.dev/id\"]");
  return *ClaimPath::Parse("sub");
}

std::chrono::seconds TokenLeeway(const std::string& path, const google::protobuf::Duration& leeway, Context& context) {
  const auto seconds = context.Seconds(path, leeway);
  if (seconds.count() < 0 || seconds > kMaxLeeway) context.Problem(path, "must be from 0s to 5m");
  return seconds;
}

void CheckAddress(const std::string& path, const std::string& address, bool allow_http, const std::string& otherwise,
                  Context& context) {
  if (address.empty()) return;
  if (!BeginsWith(address, "https://") && !(allow_http && BeginsWith(address, "http://"))) {
    context.Problem(path, "must be an https:// address" + otherwise);
  } else if (!http::ParseClientUrl(address, allow_http).ok()) {
    context.Problem(path, "is not an address that can be asked");
  }
}

void CheckAuthorities(const std::string& path, const std::string& file, Context& context) {
  if (!file.empty()) ReadConfigFile(path, file, kMaxAuthoritiesBytes, context);
}

std::optional<std::string> ReadConfigFile(const std::string& path, const std::string& file, std::size_t max_bytes,
                                          Context& context) {
  auto text = context.files.Read(file, max_bytes);
  if (text.ok()) return *std::move(text);
  context.Problem(path, file + " cannot be read");
  return std::nullopt;
}

jose::KeySet ReadKeyFile(const std::string& path, const std::string& file, jose::JwksUse use, Context& context) {
  const auto text = ReadConfigFile(path, file, jose::kMaxJwksBytes, context);
  if (!text) return {};
  auto jwks = jose::ReadJwks(*text, use);
  if (!jwks.ok()) {
    context.Problem(path, file + ": " + std::string(jwks.status().message()));
    return {};
  }
  for (const auto& skipped : jwks->skipped) context.Warning(path, file + ": left out: " + skipped);
  return std::move(jwks->keys);
}

std::vector<std::string> CredentialHeaders(const config::v1::Authenticator& authenticator) {
  using config::v1::Authenticator;
  const auto one = [](const std::string& stated, const char* otherwise) -> std::vector<std::string> {
    return {stated.empty() ? otherwise : AsciiLower(stated)};
  };
  switch (authenticator.kind_case()) {
    case Authenticator::kApiKeys:
      return one(authenticator.api_keys().header(), "x-api-key");
    case Authenticator::kJwt:
      return one(authenticator.jwt().header(), "authorization");
    case Authenticator::kOauth2Introspection:
      return one(authenticator.oauth2_introspection().header(), "authorization");
    case Authenticator::kKubernetesServiceAccount:
      return one(authenticator.kubernetes_service_account().header(), "authorization");
    case Authenticator::kSpiffeJwt:
      return one(authenticator.spiffe_jwt().header(), "authorization");
    case Authenticator::kForwardAuth: {
      std::vector<std::string> headers;
      for (const auto& header : authenticator.forward_auth().forward_headers()) headers.push_back(AsciiLower(header));
      return headers;
    }
    default:
      return {};
  }
}

std::shared_ptr<KeySource> FetchedKeys(const std::string& path, const JwksLocation& location,
                                       const JwksCacheOptions& options, Context& context) {
  auto source = context.jwks.Get(location, options);
  if (source == nullptr) context.Problem(path, "keys cannot be fetched: the system refuses the client what it needs");
  return source;
}

std::unique_ptr<const Authenticator> MakeJwtAuthenticator(JwtOptions options, std::shared_ptr<KeySource> keys) {
  options.on_rejection = [name = options.name](JwtRejection rejection) {
    Log(LogLevel::kDebug, "jwt_refused",
        {{"authenticator", std::string_view(name)}, {"why", JwtRejectionName(rejection)}});
  };
  return std::make_unique<JwtAuthenticator>(std::move(options), std::move(keys));
}

}  // namespace livekit::token::build
