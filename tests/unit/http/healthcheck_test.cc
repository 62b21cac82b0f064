#include "http/healthcheck.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/admin.h"
#include "http/socket.h"
#include "support/program.h"
#include "support/status_matchers.h"

namespace livekit::token::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::TempFolder;

class HealthcheckTest : public ::testing::Test {
 protected:
  // Starts an admin listener and gives the address at which others find it.
  std::string Start(const std::string& address) {
    auto admin = Admin::Start({address, metrics_, lifecycle_, heartbeats_, {}});
    EXPECT_THAT(admin, IsOk());
    if (!admin.ok()) return "";
    admin_ = *std::move(admin);
    return admin_->address();
  }
  std::string Answer(const std::string& address) { return std::string(AskHealth(address, seconds(5)).message()); }

  Metrics metrics_;
  std::atomic<bool> is_ready_{true};
  Heartbeats heartbeats_;
  Lifecycle lifecycle_{[this]() -> std::vector<Check> { return {{"numbers", is_ready_, "there are none"}}; }};
  std::unique_ptr<Admin> admin_;
};

TEST_F(HealthcheckTest, IsHealthyWhenAliveAndReady) {
  const std::string address = Start("127.0.0.1:0");
  EXPECT_EQ(Answer(address), "/readyz answered 503");
  lifecycle_.SetStarted();
  EXPECT_THAT(AskHealth(address, seconds(5)), IsOk());
  is_ready_ = false;
  EXPECT_EQ(Answer(address), "/readyz answered 503");
  is_ready_ = true;
  const auto heart = heartbeats_.Add("loop", std::chrono::steady_clock::now() - seconds(11));
  EXPECT_EQ(Answer(address), "/livez answered 503");
}

TEST_F(HealthcheckTest, FindsListenersOnAllAddresses) {
  lifecycle_.SetStarted();
  for (const char* address : {"[::]:0", "0.0.0.0:0", ":0", "localhost:0"}) {
    EXPECT_THAT(AskHealth(Start(address), seconds(5)), IsOk()) << address;
    admin_.reset();
  }
}

TEST_F(HealthcheckTest, TellsThatNobodyListens) {
  const std::string address = Start("127.0.0.1:0");
  admin_.reset();
  EXPECT_EQ(Answer(address), "nothing listens at " + address);
}

TEST_F(HealthcheckTest, GivesUpOnSilence) {
  ASSERT_OK_AND_ASSIGN(const Listeners silent, Listen("127.0.0.1:0"));
  const std::string address = silent.address.ToString();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(AskHealth(address, milliseconds(50)).message(), Sv("no answer to /livez from " + address));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(50));
}

TEST(AdminAddressTest, IsThatOfTheFlagTheFileOrTheDefault) {
  const TempFolder folder;
  const std::string file =
      folder.Write("server.yaml", "listen: { grpc: \"[::]:1\", admin: \"127.0.0.1:2\" }\nother: 3\n");
  const std::string without = folder.Write("without.yaml", "listen: { grpc: \"[::]:1\" }\n");
  const auto address = [](const std::string& flag, const std::string& path) {
    const auto found = AdminAddress(flag, path);
    EXPECT_THAT(found, IsOk());
    return found.value_or("");
  };
  EXPECT_EQ(address("", file), "127.0.0.1:2");
  EXPECT_EQ(address("[::1]:4", file), "[::1]:4");
  EXPECT_EQ(address("", without), "localhost:9464");
  EXPECT_EQ(address("", ""), "localhost:9464");
}

TEST(AdminAddressTest, RefusesWhatLeadsNowhere) {
  const TempFolder folder;
  EXPECT_THAT(AdminAddress("", folder.path() + "/missing.yaml").status().message(), HasSubstr("missing.yaml"));
  const std::string broken = folder.Write("broken.yaml", "listen: { admin: \"127.0.0.1:2\"\n");
  EXPECT_THAT(AdminAddress("", broken), Not(IsOk()));
  for (const char* admin : {"127.0.0.1:0", "127.0.0.1", "[::1:9464"}) {
    EXPECT_THAT(AdminAddress(admin, ""), Not(IsOk())) << admin;
  }
}

}  // namespace
}  // namespace livekit::token::http
