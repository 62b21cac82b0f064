#include "server/authority_builder.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/text.h"
#include "livekit/token/access_token.h"
#include "livekit/token/grants.h"
#include "server/authn/api_key.h"

namespace livekit::token {
namespace {

namespace cfg = config::v1;

constexpr std::chrono::seconds kMinParticipantTtl{2 * 60};  // SDKs do not cache tokens that live a minute or less
constexpr std::chrono::seconds kMaxParticipantTtl{24 * 60 * 60};

// The sentence of a refusal that our own code made about a configured value.
std::string Sentence(const absl::Status& status) {
  const v1::Error error = ToError(status);
  return error.fields_size() > 0 ? error.fields(0).message() : error.message();
}

class Builder {
 public:
  Builder(const cfg::ServerConfig& config, const BuildOptions& options) : config_(config), options_(options) {}

  BuildResult Build() {
    BuildProjects();
    BuildAuthenticators();
    std::vector<PolicyRules> policies = BuildPolicies();
    std::vector<ServiceRules> services = BuildServices();
    BuildResult result;
    if (problems_.empty()) {
      result.state = std::make_shared<const AuthorityState>(
          AuthorityState{AuthenticatorSet(std::move(authenticators_), anonymous_), PolicySet(std::move(policies)),
                         std::move(services)});
    }
    result.problems = std::move(problems_);
    result.warnings = std::move(warnings_);
    return result;
  }

 private:
  void Problem(const std::string& path, std::string message) { problems_.push_back({path, std::move(message)}); }

  // Notes a name that is missing or there twice.
  void CheckName(const std::string& path, const std::string& name, std::set<std::string>& seen) {
    if (name.empty()) {
      Problem(ConfigPath(path, "name"), "is required");
    } else if (!seen.insert(name).second) {
      Problem(ConfigPath(path, "name"), "is there twice");
    }
  }

  void CheckGlobs(const std::string& path, const google::protobuf::RepeatedPtrField<std::string>& globs) {
    for (int i = 0; i < globs.size(); ++i) {
      if (globs[i].empty()) Problem(ConfigPath(path, i), "is empty");
      if (globs[i].find_first_of("^$|()[]{}+?\\") != std::string::npos) {
        Problem(ConfigPath(path, i),
                "is a literal name in which only `*` is special; regular expressions do not work here");
      }
    }
  }

  std::chrono::seconds Seconds(const std::string& path, const google::protobuf::Duration& duration) {
    if (duration.nanos() != 0) Problem(path, "must be whole seconds");
    return std::chrono::seconds(duration.seconds());
  }

  // --- projects

  void BuildProjects() {
    if (config_.projects().empty()) Problem("projects", "at least one is required");
    std::set<std::string> names;
    for (int i = 0; i < config_.projects_size(); ++i) {
      const cfg::Project& project = config_.projects(i);
      const std::string path = ConfigPath("projects", i);
      CheckName(path, project.name(), names);
      auto built = std::make_shared<Project>();
      built->name = project.name();
      built->client_url = ClientUrl(ConfigPath(path, "client_url"), project.client_url());
      if (!project.api_url().empty() && !IsUrl(project.api_url(), {"http://", "https://"})) {
        Problem(ConfigPath(path, "api_url"), "must begin with http:// or https://");
      }
      if (!project.sfu_version().empty()) {
        auto version = SfuVersion::Parse(project.sfu_version());
        if (version.ok()) {
          built->sfu_version = *version;
        } else {
          Problem(ConfigPath(path, "sfu_version"), "must be a version of livekit-server such as \"1.11\"");
        }
      }
      LoadKeys(ConfigPath(path, "keys"), project.keys(), *built);
      projects_.push_back(std::move(built));
    }
  }

  static bool IsUrl(std::string_view text, std::initializer_list<std::string_view> schemes) {
    for (const auto scheme : schemes) {
      if (text.substr(0, scheme.size()) != scheme) continue;
      const std::string_view rest = text.substr(scheme.size());
      // White space and control characters, or a user's password for everyone to read, are mistakes.
      return !rest.empty() && rest.front() != '/' && rest.find('@') == std::string_view::npos &&
             std::none_of(rest.begin(), rest.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20; });
    }
    return false;
  }

