// Changed configuration, keys and lists, taken into use by a running program while it serves.

#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "support/program.h"
#include "support/raw_client.h"
#include "unit/http/client_fixture.h"

namespace livekit::token::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFirst[] = "APIfirst: MARKER-first-0123456789abcdefghijklmn\n";
constexpr char kSecond[] = "APIsecond: MARKER-second-0123456789abcdefghijkl\n";

std::string KeyOf(const std::string& id) { return id + ".MARKER-secret-of-" + id; }

json ClaimsOf(const std::string& token) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  const auto payload = Base64UrlDecode(std::string_view(token).substr(first + 1, second - first - 1));
  return json::parse(payload.value_or(""), nullptr, false);
}

class ReloadTest : public ::testing::Test {
 protected:
  // What is changed by tests.
  struct Parts {
    std::string signing_key = "APIfirst";
    std::string ttl = "5m";
    std::string grpc = "127.0.0.1:0";
    std::string authenticators;  // more
    std::string policies;        // more
  };

  void TearDown() override {
    if (program_ == nullptr) return;
    program_->Signal(SIGINT);
    EXPECT_EQ(program_->Wait(), 0) << program_->Output();
    EXPECT_THAT(program_->Output(), Not(HasSubstr("MARKER")));
  }

  // Files appear whole, as those who replace them should do it.
  std::string Put(const std::string& name, const std::string& text) const {
    const std::string path = folder_.path() + "/" + name;
    std::filesystem::rename(folder_.Write(name + ".new", text), path);
    return path;
  }
  std::string PutConfig(const Parts& parts) const {
    const std::string yaml = R"(
listen: { grpc: ")" + parts.grpc +
                             R"(", admin: "127.0.0.1:0" }
projects: [ { name: main, client_url: "wss://livekit.example", keys: { file: $DIR/keys.yaml, signing_key: )" +
                             parts.signing_key + R"( } } ]
# Tests ask until something changes.
rate_limits: { auth_failures_per_address: off, per_address: off, per_principal: off }
authenticators:
  - { name: partners, api_keys: { file: $DIR/partners.yaml } }
)" + parts.authenticators + R"(
policies:
  - { name: partner, match: { authenticator: partners }, room: { client: allow }, ttl: )" +
                             parts.ttl + R"( }
)" + parts.policies + R"(
deny_list: { file: $DIR/blocked.yaml }
drain: { delay: 0s }
gateway: { listen: { http: "127.0.0.1:0" }, relay_headers: [x-api-key], relay_cookies: [s] }
)";
    std::string text = yaml;
    for (std::size_t at = 0; (at = text.find("$DIR", at)) != std::string::npos;) text.replace(at, 4, folder_.path());
    return Put("token.yaml", text);
  }
  void PutPartners(const std::vector<std::string>& ids) const {
    std::string text = "keys:\n";
    for (const std::string& id : ids) {
      text += "  - { id: " + id + ", sha256: " + HexEncode(Sha256("MARKER-secret-of-" + id)) + " }\n";
    }
    Put("partners.yaml", text);
  }

  void Start(const Parts& parts) {
    Put("keys.yaml", kFirst);
    PutPartners({"acme"});
    Put("blocked.yaml", "blocked: []\n");
    program_ =
        std::make_unique<Program>("livekit-token-standalone", std::vector<std::string>{"--config=" + PutConfig(parts)});
    http_ = program_->AwaitPort("http");
    ASSERT_NE(http_, 0) << program_->Output();
    admin_ = program_->AwaitPort("admin");
    ASSERT_TRUE(Await([&] { return Status("/readyz") == 200; }));
  }

  static RawResponse Exchange(int port, const std::string& request) {
    return RawClient(port).Exchange(request).value_or(RawResponse{});
  }
  int Status(const std::string& path) const { return Exchange(admin_, GetRequest(path)).status; }
  std::string Page(const std::string& path) const { return Exchange(admin_, GetRequest(path)).body; }
  static std::string Request(const std::string& header, const std::string& room = "r") {
    return PostRequest("/getToken", json({{"room_name", room}}).dump(), header + "\r\n");
  }
  // The claims of a token, or the reason why there is none.
  static json Read(const RawResponse& response) {
    const json answer = json::parse(response.body, nullptr, false);
    if (response.status != 201) return answer.is_object() ? answer.value("reason", "?") : "no answer";
    return ClaimsOf(answer.value("participant_token", ""));
  }
  json Ask(const std::string& id = "acme", const std::string& room = "r") const {
    return Read(Exchange(http_, Request("x-api-key: " + KeyOf(id), room)));
  }
  std::string Issuer() const {
    const json claims = Ask();
    return claims.is_object() ? claims.value("iss", "") : claims.dump();
  }
  static int Ttl(const json& claims) {
    return claims.is_object() ? claims.value("exp", 0) - claims.value("nbf", 0) : 0;
  }
  // The states of all keys, such as `APIfirst=active`.
  std::string Keys() const {
    std::string text;
    const json keys = json::parse(Page("/debug/keys"), nullptr, false);
    for (const json& key : keys) {
      text += (text.empty() ? "" : " ") + key.value("key", "") + "=" + key.value("state", "");
    }
    return text;
  }
  std::string Hash() const {
    const std::string metrics = Page("/metrics");
    const std::size_t at = metrics.find("config_generation_info{hash=\"");
    return at == std::string::npos ? "" : metrics.substr(at + 29, 16);
  }
  int Count(const std::string& text) const {
    const std::string output = program_->Output();
    int count = 0;
    for (std::size_t at = 0; (at = output.find(text, at)) != std::string::npos; at += text.size()) ++count;
    return count;
  }
  ::testing::AssertionResult Await(const std::function<bool()>& condition) const {
    const auto end = steady_clock::now() + seconds(20);
    while (!condition()) {
      if (steady_clock::now() > end) return ::testing::AssertionFailure() << program_->Output();
      std::this_thread::sleep_for(milliseconds(5));  // only polls another process
    }
    return ::testing::AssertionSuccess();
  }

  TempFolder folder_;
  std::unique_ptr<Program> program_;
  int http_ = 0;
  int admin_ = 0;
};

TEST_F(ReloadTest, AKeyIsRotated) {
  Start(Parts());
  EXPECT_EQ(Issuer(), "APIfirst");
  EXPECT_EQ(Keys(), "APIfirst=active");
  Put("keys.yaml", std::string(kFirst) + kSecond);
  ASSERT_TRUE(Await([&] { return Keys() == "APIfirst=active APIsecond=pending"; }));
  EXPECT_EQ(Issuer(), "APIfirst");
  Parts parts;
  parts.signing_key = "APIsecond";
  PutConfig(parts);
  ASSERT_TRUE(Await([&] { return Keys() == "APIfirst=retiring APIsecond=active"; }));
  EXPECT_EQ(Issuer(), "APIsecond");
  const std::string metrics = Page("/metrics");
  for (const char* line : {
           R"(livekit_token_key_state{project="main",key="APIfirst",state="retiring"} 1)",
           R"(livekit_token_key_state{project="main",key="APIfirst",state="active"} 0)",
           R"(livekit_token_key_state{project="main",key="APIsecond",state="active"} 1)",
           R"(livekit_token_key_latest_expiry_timestamp_seconds{project="main",key="APIfirst"} )",
           R"(livekit_token_key_removable_timestamp_seconds{project="main",key="APIfirst"} )",
           R"(livekit_token_active_keys 1)",
       }) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  Put("keys.yaml", kSecond);
  ASSERT_TRUE(Await([&] { return Keys() == "APIfirst=gone APIsecond=active"; }));
  EXPECT_EQ(Issuer(), "APIsecond");
  EXPECT_THAT(Page("/debug/keys") + Page("/metrics"), Not(HasSubstr("MARKER")));
}

TEST_F(ReloadTest, PoliciesListsAndKeysOfCallersChange) {
  Start(Parts());
  EXPECT_EQ(Ttl(Ask()), 300);
  Parts parts;
  parts.ttl = "7m";
  PutConfig(parts);
  ASSERT_TRUE(Await([&] { return Ttl(Ask()) == 420; }));

  Put("blocked.yaml", "blocked: [{ room: closed }]\n");
  ASSERT_TRUE(Await([&] { return Ask("acme", "closed") == "PARTICIPANT_BLOCKED"; }));
  EXPECT_TRUE(Ask().is_object());

  EXPECT_EQ(Ask("other"), "AUTHENTICATION_FAILED");
  PutPartners({"other"});
  ASSERT_TRUE(Await([&] { return Ask("other").is_object(); }));
  EXPECT_EQ(Ask("acme"), "AUTHENTICATION_FAILED");
  EXPECT_EQ(Count("config_refused"), 0);
  EXPECT_EQ(Count("restart_needed"), 0);
}

TEST_F(ReloadTest, ABadGenerationLeavesTheGoodOneInUse) {
  Start(Parts());
  const std::string hash = Hash();
  Parts parts;
  parts.signing_key = "APIsecond";  // which is not there yet
  PutConfig(parts);
  ASSERT_TRUE(Await([&] { return Page("/metrics").find("config_last_reload_successful 0\n") != std::string::npos; }));
  EXPECT_EQ(Issuer(), "APIfirst");
  EXPECT_EQ(Hash(), hash);
  EXPECT_EQ(Keys(), "APIfirst=active");
  EXPECT_EQ(Status("/readyz"), 200);
  EXPECT_THAT(Page("/readyz?verbose"), AllOf(HasSubstr("configuration: "), HasSubstr("signing_key"), HasSubstr(hash)));
  EXPECT_TRUE(program_->AwaitOutput("config_refused")) << program_->Output();
  // A key file with a mistake in the line of the secret.
  Put("keys.yaml", std::string(kFirst) + "APIsecond MARKER-second-0123456789abcdefghijkl\n");
  ASSERT_TRUE(Await([&] { return Count("config_refused") >= 2; }));
  EXPECT_THAT(Page("/readyz?verbose"), AllOf(HasSubstr("configuration: generation"), Not(HasSubstr("MARKER"))));
  EXPECT_EQ(Issuer(), "APIfirst");
  // The other file heals it.
  Put("keys.yaml", std::string(kFirst) + kSecond);
  ASSERT_TRUE(Await([&] { return Issuer() == "APIsecond"; }));
  ASSERT_TRUE(Await([&] { return Page("/readyz?verbose").find("configuration: ok\n") != std::string::npos; }));
  EXPECT_THAT(Page("/metrics"), HasSubstr("config_last_reload_successful 1\n"));
  EXPECT_NE(Hash(), hash);
}

TEST_F(ReloadTest, ASignalMakesItReadAnew) {
  Start(Parts());
  const std::string hash = Hash();
  EXPECT_EQ(Count("config_loaded"), 0);
  program_->Signal(SIGHUP);
  ASSERT_TRUE(Await([&] { return Count("config_loaded") == 1; }));
  EXPECT_EQ(Hash(), hash);
  EXPECT_EQ(Issuer(), "APIfirst");
}

TEST_F(ReloadTest, SaysWhatNeedsARestart) {
  Parts parts;
  Start(parts);
  parts.grpc = "127.0.0.2:0";
  parts.ttl = "8m";
  PutConfig(parts);
  ASSERT_TRUE(Await([&] { return Ttl(Ask()) == 480; }));
  ASSERT_TRUE(Await([&] { return Count("restart_needed") > 0; }));
  EXPECT_EQ(Count("restart_needed"), 1) << program_->Output();
  EXPECT_THAT(program_->Output(), HasSubstr("listen"));
}

// As with `--config=<(command)`.
TEST_F(ReloadTest, AConfigurationFromAPipeIsReadOnce) {
  Put("keys.yaml", kFirst);
  PutPartners({"acme"});
  Put("blocked.yaml", "blocked: []\n");
  std::ifstream file(PutConfig(Parts()));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string pipe = folder_.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << text; });
  program_ = std::make_unique<Program>("livekit-token-standalone", std::vector<std::string>{"--config=" + pipe});
  writer.join();
  http_ = program_->AwaitPort("http");
  ASSERT_NE(http_, 0) << program_->Output();
  PutPartners({"other"});
  ASSERT_TRUE(Await([&] { return Ask("other").is_object(); }));
  EXPECT_EQ(Count("config_refused"), 0);
}

