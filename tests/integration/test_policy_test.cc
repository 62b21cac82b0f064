// `--test_policy` of the real programs.

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/program.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempFolder;

constexpr char kSecret[] = "MARKER-livekit-secret-0123456789abcdef";

class TestPolicy : public ::testing::Test {
 protected:
  TestPolicy() {
    config_ = folder_.Write("token.yaml", R"(
projects: [{ name: main, client_url: "wss://main.example", keys: { env: true } }]
authenticators:
  - { name: app, jwt: { issuer: "https://login.invalid/", audiences: [a] } }
policies:
  - name: app
    match: { authenticator: app }
    room: { client: allow, pattern: "{claims.tenant}_[a-z]{1,9}" }
)");
  }

  testing::Finished Test(const std::string& program, const std::string& tests, std::vector<std::string> flags = {}) {
    flags.push_back("--test_policy=" + folder_.Write("tests.yaml", tests));
    return testing::RunProgram(
        program, std::move(flags),
        {{"LIVEKIT_URL", "wss://main.example"}, {"LIVEKIT_API_KEY", "APImain"}, {"LIVEKIT_API_SECRET", kSecret}});
  }

  static constexpr char kPass[] = R"(
tests:
  - name: a user joins a room of the own tenant
    principal: { authenticator: app, subject: alice, claims: { tenant: a } }
    request: { room_name: a_x }
    expect: { policy: app, grants: { identity: alice, video: { room_join: true, room: "a_*" } } }
)";
  static constexpr char kFail[] = R"(
  - name: a user joins every room
    principal: { authenticator: app, subject: alice, claims: { tenant: a } }
    request: { room_name: b_x }
    expect: { policy: app }
)";

  TempFolder folder_;
  std::string config_;
};

TEST_F(TestPolicy, EndsWithOneIfATestFails) {
  const testing::Finished good = Test("livekit-token-server", kPass, {"--config=" + config_});
  EXPECT_EQ(good.status, 0) << good.output;
  EXPECT_EQ(good.output, "ok   a user joins a room of the own tenant\n1 of 1 tests passed\n");
  const testing::Finished bad = Test("livekit-token-server", std::string(kPass) + kFail, {"--config=" + config_});
  EXPECT_EQ(bad.status, 1);
  EXPECT_EQ(bad.output,
            "ok   a user joins a room of the own tenant\n"
            "FAIL a user joins every room\n"
            "       refused: ROOM_NOT_PERMITTED: This room is not permitted.\n"
            "         room_name: is not a value that the policy permits\n"
            "         policy app: It applies.\n"
            "1 of 2 tests passed\n");
}

TEST_F(TestPolicy, ReadsTheStandalonesFileToo) {
  std::ofstream(config_, std::ios::app) << "gateway: { cors: { origins: [\"https://app.example\"] } }\n";
  EXPECT_EQ(Test("livekit-token-standalone", kPass, {"--config=" + config_}).status, 0);
  EXPECT_EQ(Test("livekit-token-standalone", std::string(kPass) + kFail, {"--config=" + config_}).status, 1);
}

TEST_F(TestPolicy, WorksWithEveryWayToStart) {
  const std::string dev =
      "tests: [{ name: t, principal: { authenticator: anonymous }, expect: { policy: dev, grants: { identity: "
      "\"guest-*\", video: { room_join: true, room: \"room-*\" } } } }]";
  for (const char* program : {"livekit-token-server", "livekit-token-standalone"}) {
    const testing::Finished finished = Test(program, dev, {"--dev"});
    EXPECT_EQ(finished.status, 0) << finished.output;
  }
  const std::string user =
      "tests: [{ name: t, principal: { authenticator: users, subject: a }, expect: { ttl: 15m, grants: { identity: a, "
      "video: { room_join: true, room: \"room-*\", can_publish: true, can_subscribe: true, can_publish_data: true } } "
      "} }]";
  const testing::Finished jwt =
      Test("livekit-token-server", user, {"--jwt_issuer=https://login.invalid/", "--jwt_audience=a"});
  EXPECT_EQ(jwt.status, 0) << jwt.output;
}

TEST_F(TestPolicy, RunsNothingOfABadFile) {
  const std::string flag = "--config=" + config_;
  const testing::Finished unknown = Test("livekit-token-server", std::string(kPass) + "    expected: {}\n", {flag});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.output, HasSubstr("tests.yaml: tests[0].expected: "));
  EXPECT_THAT(unknown.output, Not(HasSubstr("ok ")));
  const testing::Finished missing =
      testing::RunProgram("livekit-token-server", {flag, "--test_policy=/nonexistent/tests.yaml"},
                          {{"LIVEKIT_API_KEY", "APImain"}, {"LIVEKIT_API_SECRET", kSecret}});
  EXPECT_EQ(missing.status, 1);
  // A bad configuration is reported as ever.
  const testing::Finished config = Test("livekit-token-server", kPass, {"--config=/nonexistent.yaml"});
  EXPECT_EQ(config.status, 1);
  EXPECT_THAT(config.output, Not(HasSubstr("passed")));
}

}  // namespace
}  // namespace livekit::token