  std::string ClientUrl(const std::string& path, std::string url) {
    if (url.empty()) {
      if (!options_.dev) Problem(path, "is required: the wss:// address at which clients reach LiveKit");
      return url;
    }
    // Client SDKs open a WebSocket; people often copy the address of the HTTP interface.
    for (const auto& [http, ws] : {std::pair{"http://", "ws://"}, std::pair{"https://", "wss://"}}) {
      if (url.rfind(http, 0) != 0) continue;
      url.replace(0, std::string_view(http).size(), ws);
      warnings_.push_back({path, std::string("was given with ") + http + "; clients are sent " + ws});
    }
    if (!IsUrl(url, {"ws://", "wss://"})) Problem(path, "must be a wss:// or ws:// address without user or password");
    return url;
  }

  absl::StatusOr<LoadedKeys> Load(const cfg::Keys& keys) {
    const SecretStrength strength = options_.dev ? SecretStrength::kAny : SecretStrength::kRequired;
    const bool pair = !keys.api_key_file().empty() || !keys.api_secret_file().empty();
    if (int{!keys.file().empty()} + int{pair} + int{keys.env()} != 1) {
      return Refuse(v1::FIELD_INVALID,
                    "give exactly one of `file`, `api_key_file` with `api_secret_file`, and `env: true`");
    }
    if (!keys.file().empty()) return LoadKeyFile(keys.file(), strength);
    if (pair) return LoadKeyPair(keys.api_key_file(), keys.api_secret_file(), strength);
    LKT_ASSIGN_OR_RETURN(LoadedKeys loaded, KeysFromEnvironment(options_.environment, strength));
    if (loaded.keys.empty() && options_.dev) {
      LKT_ASSIGN_OR_RETURN(auto key, ApiKey::Create("devkey", "secret", strength));
      loaded.keys.push_back(std::move(key));
    }
    if (loaded.keys.empty()) {
      return Refuse(v1::FIELD_REQUIRED,
                    "the environment has no key; set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, LIVEKIT_KEYS or "
                    "LIVEKIT_KEY_FILE");
    }
    return loaded;
  }

  void LoadKeys(const std::string& path, const cfg::Keys& keys, Project& project) {
    auto loaded = Load(keys);
    if (!loaded.ok()) return Problem(path, Sentence(loaded.status()));
    for (const auto& warning : loaded->warnings) warnings_.push_back({path, warning});
    auto ring = std::make_shared<KeyRing>();
    for (const auto& key : loaded->keys) {
      if (!ring->Add(key).ok() || !key_ids_.insert(key->id()).second) {
        Problem(path, "has an API key that is there twice, here or in another project");
      }
    }
    if (!keys.signing_key().empty()) {
      project.signing_key = ring->Find(keys.signing_key());
      if (project.signing_key == nullptr) {
        Problem(ConfigPath(path, "signing_key"), "is not among the keys that were loaded");
      }
    } else if (loaded->keys.size() == 1 || options_.dev) {
      project.signing_key = loaded->keys.front();
    } else {
      Problem(ConfigPath(path, "signing_key"), "is required, since there are several keys");
    }
    project.keys = std::move(ring);
  }

  std::shared_ptr<const Project> FindProject(const std::string& path, const std::string& name) {
    if (name.empty()) {
      if (projects_.size() == 1) return projects_.front();
      Problem(path, "is required, since there are several projects");
      return nullptr;
    }
    for (const auto& project : projects_) {
      if (project->name == name) return project;
    }
    Problem(path, "is not the name of a project");
    return nullptr;
  }

  // --- authenticators

