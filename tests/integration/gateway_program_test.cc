// The gateway program from outside: flags, exit codes, an orderly stop.

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using livekit::token::testing::GetRequest;
using livekit::token::testing::PostRequest;
using livekit::token::testing::RawClient;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{30};

class GatewayProgramTest : public ::testing::Test {
 protected:
  GatewayProgramTest() {
    char name[] = "/tmp/lkt-gateway-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~GatewayProgramTest() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    for (const char* file : {"out", "gateway.yaml", "socket"}) unlink((directory_ + "/" + file).c_str());
    rmdir(directory_.c_str());
  }

  // Starts the program; its output goes to a file. `origins` is put into the environment.
  void Start(std::vector<std::string> args, const std::string& origins = "") {
    const std::string program = BIN_DIR "/livekit-token-gateway";
    args.insert(args.begin(), program);
    std::vector<char*> argv;
    for (auto& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    const std::string out = directory_ + "/out";
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      const int fd = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(fd, 1);
      dup2(fd, 2);
      if (!origins.empty()) setenv("LIVEKIT_TOKEN_CORS_ORIGIN", origins.c_str(), 1);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
  }

  // The exit status; -1 if the program did not end by itself.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int Run(std::vector<std::string> args, const std::string& origins = "") {
    Start(std::move(args), origins);
    return Wait();
  }

  std::string Output() const {
    std::ifstream file(directory_ + "/out");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  // The port of the listener with this name, from the log; 0 if the program ends or does not say so.
  int AwaitPort(const std::string& name) {
    const auto end = steady_clock::now() + kPatience;
    while (steady_clock::now() < end) {
      if (waitpid(pid_, nullptr, WNOHANG) != 0) {
        pid_ = 0;
        return 0;
      }
      std::stringstream lines(Output());
      for (std::string line; std::getline(lines, line);) {
        const auto json = nlohmann::json::parse(line, nullptr, false);
        if (!json.is_object() || json.value("event", "") != "listening" || json.value("name", "") != name) continue;
        const std::string address = json.value("address", "");
        return std::stoi(address.substr(address.rfind(':') + 1));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return 0;
  }

  std::string WriteConfig(const std::string& yaml) const {
    const std::string path = directory_ + "/gateway.yaml";
    std::ofstream(path) << yaml;
    return path;
  }

  std::string directory_;
  pid_t pid_ = 0;
};

TEST_F(GatewayProgramTest, TellsItsVersion) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(Output(), HasSubstr("livekit-token-gateway "));
}

TEST_F(GatewayProgramTest, ListsItsFlags) {
  Run({"--help"});
  for (const char* flag : {"--config", "--check_config", "--http_listen", "--admin_listen", "--server_address",
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
  EXPECT_THAT(Output(), HasSubstr("start_failed"));
}

TEST_F(GatewayProgramTest, ServesWithoutATokenServerAndStopsCleanly) {
  Start({"--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0", "--server_address=unix:" + directory_ + "/none"});
  const int http = AwaitPort("http");
  const int admin = AwaitPort("admin");
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
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
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
  const int admin = AwaitPort("admin");
  ASSERT_NE(admin, 0) << Output();
  int status = 0;
  const auto end = steady_clock::now() + kPatience;
  while (status != 200 && steady_clock::now() < end) {
    const auto ready = RawClient(admin).Exchange(GetRequest("/readyz"));
    ASSERT_TRUE(ready);
    status = ready->status;
  }
  EXPECT_EQ(status, 200);
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
  server->Shutdown(std::chrono::system_clock::now());
}

TEST_F(GatewayProgramTest, AnswersInDevelopmentOnlyUnderLoopbackNames) {
  Start({"--dev", "--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0",
         "--server_address=unix:" + directory_ + "/none"});
  const int http = AwaitPort("http");
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
  const int http = AwaitPort("http");
  ASSERT_NE(http, 0) << Output();
  RawClient client(http);
  ASSERT_TRUE(client.Send("POST /getToken HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
  // The gateway is on this request now.
  const auto go_on = client.Read();
  ASSERT_TRUE(go_on);
  ASSERT_EQ(go_on->status, 100);
  ASSERT_TRUE(client.Send("{}"));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 3) << Output();
  close(silent);
}

}  // namespace
}  // namespace livekit::token
