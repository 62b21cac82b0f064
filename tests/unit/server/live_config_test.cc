// The configuration of a running token server, from one generation to the next.
#include "server/live_config.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

class LiveConfigTest : public ::testing::Test {
 protected:
  ServerStartup Prepare(const SharedParts& shared) {
    BuildOptions options;
    options.environment = testing::NoEnvironment();
    options.shared = shared;
    ServerStartup startup;
    BuildResult built = BuildAuthorityState(testing::ServerConfigOf(testing::InDir(dir_, R"(
projects: [{ name: main, client_url: wss://main.example, keys: { file: $DIR/keys } }]
authenticators: [{ name: guests, anonymous: {} }]
policies: [{ name: guest, match: { authenticator: guests }, room: { client: allow } }]
)")),
                                            options);
    startup.state = std::move(built.state);
    startup.problems = std::move(built.problems);
    if (startup.state != nullptr) {
      const std::lock_guard lock(mutex_);
      states_.push_back(startup.state);
    }
    return startup;
  }
  // Which states are still there, the oldest first.
  std::vector<bool> States() {
    const std::lock_guard lock(mutex_);
    std::vector<bool> states;
    for (const auto& state : states_) states.push_back(!state.expired());
    return states;
  }
  void PutKeys(const std::string& text) const {
    std::filesystem::rename(dir_.Write("keys.new", text), dir_.Path("keys"));
  }
  static bool Await(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  testing::TempDir dir_;
  testing::FakeClock clock_;
  Metrics metrics_;
  AuditLog audit_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<const AuthorityState>> states_;  // guarded by mutex_
};

TEST_F(LiveConfigTest, GivesUpWhatIsNoLongerInUse) {
  PutKeys(std::string("APIa: ") + testing::kMainSecret + "\n");
  LiveConfig live([this](const SharedParts& shared) { return Prepare(shared); }, clock_, metrics_, audit_);
  ASSERT_NE(live.startup().state, nullptr);
  live.Watch([](FileSnapshot&) { return ConfigProblems(); });
  EXPECT_THAT(States(), ElementsAre(true));
  live.Reload();
  EXPECT_TRUE(Await([&] { return States() == std::vector{false, true}; }));
  live.Reload();
  EXPECT_TRUE(Await([&] { return States() == std::vector{false, false, true}; }));
  live.Stop();
}

TEST_F(LiveConfigTest, TakesAllOrNothing) {
  PutKeys(std::string("APIa: ") + testing::kMainSecret + "\n");
  LiveConfig live([this](const SharedParts& shared) { return Prepare(shared); }, clock_, metrics_, audit_);
  std::atomic<bool> refuse{true};
  live.Watch([&refuse](FileSnapshot&) {
    return refuse ? ConfigProblems{{"listen.tls", "does not fit"}} : ConfigProblems();
  });
  const auto first = live.authorities().Current().get();
  const std::string generation = live.state().generation;
  PutKeys(std::string("APIb: ") + testing::kOtherSecret + "\n");
  ASSERT_TRUE(Await([&] { return !live.state().refused.empty(); }));
  EXPECT_EQ(live.authorities().Current().get(), first);
  EXPECT_EQ(live.state().generation, generation);
  EXPECT_EQ(live.state().refused[0].path, "listen.tls");
  ASSERT_EQ(live.keys().size(), 1U);
  EXPECT_EQ(live.keys()[0].key_id, "APIa");
  refuse = false;
  live.Reload();
  ASSERT_TRUE(Await([&] { return live.state().generation != generation; }));
  EXPECT_TRUE(live.state().refused.empty());
  EXPECT_NE(live.authorities().Current().get(), first);
  EXPECT_EQ(live.keys().size(), 2U);
  live.Stop();
  live.Reload();  // nobody looks any more
}

}  // namespace
}  // namespace livekit::token