  void BuildAuthenticators() {
    if (config_.authenticators().empty()) {
      Problem("authenticators", "at least one is required; `--dev` starts without, on loopback only");
    }
    std::set<std::string> names;
    for (int i = 0; i < config_.authenticators_size(); ++i) {
      const cfg::Authenticator& authenticator = config_.authenticators(i);
      const std::string path = ConfigPath("authenticators", i);
      CheckName(path, authenticator.name(), names);
      authenticator_names_.insert(authenticator.name());
      switch (authenticator.kind_case()) {
        case cfg::Authenticator::kApiKeys:
          BuildApiKeys(ConfigPath(path, "api_keys"), authenticator.name(), authenticator.api_keys());
          break;
        case cfg::Authenticator::kAnonymous:
          if (!anonymous_.empty()) Problem(ConfigPath(path, "anonymous"), "there is one already");
          anonymous_ = authenticator.name();
          break;
        default:
          Problem(path, "says not how: give `api_keys` or `anonymous`");
      }
    }
  }

  void BuildApiKeys(const std::string& path, const std::string& name, const cfg::ApiKeys& keys) {
    const std::string header = keys.header().empty() ? "x-api-key" : AsciiLower(keys.header());
    if (header == kCallerHeader ||
        header.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
      Problem(ConfigPath(path, "header"), "is not a header that can carry end users' keys");
    }
    const std::string file_path = ConfigPath(path, "file");
    if (keys.file().empty()) return Problem(file_path, "is required");
    auto text = ReadFile(keys.file());
    if (!text.ok()) return Problem(file_path, keys.file() + " cannot be read");
    cfg::ApiKeyFile file;
    for (const auto& problem : ReadYaml(*text, file)) {
      Problem(file_path, keys.file() + ": " + problem.path + ": " + problem.message);
    }
    std::vector<ApiKeyRecord> records;
    for (int i = 0; i < file.keys_size(); ++i) {
      const std::string place = keys.file() + ": " + ConfigPath("keys", i);
      if (auto record = ReadRecord(file_path, place, file.keys(i))) {
        const auto [owner, inserted] = api_key_owners_.emplace(record->id, name);
        if (!inserted && owner->second != name) {
          Problem(file_path, place + ".id: belongs to another authenticator, so that its key would be ambiguous");
        }
        records.push_back(*std::move(record));
      }
    }
    authenticators_.push_back(std::make_unique<ApiKeyAuthenticator>(name, header, std::move(records)));
  }

  std::optional<ApiKeyRecord> ReadRecord(const std::string& path, const std::string& place,
                                         const cfg::ApiKeyEntry& entry) {
    const std::size_t before = problems_.size();
    ApiKeyRecord record;
    record.id = entry.id();
    if (!IsApiKeyId(entry.id())) Problem(path, place + ".id: must be 1 to 64 letters, digits, `-` and `_`");
    const std::string hash = AsciiLower(entry.sha256());
    if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
      Problem(path, place + ".sha256: must be 64 hexadecimal digits; `--hash_api_key ID` prints the line");
    } else {
      const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
      for (std::size_t i = 0; i < 64; i += 2) {
        record.sha256.push_back(static_cast<char>(digit(hash[i]) * 16 + digit(hash[i + 1])));
      }
    }
    for (const auto& [name, value] : entry.claims()) {
      (*record.claims.mutable_fields())[name].set_string_value(value);
    }
    if (!entry.not_after().empty()) {
      absl::Time time;
      std::string error;
      if (absl::ParseTime(absl::RFC3339_full, entry.not_after(), &time, &error)) {
        record.not_after = absl::ToChronoTime(time);
      } else {
        Problem(path, place + ".not_after: must be a time such as 2027-01-31T00:00:00Z");
      }
    }
    if (problems_.size() != before) return std::nullopt;
    return record;
  }

  bool CheckAuthenticator(const std::string& path, const std::string& name) {
    if (!name.empty() && authenticator_names_.count(name) != 0) return true;
    Problem(path, name.empty() ? "is required" : "is not the name of an authenticator");
    return false;
  }

  // --- policies

