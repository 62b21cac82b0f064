#include "server/build/projects.h"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "livekit/token/key_source.h"
#include "server/build/context.h"
#include "server/self_test.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

class ProjectBuilder {
 public:
  explicit ProjectBuilder(Context& context) : context_(context) {}

  void Build(const google::protobuf::RepeatedPtrField<cfg::Project>& projects) {
    if (projects.empty()) context_.Problem("projects", "at least one is required");
    std::set<std::string> names;
    for (int i = 0; i < projects.size(); ++i) {
      const cfg::Project& project = projects[i];
      const std::string path = ConfigPath("projects", i);
      context_.CheckName(path, project.name(), names);
      auto built = std::make_shared<Project>();
      built->name = project.name();
      built->client_url = ClientUrl(ConfigPath(path, "client_url"), project.client_url());
      if (!project.api_url().empty() && !IsUrl(project.api_url(), {"http://", "https://"})) {
        context_.Problem(ConfigPath(path, "api_url"), "must begin with http:// or https://");
      }
      if (!project.sfu_version().empty()) {
        auto version = SfuVersion::Parse(project.sfu_version());
        if (version.ok()) {
          built->sfu_version = *version;
        } else {
          context_.Problem(ConfigPath(path, "sfu_version"), "must be a version of livekit-server such as \"1.11\"");
        }
      }
      LoadKeys(ConfigPath(path, "keys"), project.keys(), *built);
      context_.projects.push_back(std::move(built));
    }
  }

 private:
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
      if (!context_.options.dev)
        context_.Problem(path, "is required: the wss:// address at which clients reach LiveKit");
      return url;
    }
    // Client SDKs open a WebSocket; people often copy the address of the HTTP interface.
    for (const auto& [http, ws] : {std::pair{"http://", "ws://"}, std::pair{"https://", "wss://"}}) {
      if (url.rfind(http, 0) != 0) continue;
      url.replace(0, std::string_view(http).size(), ws);
      context_.Warning(path, std::string("was given with ") + http + "; clients are sent " + ws);
    }
    if (!IsUrl(url, {"ws://", "wss://"}))
      context_.Problem(path, "must be a wss:// or ws:// address without user or password");
    return url;
  }

  absl::StatusOr<LoadedKeys> Load(const cfg::Keys& keys) {
    const SecretStrength strength = context_.options.dev ? SecretStrength::kAny : SecretStrength::kRequired;
    const bool pair = !keys.api_key_file().empty() || !keys.api_secret_file().empty();
    if (int{!keys.file().empty()} + int{pair} + int{keys.env()} != 1) {
      return Refuse(v1::FIELD_INVALID,
                    "give exactly one of `file`, `api_key_file` with `api_secret_file`, and `env: true`");
    }
    const KeyFileReader read = [this](const std::string& path) { return context_.ReadKeys(path); };
    if (!keys.file().empty()) return LoadKeyFile(keys.file(), strength, read);
    if (pair) return LoadKeyPair(keys.api_key_file(), keys.api_secret_file(), strength, read);
    LKT_ASSIGN_OR_RETURN(LoadedKeys loaded, KeysFromEnvironment(context_.options.environment, strength, read));
    if (loaded.keys.empty() && context_.options.dev) {
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
    if (!loaded.ok()) return context_.Problem(path, Sentence(loaded.status()));
    for (const auto& warning : loaded->warnings) context_.Warning(path, warning);
    auto ring = std::make_shared<KeyRing>();
    for (const auto& key : loaded->keys) {
      if (!ring->Add(key).ok() || !context_.key_ids.insert(key->id()).second) {
        context_.Problem(path, "has an API key that is there twice, here or in another project");
      }
    }
    if (!keys.signing_key().empty()) {
      project.signing_key = ring->Find(keys.signing_key());
      if (project.signing_key == nullptr) {
        context_.Problem(ConfigPath(path, "signing_key"), "is not among the keys that were loaded");
      }
    } else if (loaded->keys.size() == 1 || context_.options.dev) {
      project.signing_key = loaded->keys.front();
    } else {
      context_.Problem(ConfigPath(path, "signing_key"), "is required, since there are several keys");
    }
    project.keys = std::move(ring);
    if (project.signing_key == nullptr) return;
    project.signing_record = context_.ledger.Record(project.name, project.signing_key->id());
    if (const absl::Status tested = TestKeys(project, SystemClock().Now()); !tested.ok()) {
      context_.Problem(path, std::string(tested.message()));
    }
  }

  Context& context_;
};

}  // namespace

void BuildProjects(const google::protobuf::RepeatedPtrField<cfg::Project>& projects, Context& context) {
  ProjectBuilder(context).Build(projects);
}

}  // namespace livekit::token::build
