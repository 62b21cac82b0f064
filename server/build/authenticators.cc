#include "server/build/authenticators.h"

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/text.h"
#include "server/authn/api_key.h"
#include "server/authn/mtls.h"
#include "server/authn/trusted_headers.h"
#include "server/build/context.h"
#include "server/build/forward_auth.h"
#include "server/build/introspection.h"
#include "server/build/jwt.h"
#include "server/build/kubernetes.h"
#include "server/build/spiffe.h"
#include "server/build/token_fields.h"
#include "service/trusted_proxy.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

class AuthenticatorBuilder {
 public:
  explicit AuthenticatorBuilder(Context& context) : context_(context) {}

  AuthenticatorSet Build(const google::protobuf::RepeatedPtrField<cfg::Authenticator>& authenticators) {
    if (authenticators.empty()) {
      context_.Problem("authenticators", "at least one is required; `--dev` starts without, on loopback only");
    }
    std::set<std::string> names;
    for (int i = 0; i < authenticators.size(); ++i) {
      const cfg::Authenticator& authenticator = authenticators[i];
      const std::string path = ConfigPath("authenticators", i);
      context_.CheckName(path, authenticator.name(), names);
      context_.authenticator_names.insert(authenticator.name());
      switch (authenticator.kind_case()) {
        case cfg::Authenticator::kApiKeys:
          BuildApiKeys(ConfigPath(path, "api_keys"), authenticator.name(), authenticator.api_keys());
          break;
        case cfg::Authenticator::kAnonymous:
          if (!context_.anonymous.empty()) context_.Problem(ConfigPath(path, "anonymous"), "there is one already");
          context_.anonymous = authenticator.name();
          break;
        case cfg::Authenticator::kMtls:
          BuildMtls(ConfigPath(path, "mtls"), authenticator.name(), authenticator.mtls());
          break;
        case cfg::Authenticator::kTrustedHeaders:
          BuildTrustedHeaders(ConfigPath(path, "trusted_headers"), authenticator.name(),
                              authenticator.trusted_headers());
          break;
        case cfg::Authenticator::kJwt:
          Add(BuildJwt(ConfigPath(path, "jwt"), authenticator.name(), authenticator.jwt(), context_));
          break;
        case cfg::Authenticator::kOauth2Introspection:
          Add(BuildIntrospection(ConfigPath(path, "oauth2_introspection"), authenticator.name(),
                                 authenticator.oauth2_introspection(), context_));
          break;
        case cfg::Authenticator::kKubernetesServiceAccount:
          Add(BuildKubernetes(ConfigPath(path, "kubernetes_service_account"), authenticator.name(),
                              authenticator.kubernetes_service_account(), context_));
          break;
        case cfg::Authenticator::kSpiffeJwt:
          Add(BuildSpiffe(ConfigPath(path, "spiffe_jwt"), authenticator.name(), authenticator.spiffe_jwt(), context_));
          break;
        case cfg::Authenticator::kForwardAuth:
          Add(BuildForwardAuth(ConfigPath(path, "forward_auth"), authenticator.name(), authenticator.forward_auth(),
                               context_));
          break;
        case cfg::Authenticator::KIND_NOT_SET:
          context_.Problem(path,
                           "says not how: give `jwt`, `forward_auth`, `oauth2_introspection`, "
                           "`kubernetes_service_account`, `spiffe_jwt`, `api_keys`, `mtls`, `trusted_headers` or "
                           "`anonymous`");
      }
    }
    CheckOpaqueTokens(authenticators, context_);
    CheckForwardedHeaders(authenticators, context_);
    CheckProxyHeaders(authenticators);
    if (context_.client_certificates && !has_mtls_) {
      context_.Warning("listen.tls.client_ca_file", "identifies nobody without an authenticator of kind `mtls`");
    }
    return AuthenticatorSet(std::move(authenticators_), context_.anonymous, context_.metrics);
  }

 private:
  // Null is a problem already, or the build is only a check.
  void Add(std::unique_ptr<const Authenticator> built) {
    if (built != nullptr) authenticators_.push_back(std::move(built));
  }

  void BuildApiKeys(const std::string& path, const std::string& name, const cfg::ApiKeys& keys) {
    const std::string header = keys.header().empty() ? "x-api-key" : AsciiLower(keys.header());
    if (header == kCallerHeader ||
        header.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
      context_.Problem(ConfigPath(path, "header"), "is not a header that can carry end users' keys");
    }
    const std::string file_path = ConfigPath(path, "file");
    if (keys.file().empty()) return context_.Problem(file_path, "is required");
    auto text = context_.files.Read(keys.file());
    if (!text.ok()) return context_.Problem(file_path, keys.file() + " cannot be read");
    cfg::ApiKeyFile file;
    for (const auto& problem : ReadYaml(*text, file)) {
      context_.Problem(file_path, keys.file() + ": " + problem.path + ": " + problem.message);
    }
    std::vector<ApiKeyRecord> records;
    for (int i = 0; i < file.keys_size(); ++i) {
      const std::string place = keys.file() + ": " + ConfigPath("keys", i);
      if (auto record = ReadRecord(file_path, place, file.keys(i))) {
        const auto [owner, inserted] = api_key_owners_.emplace(record->id, name);
        if (!inserted && owner->second != name) {
          context_.Problem(file_path,
                           place + ".id: belongs to another authenticator, so that its key would be ambiguous");
        }
        records.push_back(*std::move(record));
      }
    }
    authenticators_.push_back(std::make_unique<ApiKeyAuthenticator>(name, header, std::move(records)));
  }

