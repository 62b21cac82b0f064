// The gateway program from outside: flags, exit codes, an orderly stop.

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using livekit::token::testing::GetRequest;
using livekit::token::testing::PostRequest;
using livekit::token::testing::Program;
using livekit::token::testing::RawClient;
using livekit::token::testing::TempFolder;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{30};

class GatewayProgramTest : public ::testing::Test {
 protected:
  // Starts the program; `origins` is put into the environment.
  void Start(std::vector<std::string> args, const std::string& origins = "") {
    std::map<std::string, std::string> environment;
    if (!origins.empty()) environment["LIVEKIT_TOKEN_CORS_ORIGIN"] = origins;
    program_ = std::make_unique<Program>("livekit-token-gateway", std::move(args), std::move(environment));
  }
  // Runs it to its end; the exit status.
  int Run(std::vector<std::string> args, const std::string& origins = "") {
    Start(std::move(args), origins);
    return program_->Wait();
  }
  std::string Output() const { return program_->Output(); }
  std::string WriteConfig(const std::string& yaml) const { return folder_.Write("gateway.yaml", yaml); }

  TempFolder folder_;
  const std::string& directory_ = folder_.path();
  std::unique_ptr<Program> program_;
};

TEST_F(GatewayProgramTest, TellsItsVersion) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(Output(), HasSubstr("livekit-token-gateway "));
}

TEST_F(GatewayProgramTest, ListsItsFlags) {
  Run({"--help"});
  for (const char* flag :
       {"--config", "--check_config", "--healthcheck", "--http_listen", "--admin_listen", "--server_address",
        "--cors_origin", "--caller_token_file", "--dev", "--dev_private_network"}) {
    EXPECT_THAT(Output(), HasSubstr(flag));
  }
}

TEST_F(GatewayProgramTest, ChecksItsConfigurationWithoutServing) {
  EXPECT_EQ(Run({"--check_config"}), 0);
  EXPECT_EQ(Run({"--check_config", "--config=" + WriteConfig("{ cors: { origins: [https://app.acme.dev] } }")}), 0);
  EXPECT_EQ(Run({"--check_config", "--config=" + WriteConfig("{ token_paths: [a, b], limits: { body_bytes: -1 } }")}),
            1);
  for (const char* path : {"token_paths[0]", "token_paths[1]", "limits.body_bytes"}) {
    EXPECT_THAT(Output(), HasSubstr(path));
  }
  EXPECT_EQ(Run({"--check_config", "--config=" + WriteConfig("{ signing_key: x }")}), 1);
  EXPECT_THAT(Output(), HasSubstr("signing_key"));
  EXPECT_EQ(Run({"--check_config"}, "https://app.acme.dev/"), 1);
  EXPECT_THAT(Output(), HasSubstr("cors.origins[0]"));
  // A flag stands above the environment.
  EXPECT_EQ(Run({"--check_config", "--cors_origin=https://app.acme.dev"}, "https://app.acme.dev/"), 0);
}

TEST_F(GatewayProgramTest, FailsToStartWithStatusOne) {
  EXPECT_EQ(Run({"--no_such_flag"}), 1);
  EXPECT_EQ(Run({"argument"}), 1);
  EXPECT_EQ(Run({"--config=" + directory_ + "/absent"}), 1);
  EXPECT_EQ(Run({"--dev", "--http_listen=0.0.0.0:0"}), 1);
  EXPECT_EQ(Run({"--dev_private_network"}), 1);
  EXPECT_EQ(Run({"--dev", "--http_listen=localhost:0", "--admin_listen=localhost:0",
                 "--caller_token_file=" + directory_ + "/absent"}),
            1);
  EXPECT_THAT(Output(), HasSubstr("server.caller_token_file"));
}

TEST_F(GatewayProgramTest, ServesWithoutATokenServerAndStopsCleanly) {
  Start({"--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0", "--server_address=unix:" + directory_ + "/none"});
  const int http = program_->AwaitPort("http");
  const int admin = program_->AwaitPort("admin");
  ASSERT_NE(http, 0) << Output();
  ASSERT_NE(admin, 0);
  const auto answer = RawClient(http).Exchange(PostRequest("/getToken", "{}"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->Header("retry-after"), "1");
  const auto ready = RawClient(admin).Exchange(GetRequest("/readyz"));
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 503);
  const auto live = RawClient(admin).Exchange(GetRequest("/livez"));
  ASSERT_TRUE(live);
  EXPECT_EQ(live->status, 200);
  program_->Signal(SIGINT);
  EXPECT_EQ(program_->Wait(), 0);
}

TEST_F(GatewayProgramTest, BecomesReadyBeforeTheFirstRequest) {
  grpc::EnableDefaultHealthCheckService(true);
  v1::TokenService::Service service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  builder.AddListeningPort("unix:" + directory_ + "/socket", grpc::InsecureServerCredentials());
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  Start({"--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0", "--server_address=unix:" + directory_ + "/socket"});
  const int admin = program_->AwaitPort("admin");
  ASSERT_NE(admin, 0) << Output();
  int status = 0;
  const auto end = steady_clock::now() + kPatience;
  while (status != 200 && steady_clock::now() < end) {
    const auto ready = RawClient(admin).Exchange(GetRequest("/readyz"));
    ASSERT_TRUE(ready);
    status = ready->status;
  }
  EXPECT_EQ(status, 200);
  program_->Signal(SIGINT);
  EXPECT_EQ(program_->Wait(), 0);
  server->Shutdown(std::chrono::system_clock::now());
}

TEST_F(GatewayProgramTest, AnswersInDevelopmentOnlyUnderLoopbackNames) {
  Start({"--dev", "--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0",
         "--server_address=unix:" + directory_ + "/none"});
  const int http = program_->AwaitPort("http");
  ASSERT_NE(http, 0) << Output();
  const auto refused =
      RawClient(http).Exchange("POST /getToken HTTP/1.1\r\nHost: acme.dev\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 403);
  const auto answered =
      RawClient(http).Exchange("POST /getToken HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->status, 503);
}

TEST_F(GatewayProgramTest, SaysWithItsExitStatusThatRequestsWereCutOff) {
  // A token server that accepts the connection and never says a word.
  const std::string path = directory_ + "/socket";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int silent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(silent, 10), 0);
  Start({"--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0", "--server_address=unix:" + path,
         "--config=" + WriteConfig("{ drain: { timeout: 0s } }")});
  const int http = program_->AwaitPort("http");
  ASSERT_NE(http, 0) << Output();
  RawClient client(http);
  ASSERT_TRUE(client.Send("POST /getToken HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
  // The gateway is on this request now.
  const auto go_on = client.Read();
  ASSERT_TRUE(go_on);
  ASSERT_EQ(go_on->status, 100);
  ASSERT_TRUE(client.Send("{}"));
  program_->Signal(SIGINT);
  EXPECT_EQ(program_->Wait(), 3) << Output();
  close(silent);
}

}  // namespace
}  // namespace livekit::token
