// What the tests of the server share: a clock that stands still, files, configurations.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "gtest/gtest.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "livekit/token/token_verifier.h"
#include "nlohmann/json.hpp"
#include "server/authn/api_key.h"
#include "server/authority_builder.h"
#include "service/config.h"
#include "support/status_matchers.h"

namespace livekit::token::testing {

// Every secret of these tests contains this, so that a leak is found by searching for it.
inline constexpr char kMarker[] = "MARKSECRET";
inline constexpr char kMainSecret[] = "MARKSECRET-main-0123456789abcdefghijkl";
inline constexpr char kSpareSecret[] = "MARKSECRET-spare-0123456789abcdefghijk";
inline constexpr char kOtherSecret[] = "MARKSECRET-other-0123456789abcdefghijk";

class FakeClock final : public Clock {
 public:
  Time Now() const override { return now; }
  SteadyTime Steady() const override { return SteadyTime(now.time_since_epoch()); }
  Time now = Time(std::chrono::seconds(1'900'000'000));
};

// A folder that disappears with its object.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "lkt-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(Path(name)) << text;
    ::chmod(Path(name).c_str(), mode);
    return Path(name);
  }

 private:
  std::string path_;
};

// `text` with every `$DIR` replaced by the folder's path.
inline std::string InDir(const TempDir& dir, std::string text) {
  for (std::size_t at = 0; (at = text.find("$DIR", at)) != std::string::npos;) text.replace(at, 4, dir.Path("."));
  return text;
}

// The secret part of the test key `id`.
inline std::string SecretOf(std::string_view id) { return std::string(kMarker) + "-key-of-" + std::string(id); }
inline std::string KeyOf(std::string_view id) { return std::string(id) + "." + SecretOf(id); }

// An API key file with a key for each id.
inline std::string KeyFile(const std::vector<std::string>& ids) {
  std::string text = "keys:\n";
  for (const auto& id : ids) text += "  " + HashApiKey(id, SecretOf(id)).line + "\n";
  return text;
}

// Nothing is rate-limited unless the text says so: the clock of most tests stands still.
inline config::v1::ServerConfig ServerConfigOf(const std::string& yaml) {
  config::v1::ServerConfig config;
  EXPECT_EQ(FormatProblems("server.yaml", ReadYaml(yaml, config)), "") << yaml;
  if (!config.has_rate_limits()) {
    auto& rates = *config.mutable_rate_limits();
    rates.set_per_principal("off");
    rates.set_per_address("off");
    rates.set_per_service("off");
    rates.set_auth_failures_per_address("off");
    rates.set_agents_per_principal("off");
    rates.set_agents_per_service("off");
  }
  return config;
}

inline Environment NoEnvironment() {
  return [](const char*) { return std::nullopt; };
}
inline Environment EnvironmentOf(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> std::optional<std::string> {
    const auto at = values.find(name);
    if (at == values.end()) return std::nullopt;
    return at->second;
  };
}

// The claims of a token, without any check of it.
inline nlohmann::json ClaimsOf(const std::string& token) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string::npos) return {};
  const auto payload = Base64UrlDecode(std::string_view(token).substr(first + 1, second - first - 1));
  return nlohmann::json::parse(payload.value_or(""), nullptr, false);
}

// What a livekit-server lets the holder of a `video` claim do, written from its rules and not from our code: absent
// `canPublish` and `canSubscribe` mean true, absent `canPublishData` follows `canPublish`, no source means all.
struct Effective {
  bool publish = false;
  bool subscribe = false;
  bool data = false;
  unsigned sources = 0;  // a bit for each source that may be published
  std::map<std::string, bool> others;

  bool Within(const Effective& most) const {
    if ((publish && !most.publish) || (subscribe && !most.subscribe) || (data && !most.data)) return false;
    if (publish && (sources & ~most.sources) != 0) return false;
    for (const auto& [name, value] : others) {
      const auto at = most.others.find(name);
      if (value && (at == most.others.end() || !at->second)) return false;
    }
    return true;
  }
};

inline constexpr const char* kSources[] = {"camera", "microphone", "screen_share", "screen_share_audio"};
inline constexpr const char* kOtherFlags[] = {"roomCreate",
                                              "roomList",
                                              "roomRecord",
                                              "roomAdmin",
                                              "roomJoin",
                                              "ingressAdmin",
                                              "hidden",
                                              "recorder",
                                              "agent",
                                              "canUpdateOwnMetadata",
                                              "canSubscribeMetrics",
                                              "canManageAgentSession"};

inline Effective EffectiveOf(const nlohmann::json& video) {
  const auto flag = [&](const char* name, bool otherwise) {
    const auto at = video.find(name);
    return at == video.end() ? otherwise : at->get<bool>();
  };
  Effective effective;
  effective.publish = flag("canPublish", true);
  effective.subscribe = flag("canSubscribe", true);
  effective.data = flag("canPublishData", effective.publish);
  const auto sources = video.find("canPublishSources");
  for (unsigned i = 0; i < 4; ++i) {
    bool may = effective.publish;
    if (may && sources != video.end() && !sources->empty()) {
      may = std::find(sources->begin(), sources->end(), kSources[i]) != sources->end();
    }
    if (may) effective.sources |= 1U << i;
  }
  for (const char* name : kOtherFlags) effective.others[name] = flag(name, false);
  return effective;
}

}  // namespace livekit::token::testing
