#include "server/build/services.h"

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "livekit/token/access_token.h"
#include "livekit/token/grants.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

class ServiceBuilder {
 public:
  explicit ServiceBuilder(Context& context) : context_(context) {}

  std::vector<ServiceRules> Build(const google::protobuf::RepeatedPtrField<cfg::Service>& configured) {
    std::vector<ServiceRules> services;
    std::set<std::string> names;
    std::set<std::pair<std::string, std::string>> callers;
    for (int i = 0; i < configured.size(); ++i) {
      const cfg::Service& service = configured[i];
      const std::string path = ConfigPath("services", i);
      context_.CheckName(path, service.name(), names);
      ServiceRules rules;
      rules.name = service.name();
      rules.authenticator = service.match().authenticator();
      rules.subject = service.match().subject();
      const std::string match = ConfigPath(path, "match");
      if (context_.CheckAuthenticator(ConfigPath(match, "authenticator"), rules.authenticator)) {
        const bool anonymous = rules.authenticator == context_.anonymous;
        if (rules.subject.empty() != anonymous) {
          context_.Problem(ConfigPath(match, "subject"),
                           anonymous ? "does not exist for anonymous callers" : "is required");
        }
        if (anonymous && !context_.options.dev) {
          context_.Problem(ConfigPath(match, "authenticator"), "is anonymous: anyone could use the service");
        }
      }
      if (!callers.emplace(rules.authenticator, rules.subject).second) {
        context_.Problem(match, "is the caller of another service already");
      }
      if (!service.relay() && !service.assert_() && !service.has_mint() && !service.verify() && !service.explain()) {
        context_.Problem(path, "permits nothing; state `mint`, `relay`, `assert`, `verify` or `explain`");
      }
      rules.relay = service.relay();
      rules.asserts = service.assert_();
      rules.explain = service.explain();
      rules.projects = ServiceProjects(path, service);
      if (service.has_mint()) {
        rules.mint = std::make_shared<const MintCeiling>(BuildCeiling(ConfigPath(path, "mint"), service.mint()));
      }
      if (service.verify()) rules.verifier = BuildVerifier(rules.projects);
      services.push_back(std::move(rules));
    }
    return services;
  }

 private:
  std::vector<std::shared_ptr<const Project>> ServiceProjects(const std::string& path, const cfg::Service& service) {
    std::vector<std::shared_ptr<const Project>> projects;
    const std::string projects_path = ConfigPath(path, "projects");
    if (service.projects().empty()) {
      if (auto project = context_.FindProject(projects_path, "")) projects.push_back(std::move(project));
    }
    for (int i = 0; i < service.projects_size(); ++i) {
      if (auto project = context_.FindProject(ConfigPath(projects_path, i), service.projects(i))) {
        projects.push_back(std::move(project));
      }
    }
    return projects;
  }

  static std::shared_ptr<const TokenVerifier> BuildVerifier(
      const std::vector<std::shared_ptr<const Project>>& projects) {
    auto ring = std::make_shared<KeyRing>();
    for (const auto& project : projects) {
      if (project->keys == nullptr) continue;  // a problem already
      // A key that is there twice is a problem already.
      for (const auto& [id, key] : project->keys->keys()) ring->Add(key).IgnoreError();
    }
    return std::make_shared<const TokenVerifier>(std::move(ring));
  }

  MintCeiling BuildCeiling(const std::string& path, const cfg::MintCeiling& mint) {
    const auto globs = [&](const char* name, const google::protobuf::RepeatedPtrField<std::string>& list) {
      context_.CheckGlobs(ConfigPath(path, name), list);
      return std::vector<std::string>(list.begin(), list.end());
    };
    MintCeiling ceiling;
    ceiling.rooms = globs("rooms", mint.rooms());
    ceiling.identities = globs("identities", mint.identities());
    ceiling.room_presets = globs("room_presets", mint.room_presets());
    ceiling.video = mint.video();
    context_.CheckSources(ConfigPath(path, "video"), mint.video());
    if (!mint.video().room().empty() || !mint.video().destination_room().empty()) {
      context_.Problem(ConfigPath(path, "video"), "names a room; `rooms` decides about rooms");
    }
    ceiling.sip = mint.sip();
    ceiling.agent = mint.agent();
    ceiling.inference = mint.inference();
    ceiling.observability = mint.observability();
    for (int i = 0; i < mint.kinds_size(); ++i) {
      if (!IsParticipantKind(mint.kinds(i)))
        context_.Problem(ConfigPath(ConfigPath(path, "kinds"), i), "is not a kind");
      ceiling.kinds.push_back(mint.kinds(i));
    }
    for (int i = 0; i < mint.kind_details_size(); ++i) {
      if (!IsKindDetail(mint.kind_details(i))) {
        context_.Problem(ConfigPath(ConfigPath(path, "kind_details"), i), "is not a kind detail");
      }
      ceiling.kind_details.push_back(mint.kind_details(i));
    }
    ceiling.sha256 = mint.sha256();
    ceiling.extra_claims = mint.extra_claims();
    ceiling.room_config = mint.room_config();
    ceiling.sensitive_room_config = mint.sensitive_room_config();
    if (mint.sensitive_room_config() && !mint.room_config()) {
      context_.Problem(ConfigPath(path, "sensitive_room_config"), "needs `room_config: true`");
    }
    if (mint.has_max_ttl()) {
      ceiling.max_ttl = context_.Seconds(ConfigPath(path, "max_ttl"), mint.max_ttl());
      if (ceiling.max_ttl.count() < 1 || ceiling.max_ttl > kMaxTtl) {
        context_.Problem(ConfigPath(path, "max_ttl"), "must be from 1s to 876000h");
      }
    }
    return ceiling;
  }

  Context& context_;
};

}  // namespace

std::vector<ServiceRules> BuildServices(const google::protobuf::RepeatedPtrField<cfg::Service>& services,
                                        Context& context) {
  return ServiceBuilder(context).Build(services);
}

}  // namespace livekit::token::build