  std::vector<PolicyRules> BuildPolicies() {
    std::vector<PolicyRules> policies;
    std::set<std::string> names;
    for (int i = 0; i < config_.policies_size(); ++i) {
      const cfg::Policy& policy = config_.policies(i);
      const std::string path = ConfigPath("policies", i);
      CheckName(path, policy.name(), names);
      policies.push_back(BuildPolicy(path, policy));
    }
    return policies;
  }

  PolicyRules BuildPolicy(const std::string& path, const cfg::Policy& policy) {
    PolicyRules rules;
    rules.name = policy.name();
    rules.authenticator = policy.match().authenticator();
    CheckAuthenticator(ConfigPath(path, "match.authenticator"), rules.authenticator);
    const bool anonymous = !anonymous_.empty() && rules.authenticator == anonymous_;
    rules.project = FindProject(ConfigPath(path, "project"), policy.project());

    if (!policy.has_room()) Problem(ConfigPath(path, "room"), "is required: who chooses the room must be stated");
    rules.room = BuildField(ConfigPath(path, "room"), policy.room(), anonymous);
    if (policy.has_room()) CheckObtainable(ConfigPath(path, "room"), policy.room());
    if (policy.has_identity()) {
      rules.identity = BuildField(ConfigPath(path, "identity"), policy.identity(), anonymous);
      CheckObtainable(ConfigPath(path, "identity"), policy.identity());
    } else if (anonymous) {
      rules.identity.default_value = *Template::Parse("guest-{random}");
    } else {
      rules.identity.mode = FieldRule::Mode::kIfEqual;
      rules.identity.value = *Template::Parse("{subject}");
    }
    rules.display_name.mode = FieldRule::Mode::kAllow;
    if (policy.has_display_name()) {
      rules.display_name = BuildField(ConfigPath(path, "display_name"), policy.display_name(), anonymous);
    }
    if (policy.has_metadata()) {
      rules.metadata = BuildField(ConfigPath(path, "metadata"), policy.metadata(), anonymous);
    }
    rules.attributes_allowed = AllowOrForbid(ConfigPath(path, "attributes.client"), policy.attributes().client());
    const std::string config_path = ConfigPath(path, "room_config");
    rules.room_config.allowed = AllowOrForbid(ConfigPath(config_path, "client"), policy.room_config().client());
    CheckGlobs(ConfigPath(config_path, "agents"), policy.room_config().agents());
    rules.room_config.agents.assign(policy.room_config().agents().begin(), policy.room_config().agents().end());
    if (policy.room_config().max_agents() < 0) Problem(ConfigPath(config_path, "max_agents"), "must not be negative");
    if (policy.room_config().max_agents() > 0) rules.room_config.max_agents = policy.room_config().max_agents();
    rules.room_config.egress = policy.room_config().egress();
    if (policy.has_grants()) rules.grants = BuildPolicyGrants(ConfigPath(path, "grants"), policy.grants());
    if (policy.has_ttl()) {
      rules.ttl = Seconds(ConfigPath(path, "ttl"), policy.ttl());
      if (rules.ttl < kMinParticipantTtl || rules.ttl > kMaxParticipantTtl) {
        Problem(ConfigPath(path, "ttl"), "must be from 2m to 24h");
      }
    }
    return rules;
  }

  FieldRule BuildField(const std::string& path, const cfg::FieldRule& field, bool anonymous) {
    FieldRule rule;
    switch (field.client()) {
      case cfg::FIELD_MODE_ALLOW:
        rule.mode = FieldRule::Mode::kAllow;
        break;
      case cfg::FIELD_MODE_IF_EQUAL:
        rule.mode = FieldRule::Mode::kIfEqual;
        if (field.value().empty()) Problem(ConfigPath(path, "value"), "is required with `client: if_equal`");
        break;
      default:
        break;
    }
    const auto parse = [&](const char* name, const std::string& text) -> std::optional<Template> {
      if (text.empty()) return std::nullopt;
      auto parsed = Template::Parse(text);
      if (!parsed.ok()) {
        Problem(ConfigPath(path, name), Sentence(parsed.status()));
        return std::nullopt;
      }
      if (anonymous && parsed->uses_subject()) {
        Problem(ConfigPath(path, name), "uses {subject}, which anonymous callers do not have; use {random}");
      }
      return *std::move(parsed);
    };
    rule.default_value = parse("default", field.default_());
    rule.value = parse("value", field.value());
    if (rule.value && rule.default_value) Problem(path, "has both `default` and `value`; `value` is always taken");
    if (rule.value && rule.mode == FieldRule::Mode::kAllow) {
      Problem(ConfigPath(path, "value"), "is the forced value and does not go with `client: allow`; use `default`");
    }
    return rule;
  }