// An application that keeps everybody waiting until it may answer.
TEST_F(ReloadTest, ARequestEndsWithTheConfigurationThatItBeganWith) {
  std::mutex mutex;
  std::condition_variable changed;
  int asked = 0;
  bool open = false;
  const http::ScriptedServer application(http::Answering([&](const std::string&) {
    std::unique_lock lock(mutex);
    ++asked;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
    return http::Answer("200 OK", R"({"id":"ann"})");
  }));
  Parts parts;
  parts.authenticators = "  - { name: app, forward_auth: { url: \"" + application.Url("/") +
                         "\", allow_http: true, timeout: 8s, forward_cookies: [s], subject: { json: id } } }\n";
  const auto policy = [](const std::string& ttl) {
    return "  - { name: user, match: { authenticator: app }, room: { client: allow }, ttl: " + ttl + " }\n";
  };
  parts.policies = policy("3m");
  Start(parts);
  RawClient before(http_);
  ASSERT_TRUE(before.Send(Request("Cookie: s=1")));
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, seconds(20), [&] { return asked == 1; }));
  }
  // Two generations later.
  for (const char* ttl : {"6m", "9m"}) {
    parts.policies = policy(ttl);
    parts.ttl = ttl;
    PutConfig(parts);
    ASSERT_TRUE(Await([&] { return Ttl(Ask()) == std::stoi(ttl) * 60; }));
  }
  {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  EXPECT_EQ(Ttl(Read(before.Read().value_or(RawResponse{}))), 180);
  EXPECT_EQ(Ttl(Read(Exchange(http_, Request("Cookie: s=1")))), 540);
}

}  // namespace
}  // namespace livekit::token::testing
