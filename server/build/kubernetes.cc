#include "server/build/kubernetes.h"

#include <utility>

#include "server/build/context.h"
#include "server/build/token_fields.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

using jose::Algorithm;

// Where a pod finds them.
constexpr char kTokenFile[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";
constexpr char kAuthorityFile[] = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
constexpr char kApiServer[] = "https://kubernetes.default.svc";
constexpr std::size_t kMaxTokenFileBytes = std::size_t{64} * 1024;

std::string Or(const std::string& text, const char* otherwise) { return text.empty() ? otherwise : text; }

std::string WithoutSlash(std::string address) {
  while (!address.empty() && address.back() == '/') address.pop_back();
  return address;
}

class KubernetesBuilder {
 public:
  KubernetesBuilder(const std::string& path, const cfg::KubernetesServiceAccount& cluster, Context& context)
      : path_(path), cluster_(cluster), context_(context) {}

  std::unique_ptr<const Authenticator> Build(const std::string& name) {
    const std::size_t before = context_.problems.size();
    JwtOptions options;
    options.name = name;
    options.header = TokenHeader(Path("header"), cluster_.header(), context_);
    options.rules.kind = JwtKind::kServiceAccount;
    options.rules.issuer = TokenIssuer(Path("issuer"), cluster_.issuer(), options.header, context_);
    options.rules.audiences = {Audience()};
    options.rules.algorithms = jose::AlgorithmSet(
        Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512, Algorithm::kPs256, Algorithm::kPs384,
        Algorithm::kPs512, Algorithm::kEs256, Algorithm::kEs384, Algorithm::kEs512, Algorithm::kEdDsa);
    if (cluster_.has_leeway()) options.rules.leeway = TokenLeeway(Path("leeway"), cluster_.leeway(), context_);
    options.rules.livekit_keys.insert(context_.key_ids.begin(), context_.key_ids.end());
    jose::KeySet keys;
    JwksLocation location;
    const bool has_file = !cluster_.jwks_file().empty();
    if (has_file) {
      keys = KeysOfFile();
    } else {
      location = ApiServer();
    }
    if (context_.problems.size() != before || context_.options.check_only) return nullptr;
    auto source = has_file ? std::make_shared<StaticKeys>(std::move(keys)) : FetchedKeys(path_, location, {}, context_);
    if (source == nullptr) return nullptr;
    return MakeJwtAuthenticator(std::move(options), std::move(source));
  }

 private:
  std::string Path(std::string_view field) const { return ConfigPath(path_, field); }

  // Every pod is given a token for the API server, and sends it there.
  std::string Audience() {
    const std::string& audience = cluster_.audience();
    const std::string plain = WithoutSlash(audience);
    if (audience.empty()) {
      context_.Problem(Path("audience"), "is required: tokens for others must not count here");
    } else if (plain == WithoutSlash(cluster_.issuer()) ||
               plain == WithoutSlash(Or(cluster_.api_server(), kApiServer))) {
      context_.Problem(Path("audience"), "is that of the API server, for which every pod has a token by default");
    }
    return audience;
  }

  jose::KeySet KeysOfFile() {
    if (!cluster_.api_server().empty() || !cluster_.token_file().empty() || !cluster_.ca_file().empty()) {
      context_.Problem(Path("jwks_file"),
                       "excludes `api_server`, `token_file` and `ca_file`, by which keys are fetched");
    }
    return ReadKeyFile(Path("jwks_file"), cluster_.jwks_file(), jose::JwksUse::kSignatures, context_);
  }

  JwksLocation ApiServer() {
    JwksLocation location;
    location.issuer = cluster_.issuer();
    location.api_server = WithoutSlash(Or(cluster_.api_server(), kApiServer));
    location.bearer_token_file = Or(cluster_.token_file(), kTokenFile);
    location.ca_file = Or(cluster_.ca_file(), kAuthorityFile);
    CheckAddress(Path("api_server"), location.api_server, false, "", context_);
    if (location.api_server.find_first_of("?#") != std::string::npos) {
      context_.Problem(Path("api_server"), "must be an address without query and fragment");
    }
    // Outside a pod there are none.
    ReadConfigFile(Path("token_file"), location.bearer_token_file, kMaxTokenFileBytes, context_);
    CheckAuthorities(Path("ca_file"), location.ca_file, context_);
    return location;
  }

  const std::string& path_;
  const cfg::KubernetesServiceAccount& cluster_;
  Context& context_;
};

}  // namespace

std::unique_ptr<const Authenticator> BuildKubernetes(const std::string& path, const std::string& name,
                                                     const cfg::KubernetesServiceAccount& cluster, Context& context) {
  return KubernetesBuilder(path, cluster, context).Build(name);
}

}  // namespace livekit::token::build
