#include "server/authority_builder.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "server/build/authenticators.h"
#include "server/build/context.h"
#include "server/build/deny_list.h"
#include "server/build/hmac_key.h"
#include "server/build/policies.h"
#include "server/build/projects.h"
#include "server/build/rate_limits.h"
#include "server/build/services.h"

namespace livekit::token {

namespace {

// The longest life that a token of each project can have.
std::vector<KeyLedger::ProjectInUse> InUse(const std::vector<std::shared_ptr<const Project>>& projects,
                                           const std::vector<PolicyRules>& policies,
                                           const std::vector<ServiceRules>& services) {
  std::vector<KeyLedger::ProjectInUse> in_use;
  for (const auto& project : projects) {
    std::chrono::seconds longest{0};
    for (const PolicyRules& policy : policies) {
      if (policy.project == project) longest = std::max(longest, policy.ttl);
    }
    for (const ServiceRules& service : services) {
      if (service.mint != nullptr && service.MayUse(*project)) longest = std::max(longest, service.mint->max_ttl);
    }
    in_use.push_back({project, longest});
  }
  return in_use;
}

}  // namespace

BuildResult BuildAuthorityState(const config::v1::ServerConfig& config, const BuildOptions& options) {
  FileSnapshot own_files;
  KeyLedger own_ledger;
  JwksPool own_jwks;
  SharedParts shared = options.shared;
  if (shared.files == nullptr) shared.files = &own_files;
  if (shared.ledger == nullptr) shared.ledger = &own_ledger;
  if (shared.jwks == nullptr) shared.jwks = &own_jwks;
  build::Context context(options, shared);
  context.client_certificates = !config.listen().tls().client_ca_file().empty();
  for (const auto& service : config.services()) {
    context.caller_authenticators.insert(service.match().authenticator());
  }
  build::BuildProjects(config.projects(), context);
  AuthenticatorSet authenticators = build::BuildAuthenticators(config.authenticators(), context);
  build::HmacKeys hmac_keys = build::LoadHmacKeys(config.hmac_key_file(), context);
  context.hmac_key = hmac_keys.templates;
  std::vector<PolicyRules> policies = build::BuildPolicies(config, context);
  std::vector<ServiceRules> services = build::BuildServices(config.services(), context);
  DenyList deny_list = build::BuildDenyList(config, context);
  const RateLimits rate_limits = build::BuildRateLimits(config.rate_limits(), context);
  BuildResult result;
  if (context.problems.empty()) {
    auto projects = InUse(context.projects, policies, services);
    result.state = std::make_shared<const AuthorityState>(
        AuthorityState{std::move(authenticators), PolicySet(std::move(policies)), ServiceSet(std::move(services)),
                       std::move(deny_list), std::move(context.authenticator_names), std::move(projects),
                       config.audit().hash_names() ? std::move(hmac_keys.audit) : nullptr,
                       config.has_access_log_sample() ? config.access_log_sample() : 1, rate_limits});
  }
  result.problems = std::move(context.problems);
  result.warnings = std::move(context.warnings);
  return result;
}

}  // namespace livekit::token
