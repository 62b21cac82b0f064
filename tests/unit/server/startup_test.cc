#include "server/startup.h"

#include <string>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/dev_config.h"
#include "server/token_service.h"

namespace livekit::token {
namespace {

using testing::EnvironmentOf;
using ::testing::HasSubstr;
using testing::InDir;
using ::testing::IsEmpty;
using testing::kMarker;
using testing::kServerYaml;
using testing::NoEnvironment;
using ::testing::Not;
using testing::ServerConfigOf;

const ServerOptions kDev{true, false};
const ServerOptions kDevPrivate{true, true};
const ServerOptions kProduction{};
const ServerOptions kPlaintext{false, false, true};

class PrepareServerTest : public testing::AuthorityFixture {};

TEST_F(PrepareServerTest, RefusesToStartWithoutAFileOutsideDevelopment) {
  const auto startup = PrepareServer(nullptr, {}, kProduction,
                                     EnvironmentOf({{"LIVEKIT_API_KEY", "k"}, {"LIVEKIT_API_SECRET", kMarker}}));
  EXPECT_EQ(startup.state, nullptr);
  ASSERT_EQ(startup.problems.size(), 1U);
  EXPECT_THAT(startup.problems[0].message, HasSubstr("--config"));
}

TEST_F(PrepareServerTest, RefusesAFileInDevelopment) {
  const auto config = ServerConfigOf(InDir(dir_, kServerYaml));
  const auto startup = PrepareServer(&config, {}, kDev, NoEnvironment());
  EXPECT_EQ(startup.state, nullptr);
  ASSERT_EQ(startup.problems.size(), 1U);
  EXPECT_THAT(startup.problems[0].message, HasSubstr("--dev"));
}

TEST_F(PrepareServerTest, RefusesToServeWithoutAnAuthenticator) {
  auto config = ServerConfigOf(InDir(dir_, kServerYaml));
  config.clear_authenticators();
  config.clear_policies();
  config.clear_services();
  const auto startup = PrepareServer(&config, {}, kProduction, NoEnvironment());
  EXPECT_EQ(startup.state, nullptr);
  EXPECT_THAT(FormatProblems("f", startup.problems), HasSubstr("authenticators: at least one is required"));
}

TEST_F(PrepareServerTest, CompletesAFile) {
  const auto config = ServerConfigOf(InDir(dir_, kServerYaml));
  const auto startup = PrepareServer(&config, {}, kProduction, NoEnvironment());
  EXPECT_THAT(FormatProblems("f", startup.problems), IsEmpty());
  ASSERT_NE(startup.state, nullptr);
  EXPECT_EQ(startup.config.listen().grpc(), "localhost:50051");
  EXPECT_EQ(startup.config.listen().admin(), "[::]:9464");
  EXPECT_EQ(startup.config.log_level(), "info");
  EXPECT_EQ(startup.config.drain().timeout().seconds(), 20);
  EXPECT_FALSE(startup.config.reflection());
}

TEST_F(PrepareServerTest, CompletesDevelopmentModeOnLoopback) {
  const auto startup = PrepareServer(nullptr, {}, kDev, NoEnvironment());
  EXPECT_THAT(FormatProblems("f", startup.problems), IsEmpty());
  ASSERT_NE(startup.state, nullptr);
  EXPECT_EQ(startup.config.listen().grpc(), "localhost:50051");
  EXPECT_EQ(startup.config.listen().admin(), "localhost:9464");
  EXPECT_TRUE(startup.config.reflection());
}

TEST_F(PrepareServerTest, PutsFlagsBeforeTheFile) {
  auto config = ServerConfigOf(InDir(dir_, kServerYaml));
  config.mutable_listen()->set_grpc("[::]:1");
  config.mutable_listen()->set_admin("[::]:2");
  const auto file = PrepareServer(&config, {}, kPlaintext, NoEnvironment());
  EXPECT_THAT(FormatProblems("f", file.problems), IsEmpty());
  EXPECT_EQ(file.config.listen().grpc(), "[::]:1");
  EXPECT_EQ(file.config.listen().admin(), "[::]:2");
  const auto flags = PrepareServer(&config, {"unix:/x", "127.0.0.1:0", true}, kProduction, NoEnvironment());
  EXPECT_THAT(FormatProblems("f", flags.problems), IsEmpty());
  EXPECT_EQ(flags.config.listen().grpc(), "unix:/x");
  EXPECT_EQ(flags.config.listen().admin(), "127.0.0.1:0");
  EXPECT_FALSE(file.config.reflection());
  EXPECT_TRUE(flags.config.reflection());
}

TEST_F(PrepareServerTest, CollectsProblemsOfAllPartsAndBuildsNothing) {
  auto config = ServerConfigOf(InDir(dir_, kServerYaml));
  config.set_log_level("loud");
  EXPECT_EQ(PrepareServer(&config, {}, kProduction, NoEnvironment()).state, nullptr);
  config.mutable_policies(0)->clear_name();
  const auto startup = PrepareServer(&config, {"nowhere", "", false}, kProduction, NoEnvironment());
  EXPECT_EQ(startup.problems.size(), 3U);
  EXPECT_EQ(startup.state, nullptr);
}

TEST_F(PrepareServerTest, PassesWarningsOn) {
  auto config = ServerConfigOf(InDir(dir_, kServerYaml));
  config.mutable_projects(0)->set_client_url("https://main.example");
  const auto startup = PrepareServer(&config, {}, kProduction, NoEnvironment());
  EXPECT_NE(FormatProblems("f", startup.warnings).find("projects[0].client_url"), std::string::npos);
  EXPECT_NE(startup.state, nullptr);
}

TEST(CheckServerConfig, ChecksAddresses) {
  struct Case {
    const char* grpc;
    const char* admin;
    const char* path;  // null: no problem
  };
  const Case cases[] = {
      {"[::]:50051", "0.0.0.0:9464", nullptr},
      {"localhost:0", "[::1]:0", nullptr},
      {"unix:/run/x.sock", "", nullptr},
      {"unix:", "", "listen.grpc"},
      {"nowhere", "", "listen.grpc"},
      {"::1:50051", "", "listen.grpc"},
      {"host:65536", "", "listen.grpc"},
      {"", "unix:/run/x.sock", "listen.admin"},
      {"", "9464", "listen.admin"},
  };
  for (const Case& c : cases) {
    config::v1::ServerConfig config;
    config.mutable_listen()->set_grpc(c.grpc);
    config.mutable_listen()->set_admin(c.admin);
    const auto problems = CheckServerConfig(config, kPlaintext);
    ASSERT_EQ(problems.size(), c.path == nullptr ? 0U : 1U) << c.grpc << " " << c.admin;
    if (c.path == nullptr) continue;
    EXPECT_EQ(problems[0].path, c.path) << c.grpc;
  }
}

TEST(CheckServerConfig, KeepsDevelopmentModeOnLoopback) {
  for (const char* address : {"[::]:1", "0.0.0.0:1", "192.168.0.5:1", "8.8.8.8:1", "example.com:1", ":1"}) {
    config::v1::ServerConfig config;
    config.mutable_listen()->set_grpc(address);
    config.mutable_listen()->set_admin(address);
    EXPECT_EQ(CheckServerConfig(config, kDev).size(), 2U) << address;
    EXPECT_THAT(CheckServerConfig(config, kDevPrivate), IsEmpty()) << address;
  }
  for (const char* address : {"127.0.0.1:1", "[::1]:1", "localhost:1"}) {
    config::v1::ServerConfig config;
    config.mutable_listen()->set_grpc(address);
    EXPECT_THAT(CheckServerConfig(config, kDev), IsEmpty()) << address;
  }
}

TEST(CheckServerConfig, KeepsClearTextOnThisMachine) {
  for (const char* address : {"[::]:1", "0.0.0.0:1", "192.168.0.5:1", "8.8.8.8:1", "example.com:1", ":1",
                              "token.localhost:1", "localhost.example.com:1", "[::ffff:10.0.0.1]:1"}) {
    config::v1::ServerConfig config;
    config.mutable_listen()->set_grpc(address);
    const auto problems = CheckServerConfig(config, kProduction);
    ASSERT_EQ(problems.size(), 1U) << address;
    EXPECT_EQ(problems[0].path, "listen.grpc");
    EXPECT_THAT(problems[0].message, HasSubstr("--allow_plaintext_grpc"));
    EXPECT_THAT(CheckServerConfig(config, kPlaintext), IsEmpty()) << address;
  }
  for (const char* address : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "LOCALHOST:1", "unix:/x", ""}) {
    config::v1::ServerConfig config;
    config.mutable_listen()->set_grpc(address);
    EXPECT_THAT(CheckServerConfig(config, kProduction), IsEmpty()) << address;
  }
}

TEST(WithDefaults, ListensEverywhereOnlyWhereThatIsSafeOrWanted) {
  config::v1::ServerConfig config;
  EXPECT_EQ(WithDefaults(config, kProduction).listen().grpc(), "localhost:50051");
  EXPECT_EQ(WithDefaults(config, kPlaintext).listen().grpc(), "[::]:50051");
  config.mutable_listen()->mutable_tls();
  EXPECT_EQ(WithDefaults(config, kProduction).listen().grpc(), "[::]:50051");
  EXPECT_EQ(WithDefaults(config, kDev).listen().grpc(), "localhost:50051");
}

TEST(CheckServerConfig, ChecksTimesAndLogLevel) {
  config::v1::ServerConfig config;
  config.mutable_drain()->mutable_delay()->set_seconds(-1);
  config.mutable_drain()->mutable_timeout()->set_nanos(-1);
  config.set_log_level("INFO");
  config.set_access_log_sample(-0.1);
  const auto problems = CheckServerConfig(config, kProduction);
  ASSERT_EQ(problems.size(), 4U);
  EXPECT_EQ(problems[0].path, "drain.delay");
  EXPECT_EQ(problems[1].path, "drain.timeout");
  EXPECT_EQ(problems[2].path, "log_level");
  EXPECT_EQ(problems[3].path, "access_log_sample");
  for (const char* level : {"", "debug", "info", "warn", "error"}) {
    config::v1::ServerConfig good;
    good.set_log_level(level);
    good.mutable_drain()->mutable_delay();
    good.set_access_log_sample(level[0] == '\0' ? 0 : 1);
    EXPECT_THAT(CheckServerConfig(good, kProduction), IsEmpty()) << level;
  }
}

TEST(CheckServerConfig, BoundsTheTimesOfConnections) {
  const auto problems_of = [](std::int64_t seconds, int nanos) {
    config::v1::ServerConfig config;
    for (auto* time : {config.mutable_listen()->mutable_max_connection_age(),
                       config.mutable_listen()->mutable_max_connection_age_grace()}) {
      time->set_seconds(seconds);
      time->set_nanos(nanos);
    }
    return CheckServerConfig(config, kProduction);
  };
  for (const auto& [seconds, nanos] : {std::pair<std::int64_t, int>{1, 0}, {86400, 0}, {86399, 999'999'999}}) {
    EXPECT_THAT(problems_of(seconds, nanos), IsEmpty()) << seconds;
  }
  for (const auto& [seconds, nanos] :
       {std::pair<std::int64_t, int>{0, 0}, {0, 999'999'999}, {86400, 1}, {86401, 0}, {-1, 0}, {5, -1}}) {
    const auto problems = problems_of(seconds, nanos);
    ASSERT_EQ(problems.size(), 2U) << seconds;
    EXPECT_EQ(problems[0].path, "listen.max_connection_age");
    EXPECT_EQ(problems[1].path, "listen.max_connection_age_grace");
    EXPECT_THAT(problems[0].message, HasSubstr("between 1s and 24h"));
  }
  const auto listen = WithDefaults({}, kProduction).listen();
  EXPECT_EQ(listen.max_connection_age().seconds(), 60);
  EXPECT_EQ(listen.max_connection_age_grace().seconds(), 20);
}

TEST(WithDefaults, ChangesNothingThatIsStatedAndIsIdempotent) {
  config::v1::ServerConfig config;
  config.mutable_listen()->set_grpc("localhost:1");
  config.set_log_level("warn");
  config.mutable_drain()->mutable_timeout();
  config.mutable_listen()->mutable_max_connection_age()->set_seconds(5);
  const auto once = WithDefaults(config, kProduction);
  EXPECT_EQ(once.listen().grpc(), "localhost:1");
  EXPECT_EQ(once.log_level(), "warn");
  EXPECT_EQ(once.drain().timeout().seconds(), 0);
  EXPECT_EQ(once.listen().max_connection_age().seconds(), 5);
  EXPECT_EQ(once.SerializeAsString(), WithDefaults(once, kProduction).SerializeAsString());
}

TEST(DevBanner, WarnsAndPrintsLinesToPaste) {
  const auto config = DevConfig(NoEnvironment());
  const std::string both = DevBanner(config, "127.0.0.1:3000", "127.0.0.1:50051");
  EXPECT_THAT(both, HasSubstr("without authentication"));
  EXPECT_THAT(both, HasSubstr("curl -s -X POST http://localhost:3000/getToken"));
  EXPECT_THAT(both, HasSubstr("TokenSource.endpoint('http://localhost:3000/getToken')"));
  EXPECT_THAT(both, HasSubstr("TokenSource.developmentTokenServer('my-app', { baseUrl: 'http://localhost:3000' })"));
  EXPECT_THAT(both, HasSubstr("localhost:50051 livekit.token.v1.TokenService/MintAccessToken"));
  EXPECT_THAT(both, HasSubstr(":7880"));
  const std::string grpc = DevBanner(config, "", "[::]:50051");
  EXPECT_THAT(grpc, Not(HasSubstr("curl -s")));
  EXPECT_THAT(grpc, Not(HasSubstr("TokenSource")));
  EXPECT_THAT(grpc, HasSubstr("localhost:50051"));
  const auto cloud = DevConfig(EnvironmentOf(
      {{"LIVEKIT_URL", "wss://acme.livekit.cloud"}, {"LIVEKIT_API_KEY", "APIx"}, {"LIVEKIT_API_SECRET", kMarker}}));
  const std::string text = DevBanner(cloud, "192.168.0.5:3000", "192.168.0.5:1");
  EXPECT_THAT(text, HasSubstr("wss://acme.livekit.cloud"));
  EXPECT_THAT(text, HasSubstr("http://192.168.0.5:3000/getToken"));
  EXPECT_THAT(text, Not(HasSubstr(kMarker)));
}

TEST(RunHashApiKey, RefusesWhatIsNoId) {
  for (const char* id : {"", "a.b", "a b"}) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(RunHashApiKey(id), 1) << id;
    EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("1 to 64"));
  }
}

TEST(PeerAddress, ReadsWhatGrpcCallsAPeer) {
  const std::pair<const char*, const char*> cases[] = {
      {"ipv4:127.0.0.1:5000", "127.0.0.1"},
      {"ipv6:%5B::1%5D:5000", "::1"},
      {"ipv6:[fe80::1]:5000", "fe80::1"},
      {"unix:", "localhost"},
      {"unix:/run/x.sock", "localhost"},
      {"unix-abstract:x", "localhost"},
      {"unknown", ""},
      {"", ""},
      {"dns:localhost:1", ""},
      {"ipv4:", ""},
  };
  for (const auto& [peer, address] : cases) EXPECT_EQ(PeerAddress(peer), address) << peer;
}

}  // namespace
}  // namespace livekit::token
