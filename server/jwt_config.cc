#include "server/jwt_config.h"

#include "base/address.h"
#include "service/process.h"

namespace livekit::token {

namespace cfg = config::v1;

namespace {

bool IsPlainLoopback(const std::string& issuer) {
  constexpr std::string_view kScheme = "http://";
  if (issuer.rfind(kScheme, 0) != 0) return false;
  const std::string authority = issuer.substr(kScheme.size(), issuer.find('/', kScheme.size()) - kScheme.size());
  const auto host = HostOf(authority);
  return host && ClassifyHost(*host) == HostKind::kLoopback;
}

}  // namespace

cfg::ServerConfig JwtConfig(const JwtStart& start, const Environment& environment) {
  cfg::ServerConfig config;
  auto& project = *config.add_projects();
  project.set_name("main");
  project.set_client_url(environment("LIVEKIT_URL").value_or(""));
  project.mutable_keys()->set_env(true);

  auto& authenticator = *config.add_authenticators();
  authenticator.set_name("users");
  auto& jwt = *authenticator.mutable_jwt();
  jwt.set_issuer(start.issuer);
  for (auto& audience : SplitList(start.audience)) jwt.add_audiences(std::move(audience));
  jwt.set_allow_http(IsPlainLoopback(start.issuer));

  auto& policy = *config.add_policies();
  policy.set_name("user");
  policy.mutable_match()->set_authenticator("users");
  policy.mutable_room()->set_client(cfg::FIELD_MODE_ALLOW);
  policy.mutable_room()->set_default_("room-{random}");
  auto& grants = *policy.mutable_grants();
  grants.set_can_publish(true);
  grants.set_can_subscribe(true);
  grants.set_can_publish_data(true);
  return config;
}

}  // namespace livekit::token