  void BuildMtls(const std::string& path, const std::string& name, const cfg::Mtls& mtls) {
    has_mtls_ = true;
    if (!context_.client_certificates) {
      context_.Problem(path, "needs `listen.tls.client_ca_file`, the authorities whose certificates are believed");
    }
    if (mtls.uri_sans().empty() && mtls.dns_sans().empty()) {
      context_.Problem(path, "accepts nobody; give `uri_sans` or `dns_sans`");
    }
    context_.CheckGlobs(ConfigPath(path, "uri_sans"), mtls.uri_sans());
    context_.CheckGlobs(ConfigPath(path, "dns_sans"), mtls.dns_sans());
    authenticators_.push_back(std::make_unique<MtlsAuthenticator>(
        name, std::vector<std::string>(mtls.uri_sans().begin(), mtls.uri_sans().end()),
        std::vector<std::string>(mtls.dns_sans().begin(), mtls.dns_sans().end())));
  }

  void BuildTrustedHeaders(const std::string& path, const std::string& name, const cfg::TrustedHeaders& trusted) {
    const auto header = [&](const std::string& place, const std::string& text) {
      std::string lower = AsciiLower(text);
      const std::string problem = text.empty() ? "is required" : CheckIdentityHeader(lower);
      if (!problem.empty()) context_.Problem(place, problem);
      proxy_headers_.emplace(lower, place);
      return lower;
    };
    std::string subject = header(ConfigPath(path, "subject_header"), trusted.subject_header());
    if (!subjects_.insert(subject).second) {
      context_.Problem(ConfigPath(path, "subject_header"),
                       "names the subject of another authenticator, so that whose user it is would be ambiguous");
    }
    std::map<std::string, std::string> claims;
    const std::string claims_path = ConfigPath(path, "claim_headers");
    for (const auto& [claim, text] : trusted.claim_headers()) {
      if (claim.empty()) context_.Problem(claims_path, "has a claim without name");
      claims[claim] = header(ConfigPath(claims_path, claim), text);
    }
    std::vector<Network> networks;
    for (int i = 0; i < trusted.networks_size(); ++i) {
      const std::string problem = CheckProxyNetwork(trusted.networks(i));
      if (problem.empty()) {
        networks.push_back(*Network::Parse(trusted.networks(i)));
      } else {
        context_.Problem(ConfigPath(ConfigPath(path, "networks"), i), problem);
      }
    }
    authenticators_.push_back(std::make_unique<TrustedHeadersAuthenticator>(name, std::move(subject), std::move(claims),
                                                                            std::move(networks)));
  }

  // A header in which clients bring credentials of their own cannot be one that only a proxy sets.
  void CheckProxyHeaders(const google::protobuf::RepeatedPtrField<cfg::Authenticator>& authenticators) {
    for (const auto& authenticator : authenticators) {
      for (const std::string& name : CredentialHeaders(authenticator)) {
        const auto [first, last] = proxy_headers_.equal_range(name);
        for (auto it = first; it != last; ++it) {
          context_.Problem(it->second, "is the header in which " + authenticator.name() + " reads credentials");
        }
      }
    }
  }

  std::optional<ApiKeyRecord> ReadRecord(const std::string& path, const std::string& place,
                                         const cfg::ApiKeyEntry& entry) {
    const std::size_t before = context_.problems.size();
    ApiKeyRecord record;
    record.id = entry.id();
    if (!IsApiKeyId(entry.id())) context_.Problem(path, place + ".id: must be 1 to 64 letters, digits, `-` and `_`");
    const std::string hash = AsciiLower(entry.sha256());
    if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
      context_.Problem(path, place + ".sha256: must be 64 hexadecimal digits; `--hash_api_key ID` prints the line");
    } else {
      const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
      for (std::size_t i = 0; i < 64; i += 2) {
        record.sha256.push_back(static_cast<char>(digit(hash[i]) * 16 + digit(hash[i + 1])));
      }
    }
    nlohmann::json claims = nlohmann::json::object();
    for (const auto& [name, value] : entry.claims()) claims[name] = value;
    record.claims = Claims(std::move(claims));
    if (!entry.not_after().empty()) {
      absl::Time time;
      std::string error;
      if (absl::ParseTime(absl::RFC3339_full, entry.not_after(), &time, &error)) {
        record.not_after = absl::ToChronoTime(time);
      } else {
        context_.Problem(path, place + ".not_after: must be a time such as 2027-01-31T00:00:00Z");
      }
    }
    if (context_.problems.size() != before) return std::nullopt;
    return record;
  }

  Context& context_;
  std::vector<std::unique_ptr<const Authenticator>> authenticators_;
  std::map<std::string, std::string> api_key_owners_;
  bool has_mtls_ = false;
  std::set<std::string> subjects_;                         // headers of subjects
  std::multimap<std::string, std::string> proxy_headers_;  // and where they are configured
};

}  // namespace

AuthenticatorSet BuildAuthenticators(const google::protobuf::RepeatedPtrField<cfg::Authenticator>& authenticators,
                                     Context& context) {
  return AuthenticatorBuilder(context).Build(authenticators);
}

}  // namespace livekit::token::build
