#include "server/build/introspection.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "server/authn/introspection.h"
#include "server/build/asked_service.h"
#include "server/build/context.h"
#include "server/build/token_fields.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

class IntrospectionBuilder {
 public:
  IntrospectionBuilder(const std::string& path, const cfg::OAuth2Introspection& introspection, Context& context)
      : path_(path), introspection_(introspection), context_(context) {}

  std::unique_ptr<const Authenticator> Build(const std::string& name) {
    const std::size_t before = context_.problems.size();
    IntrospectionOptions options;
    options.name = name;
    options.metrics = context_.MetricsOf(name);
    options.header = TokenHeader(Path("header"), introspection_.header(), context_);
    options.callers = context_.caller_authenticators.count(name) != 0;
    options.jwts = introspection_.jwts();
    options.rules.issuer = Issuer(options.header);
    options.rules.audiences = Audiences();
    options.rules.subject_claim = TokenSubjectClaim(Path("subject_claim"), introspection_.subject_claim(), context_);
    options.rules.livekit_keys.insert(context_.key_ids.begin(), context_.key_ids.end());
    options.request = AskedService(path_, introspection_.url(), introspection_.allow_http(), introspection_.ca_file(),
                                   introspection_.has_timeout() ? &introspection_.timeout() : nullptr, context_);
    options.client_id = Required("client_id", introspection_.client_id());
    options.client_secret = ClientSecret();
    options.client_auth = Auth();
    if (introspection_.has_cache_ttl()) {
      options.cache_ttl = AnswerLifetime(Path("cache_ttl"), introspection_.cache_ttl(), context_);
    }
    if (context_.problems.size() != before || context_.options.check_only) return nullptr;
    auto client = OwnClient(path_, context_);
    if (client == nullptr) return nullptr;
    return std::make_unique<IntrospectionAuthenticator>(std::move(options), std::move(client));
  }

 private:
  std::string Path(std::string_view field) const { return ConfigPath(path_, field); }
  void Problem(std::string_view field, std::string message) { context_.Problem(Path(field), std::move(message)); }

  const std::string& Required(std::string_view field, const std::string& text) {
    if (text.empty()) Problem(field, "is required");
    return text;
  }

  // Only with `jwts` does a token say whose it is.
  std::string Issuer(const std::string& header) {
    const std::string& issuer = introspection_.issuer();
    if (issuer.empty()) return issuer;
    if (introspection_.jwts()) return TokenIssuer(Path("issuer"), issuer, header, context_);
    if (context_.key_ids.count(issuer) != 0) {
      Problem("issuer", "is a LiveKit API key; LiveKit's tokens are no credentials");
    }
    return issuer;
  }

  std::vector<std::string> Audiences() {
    if (introspection_.audiences().empty()) {
      context_.Warning(Path("audiences"),
                       "is not stated: every active token of the server counts, also those for other services");
    }
    return TokenAudiences(Path("audiences"), introspection_.audiences(), context_);
  }

  Secret ClientSecret() {
    const std::string& file = Required("client_secret_file", introspection_.client_secret_file());
    if (file.empty()) return {};
    auto secret = context_.ReadSecret(Path("client_secret_file"), file);
    if (!secret) return {};
    if (secret->empty()) Problem("client_secret_file", file + " is empty");
    return *std::move(secret);
  }

  ClientAuth Auth() {
    const std::string& auth = introspection_.client_auth();
    if (auth == "post") return ClientAuth::kPost;
    if (!auth.empty() && auth != "basic") Problem("client_auth", "must be basic or post");
    return ClientAuth::kBasic;
  }

  const std::string& path_;
  const cfg::OAuth2Introspection& introspection_;
  Context& context_;
};

std::string HeaderOr(const std::string& header, const char* otherwise) {
  return header.empty() ? otherwise : AsciiLower(header);
}

// Whether `other` reads tokens in `header` that `introspection` would read there too.
bool ReadsTheSame(const cfg::OAuth2Introspection& introspection, const cfg::Authenticator& other, bool both_callers) {
  const std::string header = HeaderOr(introspection.header(), "authorization");
  // JSON Web Tokens tell whose they are, if one issuer's are meant.
  const bool all_jwts = introspection.jwts() && introspection.issuer().empty();
  const auto shared = [&](const std::string& others, const char* otherwise) {
    return both_callers || HeaderOr(others, otherwise) == header;
  };
  switch (other.kind_case()) {
    case cfg::Authenticator::kApiKeys:
      return shared(other.api_keys().header(), "x-api-key");
    case cfg::Authenticator::kOauth2Introspection:
      return shared(other.oauth2_introspection().header(), "authorization");
    case cfg::Authenticator::kForwardAuth: {
      const auto& names = other.forward_auth().forward_headers();
      return std::any_of(names.begin(), names.end(),
                         [&](const std::string& name) { return AsciiLower(name) == header; });
    }
    case cfg::Authenticator::kJwt:
      return all_jwts && shared(other.jwt().header(), "authorization");
    case cfg::Authenticator::kKubernetesServiceAccount:
      return all_jwts && shared(other.kubernetes_service_account().header(), "authorization");
    case cfg::Authenticator::kSpiffeJwt:
      return all_jwts && shared(other.spiffe_jwt().header(), "authorization");
    default:
      return false;
  }
}

}  // namespace

std::unique_ptr<const Authenticator> BuildIntrospection(const std::string& path, const std::string& name,
                                                        const cfg::OAuth2Introspection& introspection,
                                                        Context& context) {
  return IntrospectionBuilder(path, introspection, context).Build(name);
}

void CheckOpaqueTokens(const google::protobuf::RepeatedPtrField<cfg::Authenticator>& authenticators, Context& context) {
  const auto is_caller = [&](const cfg::Authenticator& authenticator) {
    return context.caller_authenticators.count(authenticator.name()) != 0;
  };
  for (int i = 0; i < authenticators.size(); ++i) {
    if (!authenticators[i].has_oauth2_introspection()) continue;
    const std::string path = ConfigPath(ConfigPath("authenticators", i), "oauth2_introspection");
    for (int j = 0; j < authenticators.size(); ++j) {
      // Of two of this kind the second is reported.
      if (j == i || (j > i && authenticators[j].has_oauth2_introspection())) continue;
      const bool both_callers = is_caller(authenticators[i]) && is_caller(authenticators[j]);
      if (!ReadsTheSame(authenticators[i].oauth2_introspection(), authenticators[j], both_callers)) continue;
      context.Problem(ConfigPath(path, "header"), "is read by " + authenticators[j].name() +
                                                      " too, or both are for services, so that every token would be "
                                                      "ambiguous");
    }
  }
}

}  // namespace livekit::token::build
