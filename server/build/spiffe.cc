#include "server/build/spiffe.h"

#include <chrono>
#include <utility>

#include "server/authn/workload.h"
#include "server/build/context.h"
#include "server/build/token_fields.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

using jose::Algorithm;

// For bundles that do not say how often they change (The SPIFFE Trust Domain and Bundle, security considerations).
constexpr std::chrono::minutes kRefreshInterval{5};

class SpiffeBuilder {
 public:
  SpiffeBuilder(const std::string& path, const cfg::SpiffeJwt& spiffe, Context& context)
      : path_(path), spiffe_(spiffe), context_(context) {}

  std::unique_ptr<const Authenticator> Build(const std::string& name) {
    const std::size_t before = context_.problems.size();
    JwtOptions options;
    options.name = name;
    options.header = TokenHeader(Path("header"), spiffe_.header(), context_);
    options.rules.kind = JwtKind::kSpiffe;
    options.rules.issuer = TrustDomain(options.header);
    options.rules.audiences = Audiences();
    // JWT-SVID section 2.1: no others.
    options.rules.algorithms = jose::AlgorithmSet(Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512,
                                                  Algorithm::kPs256, Algorithm::kPs384, Algorithm::kPs512,
                                                  Algorithm::kEs256, Algorithm::kEs384, Algorithm::kEs512);
    if (spiffe_.has_leeway()) options.rules.leeway = TokenLeeway(Path("leeway"), spiffe_.leeway(), context_);
    options.rules.livekit_keys.insert(context_.key_ids.begin(), context_.key_ids.end());
    const bool has_file = !spiffe_.bundle_file().empty();
    if (has_file != spiffe_.bundle_url().empty()) {
      context_.Problem(path_, "has no keys, or two places of them; give either `bundle_file` or `bundle_url`");
    }
    jose::KeySet keys;
    if (has_file) {
      keys = ReadKeyFile(Path("bundle_file"), spiffe_.bundle_file(), jose::JwksUse::kJwtSvid, context_);
    }
    CheckAddress(Path("bundle_url"), spiffe_.bundle_url(), spiffe_.allow_http(),
                 ", unless `allow_http` permits http://", context_);
    CheckAuthorities(Path("ca_file"), spiffe_.ca_file(), context_);
    if (context_.problems.size() != before || context_.options.check_only) return nullptr;
    auto source = has_file ? std::make_shared<StaticKeys>(std::move(keys)) : FetchedBundle();
    if (source == nullptr) return nullptr;
    return MakeJwtAuthenticator(std::move(options), std::move(source));
  }

 private:
  std::string Path(std::string_view field) const { return ConfigPath(path_, field); }

  std::string TrustDomain(const std::string& header) {
    const std::string& domain = spiffe_.trust_domain();
    const std::string path = Path("trust_domain");
    if (domain.empty()) {
      context_.Problem(path, "is required");
    } else if (!IsTrustDomain(domain)) {
      context_.Problem(path, "must be the name alone, such as acme.dev: lower-case letters, digits, `.`, `-` and `_`");
    } else if (!context_.trust_domains.emplace(header, domain).second) {
      context_.Problem(path, "has another authenticator with the same header, so that its tokens would be ambiguous");
    }
    return domain;
  }

  std::vector<std::string> Audiences() {
    if (spiffe_.audiences().empty()) {
      context_.Problem(Path("audiences"), "is required: JWT-SVIDs for others must not count here");
    }
    return TokenAudiences(Path("audiences"), spiffe_.audiences(), context_);
  }

  std::shared_ptr<KeySource> FetchedBundle() {
    JwksLocation location;
    location.issuer = "spiffe://" + spiffe_.trust_domain();
    location.jwks_uri = spiffe_.bundle_url();
    location.allow_http = spiffe_.allow_http();
    location.ca_file = spiffe_.ca_file();
    JwksCacheOptions options;
    options.use = jose::JwksUse::kJwtSvid;
    options.refresh_interval = kRefreshInterval;
    return FetchedKeys(path_, location, options, context_);
  }

  const std::string& path_;
  const cfg::SpiffeJwt& spiffe_;
  Context& context_;
};

}  // namespace

std::unique_ptr<const Authenticator> BuildSpiffe(const std::string& path, const std::string& name,
                                                 const cfg::SpiffeJwt& spiffe, Context& context) {
  return SpiffeBuilder(path, spiffe, context).Build(name);
}

}  // namespace livekit::token::build