  // A room or identity that neither the client nor the policy may give would refuse every request.
  void CheckObtainable(const std::string& path, const cfg::FieldRule& field) {
    const bool forbidden = field.client() == cfg::FIELD_MODE_UNSPECIFIED || field.client() == cfg::FIELD_MODE_FORBID;
    if (forbidden && field.default_().empty() && field.value().empty()) {
      Problem(path, "can never be had; give `value`, or `client: allow`");
    }
  }

  bool AllowOrForbid(const std::string& path, cfg::FieldMode mode) {
    if (mode == cfg::FIELD_MODE_IF_EQUAL) Problem(path, "must be allow or forbid");
    return mode == cfg::FIELD_MODE_ALLOW;
  }

  v1::VideoGrant BuildPolicyGrants(const std::string& path, const v1::VideoGrant& grants) {
    if (!grants.has_can_publish() || !grants.has_can_subscribe() || !grants.has_can_publish_data()) {
      Problem(path,
              "must state can_publish, can_subscribe and can_publish_data, since LiveKit grants what is left out");
    }
    CheckSources(path, grants);
    const auto forbid = [&](bool stated, const char* field, const char* why) {
      if (stated) Problem(ConfigPath(path, field), why);
    };
    constexpr char kUnscoped[] = "is not limited to one room, so it comes only from `services`";
    forbid(grants.room_create(), "room_create", kUnscoped);
    forbid(grants.room_list(), "room_list", kUnscoped);
    forbid(grants.room_record(), "room_record", kUnscoped);
    forbid(grants.ingress_admin(), "ingress_admin", kUnscoped);
    forbid(grants.agent(), "agent", kUnscoped);
    forbid(grants.room_join(), "room_join", "is granted by every policy; leave it out");
    forbid(!grants.room().empty(), "room", "is decided by the policy's `room`");
    forbid(!grants.destination_room().empty(), "destination_room", "comes only from `services`");
    return grants;
  }

  void CheckSources(const std::string& path, const v1::VideoGrant& grants) {
    for (int i = 0; i < grants.can_publish_sources_size(); ++i) {
      if (IsTrackSource(grants.can_publish_sources(i))) continue;
      Problem(ConfigPath(ConfigPath(path, "can_publish_sources"), i),
              "must be camera, microphone, screen_share or screen_share_audio");
    }
  }

  // --- services

  std::vector<ServiceRules> BuildServices() {
    std::vector<ServiceRules> services;
    std::set<std::string> names;
    std::set<std::pair<std::string, std::string>> callers;
    for (int i = 0; i < config_.services_size(); ++i) {
      const cfg::Service& service = config_.services(i);
      const std::string path = ConfigPath("services", i);
      CheckName(path, service.name(), names);
      ServiceRules rules;
      rules.name = service.name();
      rules.authenticator = service.match().authenticator();
      rules.subject = service.match().subject();
      const std::string match = ConfigPath(path, "match");
      if (CheckAuthenticator(ConfigPath(match, "authenticator"), rules.authenticator)) {
        const bool anonymous = rules.authenticator == anonymous_;
        if (rules.subject.empty() != anonymous) {
          Problem(ConfigPath(match, "subject"), anonymous ? "does not exist for anonymous callers" : "is required");
        }
        if (anonymous && !options_.dev) {
          Problem(ConfigPath(match, "authenticator"), "is anonymous: anyone could use the service");
        }
      }
      if (!callers.emplace(rules.authenticator, rules.subject).second) {
        Problem(match, "is the caller of another service already");
      }
      if (!service.relay() && !service.has_mint() && !service.verify()) {
        Problem(path, "permits nothing; state `mint`, `relay` or `verify`");
      }
      rules.relay = service.relay();
      rules.projects = ServiceProjects(path, service);
      if (service.has_mint()) {
        rules.mint = std::make_shared<const MintCeiling>(BuildCeiling(ConfigPath(path, "mint"), service.mint()));
      }
      if (service.verify()) rules.verifier = BuildVerifier(rules.projects);
      services.push_back(std::move(rules));
    }
    return services;
  }

