#include "server/authority_builder.h"

#include <utility>
#include <vector>

#include "server/build/authenticators.h"
#include "server/build/context.h"
#include "server/build/deny_list.h"
#include "server/build/hmac_key.h"
#include "server/build/policies.h"
#include "server/build/projects.h"
#include "server/build/services.h"

namespace livekit::token {

BuildResult BuildAuthorityState(const config::v1::ServerConfig& config, const BuildOptions& options) {
  build::Context context(options);
  context.client_certificates = !config.listen().tls().client_ca_file().empty();
  for (const auto& service : config.services()) {
    context.caller_authenticators.insert(service.match().authenticator());
  }
  build::BuildProjects(config.projects(), context);
  AuthenticatorSet authenticators = build::BuildAuthenticators(config.authenticators(), context);
  context.hmac_key = build::LoadHmacKey(config.hmac_key_file(), context);
  std::vector<PolicyRules> policies = build::BuildPolicies(config, context);
  std::vector<ServiceRules> services = build::BuildServices(config.services(), context);
  DenyList deny_list = build::BuildDenyList(config, context);
  BuildResult result;
  if (context.problems.empty()) {
    result.state = std::make_shared<const AuthorityState>(
        AuthorityState{std::move(context.http_client), std::move(authenticators), PolicySet(std::move(policies)),
                       ServiceSet(std::move(services)), std::move(deny_list), std::move(context.authenticator_names)});
  }
  result.problems = std::move(context.problems);
  result.warnings = std::move(context.warnings);
  return result;
}

}  // namespace livekit::token
