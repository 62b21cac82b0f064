// The whole gateway over sockets; what it answers is tested in handler_test.cc.

#include "gateway/gateway.h"

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "handler_fixture.h"
#include "support/certificate.h"
#include "support/program.h"
#include "support/raw_client.h"
#include "support/status_matchers.h"
#include "support/tls_client.h"

namespace livekit::token::gateway {
namespace {

using livekit::token::testing::PostRequest;
using livekit::token::testing::RawClient;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Holds requests until the test answers them.
class HoldingBackend : public Backend {
 public:
  void Issue(Item, Done done) override {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.push_back(std::move(done));
    if (!arrived_) {
      arrived_ = true;
      first_.set_value();
    }
  }
  bool Ready() const override { return true; }

  bool AwaitFirst() { return first_.get_future().wait_for(seconds(30)) == std::future_status::ready; }
  std::vector<Done> Take() {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(pending_, {});
  }

 private:
  std::mutex mutex_;
  bool arrived_ = false;
  std::promise<void> first_;
  std::vector<Done> pending_;
};

config::v1::GatewayConfig Config() {
  config::v1::GatewayConfig config;
  config.mutable_listen()->set_http("127.0.0.1:0");
  return config;
}

class GatewayTest : public ::testing::Test {
 protected:
  std::unique_ptr<Gateway> Start(Backend& backend, const config::v1::GatewayConfig& config = Config(),
                                 GatewayOptions options = {}) {
    auto gateway = Gateway::Start(config, options, backend, metrics);
    EXPECT_OK(gateway);
    return gateway.ok() ? *std::move(gateway) : nullptr;
  }

  Metrics metrics;
};

TEST_F(GatewayTest, ServesTheEndpointAtThePortItNames) {
  FakeBackend backend;
  auto gateway = Start(backend);
  ASSERT_NE(gateway, nullptr);
  EXPECT_EQ(gateway->address(), "127.0.0.1:" + std::to_string(gateway->port()));
  RawClient client(gateway->port());
  const auto response = client.Exchange(PostRequest("/getToken", R"({"room_name":"r"})"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->Header("content-type"), "application/json");
  EXPECT_EQ(response->body, R"({"server_url":"wss://acme.livekit.cloud","participant_token":"aaa.bbb.ccc"})");
  EXPECT_EQ(backend.items.at(0).client_address(), "127.0.0.1");
  EXPECT_EQ(backend.items.at(0).timeout().seconds(), 9);
}

TEST_F(GatewayTest, AppliesTheConfiguredLimits) {
  auto config = Config();
  config.mutable_limits()->set_body_bytes(64);
  config.add_token_paths("/t");
  FakeBackend backend;
  auto gateway = Start(backend, config);
  ASSERT_NE(gateway, nullptr);
  const std::string large = R"({"room_name":")" + std::string(64, 'x') + "\"}";
  const auto refused = RawClient(gateway->port()).Exchange(PostRequest("/t", large));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 413);
  EXPECT_THAT(refused->body, ::testing::HasSubstr("BODY_TOO_LARGE"));
  const auto taken = RawClient(gateway->port()).Exchange(PostRequest("/t", "{}"));
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->status, 201);
  const auto elsewhere = RawClient(gateway->port()).Exchange(PostRequest("/getToken", "{}"));
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->status, 404);
}

TEST_F(GatewayTest, BelievesTheConfiguredProxiesOnly) {
  for (const bool trusted : {false, true}) {
    auto config = Config();
    config.add_trusted_proxies(trusted ? "127.0.0.0/8" : "10.0.0.0/8");
    FakeBackend backend;
    auto gateway = Start(backend, config);
    ASSERT_NE(gateway, nullptr);
    ASSERT_TRUE(RawClient(gateway->port()).Exchange(PostRequest("/getToken", "{}", "X-Forwarded-For: 192.0.2.1\r\n")));
    EXPECT_EQ(backend.items.at(0).client_address(), trusted ? "192.0.2.1" : "127.0.0.1");
  }
}

TEST_F(GatewayTest, FailsToStartOnATakenPortAndOnABadConfiguration) {
  FakeBackend backend;
  auto first = Start(backend);
  ASSERT_NE(first, nullptr);
  auto config = Config();
  config.mutable_listen()->set_http(first->address());
  EXPECT_FALSE(Gateway::Start(config, {}, backend, metrics).ok());
  config = Config();
  config.add_relay_headers("x-caller-authorization");
  EXPECT_FALSE(Gateway::Start(config, {}, backend, metrics).ok());
  config = Config();
  config.mutable_listen()->mutable_tls()->set_cert_file("c");
  EXPECT_FALSE(Gateway::Start(config, {}, backend, metrics).ok());
  config = Config();
  config.add_trusted_proxies("0.0.0.0/0");
  EXPECT_FALSE(Gateway::Start(config, {}, backend, metrics).ok());
  config = Config();
  config.mutable_listen()->set_http("0.0.0.0:0");
  EXPECT_FALSE(Gateway::Start(config, {true, false}, backend, metrics).ok());
}