  std::vector<std::shared_ptr<const Project>> ServiceProjects(const std::string& path, const cfg::Service& service) {
    std::vector<std::shared_ptr<const Project>> projects;
    const std::string projects_path = ConfigPath(path, "projects");
    if (service.projects().empty()) {
      if (auto project = FindProject(projects_path, "")) projects.push_back(std::move(project));
    }
    for (int i = 0; i < service.projects_size(); ++i) {
      if (auto project = FindProject(ConfigPath(projects_path, i), service.projects(i))) {
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
      CheckGlobs(ConfigPath(path, name), list);
      return std::vector<std::string>(list.begin(), list.end());
    };
    MintCeiling ceiling;
    ceiling.rooms = globs("rooms", mint.rooms());
    ceiling.identities = globs("identities", mint.identities());
    ceiling.room_presets = globs("room_presets", mint.room_presets());
    ceiling.video = mint.video();
    CheckSources(ConfigPath(path, "video"), mint.video());
    if (!mint.video().room().empty() || !mint.video().destination_room().empty()) {
      Problem(ConfigPath(path, "video"), "names a room; `rooms` decides about rooms");
    }
    ceiling.sip = mint.sip();
    ceiling.agent = mint.agent();
    ceiling.inference = mint.inference();
    ceiling.observability = mint.observability();
    for (int i = 0; i < mint.kinds_size(); ++i) {
      if (!IsParticipantKind(mint.kinds(i))) Problem(ConfigPath(ConfigPath(path, "kinds"), i), "is not a kind");
      ceiling.kinds.push_back(mint.kinds(i));
    }
    for (int i = 0; i < mint.kind_details_size(); ++i) {
      if (!IsKindDetail(mint.kind_details(i))) {
        Problem(ConfigPath(ConfigPath(path, "kind_details"), i), "is not a kind detail");
      }
      ceiling.kind_details.push_back(mint.kind_details(i));
    }
    ceiling.sha256 = mint.sha256();
    ceiling.extra_claims = mint.extra_claims();
    ceiling.room_config = mint.room_config();
    ceiling.sensitive_room_config = mint.sensitive_room_config();
    if (mint.sensitive_room_config() && !mint.room_config()) {
      Problem(ConfigPath(path, "sensitive_room_config"), "needs `room_config: true`");
    }
    if (mint.has_max_ttl()) {
      ceiling.max_ttl = Seconds(ConfigPath(path, "max_ttl"), mint.max_ttl());
      if (ceiling.max_ttl.count() < 1 || ceiling.max_ttl > kMaxTtl) {
        Problem(ConfigPath(path, "max_ttl"), "must be from 1s to 876000h");
      }
    }
    return ceiling;
  }

  const cfg::ServerConfig& config_;
  const BuildOptions& options_;
  ConfigProblems problems_;
  ConfigProblems warnings_;
  std::vector<std::shared_ptr<const Project>> projects_;
  std::set<std::string> key_ids_;
  std::vector<std::unique_ptr<const Authenticator>> authenticators_;
  std::set<std::string> authenticator_names_;
  std::map<std::string, std::string> api_key_owners_;
  std::string anonymous_;
};

}  // namespace

BuildResult BuildAuthorityState(const cfg::ServerConfig& config, const BuildOptions& options) {
  return Builder(config, options).Build();
}

}  // namespace livekit::token