TEST_F(GatewayTest, FinishesWhatIsInProgressWhenItDrains) {
  HoldingBackend backend;
  auto gateway = Start(backend);
  ASSERT_NE(gateway, nullptr);
  RawClient client(gateway->port());
  ASSERT_TRUE(client.Send(PostRequest("/getToken", "{}")));
  ASSERT_TRUE(backend.AwaitFirst());
  gateway->Discourage();
  auto drained = std::async(std::launch::async, [&] { return gateway->Drain(steady_clock::now() + seconds(30)); });
  for (auto& done : backend.Take()) done(FakeBackend::Token());
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->Header("connection"), "close");
  EXPECT_TRUE(drained.get());
}

TEST_F(GatewayTest, CutsOffWhatIsInProgressAtTheDeadlineAndSurvivesItsLateAnswer) {
  HoldingBackend backend;
  auto gateway = Start(backend);
  ASSERT_NE(gateway, nullptr);
  RawClient client(gateway->port());
  ASSERT_TRUE(client.Send(PostRequest("/getToken", "{}")));
  ASSERT_TRUE(backend.AwaitFirst());
  EXPECT_FALSE(gateway->Drain(steady_clock::now()));
  gateway.reset();
  for (auto& done : backend.Take()) done(FakeBackend::Token());
  EXPECT_FALSE(client.Read());
}

TEST(GatewayTlsTest, ServesHttpsAndNothingElseOnThePort) {
  const testing::TempFolder folder;
  const auto files = testing::WriteCertificate(folder, "gateway");
  auto config = Config();
  config.mutable_listen()->mutable_tls()->set_cert_file(files.cert_file);
  config.mutable_listen()->mutable_tls()->set_key_file(files.key_file);
  FakeBackend backend;
  Metrics metrics;
  ASSERT_OK_AND_ASSIGN(auto gateway, Gateway::Start(config, {}, backend, metrics));
  testing::TlsClientOptions offer;
  offer.alpn = {"h2", "http/1.1"};
  testing::TlsClient client(gateway->port(), offer);
  ASSERT_TRUE(client.secure()) << client.error();
  EXPECT_EQ(client.alpn(), "http/1.1");
  const auto response = client.Exchange(PostRequest("/getToken", "{}"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 201);
  RawClient plain(gateway->port());
  EXPECT_EQ(plain.Exchange(PostRequest("/getToken", "{}")), std::nullopt);
  EXPECT_EQ(backend.items.size(), 1u);
}

TEST(GatewayTlsTest, TakesANewCertificateOrKeepsTheOldOne) {
  const testing::TempFolder folder;
  const auto write = [&](const std::string& name, const std::string& common_name) {
    testing::CertificateOptions options;
    options.common_name = common_name;
    return WriteCertificate(folder, name, options);
  };
  const auto files = write("own", "first");
  const auto next = write("next", "second");
  auto config = Config();
  config.mutable_listen()->mutable_tls()->set_cert_file(files.cert_file);
  config.mutable_listen()->mutable_tls()->set_key_file(files.key_file);
  FakeBackend backend;
  Metrics metrics;
  auto gateway = Gateway::Start(config, {}, backend, metrics);
  ASSERT_OK(gateway);
  const auto shown = [&] { return testing::TlsClient((*gateway)->port()).peer_name(); };
  EXPECT_EQ(shown(), "first");
  EXPECT_THAT(metrics.Serialize(), ::testing::HasSubstr("not_after_timestamp_seconds{role=\"http\"} 1"));
  // Half of an update.
  folder.Write("own.crt", *ReadFile(next.cert_file));
  const auto problems = (*gateway)->ReloadTls(ReadFile);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].path, "listen.tls.key_file");
  EXPECT_THAT(problems[0].message, ::testing::HasSubstr(files.key_file));
  EXPECT_EQ(shown(), "first");
  folder.Write("own.key", *ReadFile(next.key_file));
  EXPECT_TRUE((*gateway)->ReloadTls(ReadFile).empty());
  EXPECT_EQ(shown(), "second");
}

TEST_F(GatewayTest, HasNoCertificateToReloadWithoutTls) {
  FakeBackend backend;
  auto gateway = Start(backend);
  ASSERT_NE(gateway, nullptr);
  EXPECT_TRUE(gateway->ReloadTls(ReadFile).empty());
  RawClient client(gateway->port());
  EXPECT_TRUE(client.Exchange(PostRequest("/getToken", "{}")));
}

}  // namespace
}  // namespace livekit::token::gateway
