// How the programs start and stop, as their supervisors and clients see it.

#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "a-secret-of-more-than-thirty-two-bytes";

// Listens on 127.0.0.1 and never answers.
class SilentListener {
 public:
  SilentListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 10), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentListener() { close(fd_); }
  int port() const { return port_; }
  // The next connection.
  int Accept() const { return accept(fd_, nullptr, nullptr); }

 private:
  const int fd_;
  int port_ = 0;
};

class LifecycleTest : public ::testing::Test {
 protected:
  // Configuration of a standalone, whose requests with a cookie wait for `application`.
  std::string Config(const std::string& drain) {
    return folder_.Write("server.yaml",
                         R"(
listen: { grpc: "127.0.0.1:0", admin: "127.0.0.1:0" }
projects: [ { name: main, client_url: "wss://livekit.example", keys: { env: true } } ]
authenticators:
  - { name: app, forward_auth: { url: "http://127.0.0.1:)" +
                             std::to_string(application_.port()) +
                             R"(/", allow_http: true, timeout: 8s, forward_cookies: [s], subject: { json: id } } }
policies: [ { name: user, match: { authenticator: app }, room: { client: allow } } ]
drain: )" + drain + R"(
gateway: { listen: { http: "127.0.0.1:0" }, relay_cookies: [s] }
)");
  }

  void Start(const std::string& drain, std::map<std::string, std::string> environment = {}) {
    environment["LIVEKIT_KEYS"] = std::string("APIkey: ") + kSecret;
    program_ = std::make_unique<Program>("livekit-token-standalone",
                                         std::vector<std::string>{"--config=" + Config(drain)}, environment);
    http_ = program_->AwaitPort("http");
    ASSERT_NE(http_, 0) << program_->Output();
    admin_ = program_->AwaitPort("admin");
    grpc_ = program_->AwaitPort("grpc");
  }

  int StatusOf(const std::string& path) { return Status(admin_, path); }
  static int Status(int port, const std::string& path) {
    const auto response = RawClient(port).Exchange(GetRequest(path));
    return response ? response->status : 0;
  }
  template <typename Condition>
  static bool Await(Condition condition) {
    const auto end = steady_clock::now() + seconds(30);
    while (!condition()) {
      if (steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(5));  // only polls another process
    }
    return true;
  }
  // A request that its application keeps waiting.
  void SendHeld(RawClient& client) {
    ASSERT_TRUE(client.Send("POST /getToken HTTP/1.1\r\nHost: h\r\nCookie: s=1\r\nContent-Length: 2\r\n\r\n{}"));
  }
  // What gRPC's health service says: 1 serving, 2 not serving, 0 no answer.
  int Health(const std::string& service) {
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(grpc_), grpc::InsecureChannelCredentials());
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(10));
    std::string request;
    if (!service.empty()) request = std::string("\x0a") + static_cast<char>(service.size()) + service;
    grpc::Slice slice(request);
    grpc::ByteBuffer message(&slice, 1);
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", message, &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    grpc::Slice bytes;
    if (!status.ok() || !answer.DumpToSingleSlice(&bytes).ok() || bytes.size() != 2) return 0;
    return bytes.begin()[1];
  }

  TempFolder folder_;
  SilentListener application_;
  std::unique_ptr<Program> program_;
  int http_ = 0;
  int admin_ = 0;
  int grpc_ = 0;
};

TEST_F(LifecycleTest, HealthcheckIsThatOfTheRunningProcess) {
  Start("{ delay: 30s }");
  const auto healthcheck = [this] {
    return RunProgram("livekit-token-standalone",
                      {"--healthcheck", "--admin_listen=127.0.0.1:" + std::to_string(admin_)});
  };
  ASSERT_TRUE(Await([&] { return StatusOf("/readyz") == 200; }));
  EXPECT_EQ(healthcheck().status, 0);
  program_->Signal(SIGTERM);
  ASSERT_TRUE(Await([&] { return StatusOf("/readyz") == 503; }));
  const Finished draining = healthcheck();
  EXPECT_EQ(draining.status, 1);
  EXPECT_EQ(draining.output, "unhealthy: /readyz answered 503\n");
  program_->Signal(SIGTERM);  // at once
  program_->Wait();
  EXPECT_EQ(healthcheck().status, 1);
}

TEST_F(LifecycleTest, ServesWhileClientsMoveOn) {
  Start("{ delay: 2s }");
  ASSERT_TRUE(Await([&] { return StatusOf("/readyz") == 200; }));
  EXPECT_EQ(StatusOf("/startupz"), 200);
  for (const char* service : {"", "livekit.token.v1.TokenService"}) EXPECT_EQ(Health(service), 1) << service;
  const auto start = steady_clock::now();
  program_->Signal(SIGTERM);
  ASSERT_TRUE(Await([&] { return StatusOf("/readyz") == 503; }));
  EXPECT_EQ(StatusOf("/livez"), 200);
  EXPECT_EQ(StatusOf("/startupz"), 200);
  for (const char* service : {"", "livekit.token.v1.TokenService"}) EXPECT_EQ(Health(service), 2) << service;
  const auto metrics = RawClient(admin_).Exchange(GetRequest("/metrics"));
  ASSERT_TRUE(metrics);
  EXPECT_THAT(metrics->body, HasSubstr("\nlivekit_token_draining 1\n"));
  RawClient client(http_);
  const auto answer = client.Exchange(GetRequest("/nowhere"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->Header("connection"), "close");
  EXPECT_EQ(program_->Wait(), 0);
  EXPECT_GE(steady_clock::now() - start, seconds(2));
}

TEST_F(LifecycleTest, StopsAtOnceAfterSigint) {
  Start("{ delay: 30s }");
  const auto start = steady_clock::now();
  program_->Signal(SIGINT);
  EXPECT_EQ(program_->Wait(), 0);
  EXPECT_LT(steady_clock::now() - start, seconds(10));
}

TEST_F(LifecycleTest, EndsAtOnceAfterASecondSignal) {
  Start("{ delay: 30s }");
  // Before it is ready it is not ready either; and two signals that wait together are one.
  ASSERT_TRUE(Await([&] { return StatusOf("/readyz") == 200; }));
  program_->Signal(SIGTERM);
  ASSERT_TRUE(Await([&] { return StatusOf("/readyz") == 503; }));
  program_->Signal(SIGTERM);
  EXPECT_EQ(program_->Wait(), 1);
}

TEST_F(LifecycleTest, FinishesWhatIsInProgress) {
  Start("{ delay: 0s }");
  RawClient client(http_);
  SendHeld(client);
  const int asked = application_.Accept();
  program_->Signal(SIGTERM);
  ASSERT_TRUE(Await([&] { return program_->Output().find("\"draining\"") != std::string::npos; }));
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"id\":\"a\"}";
  EXPECT_EQ(write(asked, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status / 100, 4) << response->body;  // no room is named: the policy has decided
  EXPECT_EQ(program_->Wait(), 0) << program_->Output();
  close(asked);
}

TEST_F(LifecycleTest, SaysThatRequestsWereCutOff) {
  Start("{ delay: 0s, timeout: 0s }");
  RawClient client(http_);
  SendHeld(client);
  const int asked = application_.Accept();
  const auto start = steady_clock::now();
  program_->Signal(SIGTERM);
  EXPECT_EQ(program_->Wait(), 3) << program_->Output();
  // Not when the application's time of 8 s is up.
  EXPECT_LT(steady_clock::now() - start, seconds(6));
  close(asked);
}

TEST_F(LifecycleTest, WritesTheStacksOfItsThreads) {
  Start("{ delay: 0s }");
  program_->Signal(SIGQUIT);
  ASSERT_TRUE(
      Await([&] { return program_->Output().find(" stack_dump\n") != std::string::npos || !program_->Running(); }));
#ifdef NDEBUG
  EXPECT_EQ(Status(http_, "/nowhere"), 404);
  program_->Signal(SIGINT);
  EXPECT_EQ(program_->Wait(), 0);
#else
  EXPECT_EQ(program_->Wait(), -1);
#endif
  EXPECT_THAT(program_->Output(), HasSubstr(" livekit-token-s\n"));
  EXPECT_THAT(program_->Output(), Not(HasSubstr(kSecret)));
}

TEST_F(LifecycleTest, DoesNotShareAPort) {
  Start("{ delay: 0s }");
  const std::map<std::string, std::string> environment{{"LIVEKIT_KEYS", std::string("APIkey: ") + kSecret}};
  const std::string config = "--config=" + Config("{}");
  for (const auto& [flag, port] :
       {std::pair("--grpc_listen", grpc_), {"--admin_listen", admin_}, {"--http_listen", http_}}) {
    const std::string address = "127.0.0.1:" + std::to_string(port);
    const auto start = steady_clock::now();
    const Finished second =
        RunProgram("livekit-token-standalone", {config, std::string(flag) + "=" + address}, environment);
    EXPECT_EQ(second.status, 1) << flag;
    EXPECT_THAT(second.output, HasSubstr("start_failed"));
    EXPECT_THAT(second.output, HasSubstr(address));
    EXPECT_LT(steady_clock::now() - start, seconds(5)) << flag;
  }
}

TEST_F(LifecycleTest, TellsItsSupervisor) {
  const std::string path = folder_.path() + "/notify";
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const timeval patience{30, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const auto next = [fd] {
    for (;;) {
      char text[256];
      const ssize_t size = recv(fd, text, sizeof text, 0);
      const std::string message(text, size < 0 ? 0 : static_cast<std::size_t>(size));
      if (message != "WATCHDOG=1") return message;
    }
  };
  Start("{ delay: 0s }", {{"NOTIFY_SOCKET", path}, {"WATCHDOG_USEC", "200000"}});
  EXPECT_EQ(next(), "READY=1");
  char text[32];
  for (int i = 0; i < 3; ++i) {
    const ssize_t size = recv(fd, text, sizeof text, 0);
    EXPECT_EQ(std::string(text, size < 0 ? 0 : static_cast<std::size_t>(size)), "WATCHDOG=1");
  }
  program_->Signal(SIGHUP);
  EXPECT_THAT(next(), HasSubstr("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_EQ(next(), "READY=1");
  program_->Signal(SIGTERM);
  EXPECT_EQ(next(), "STOPPING=1");
  EXPECT_EQ(program_->Wait(), 0) << program_->Output();
  close(fd);
}

TEST_F(LifecycleTest, TheGatewayHasStartedWhenAServerWasReached) {
  const std::string socket = "unix:" + folder_.path() + "/grpc";
  for (const bool always : {false, true}) {
    const std::string config = folder_.Write(
        "gateway.yaml", std::string("readiness: { require_backend: ") + (always ? "always" : "startup") + " }");
    Program gateway("livekit-token-gateway", {"--config=" + config, "--http_listen=127.0.0.1:0",
                                              "--admin_listen=127.0.0.1:0", "--server_address=" + socket});
    ASSERT_NE(gateway.AwaitPort("http"), 0) << gateway.Output();
    const int admin = gateway.AwaitPort("admin");
    EXPECT_EQ(Status(admin, "/livez"), 200);
    EXPECT_EQ(Status(admin, "/startupz"), 503);
    EXPECT_EQ(Status(admin, "/readyz"), 503);
    {
      Program server("livekit-token-server", {"--dev", "--grpc_listen=" + socket, "--admin_listen=127.0.0.1:0"});
      EXPECT_TRUE(Await([&] { return Status(admin, "/startupz") == 200; }));
      EXPECT_TRUE(Await([&] { return Status(admin, "/readyz") == 200; }));
      server.Signal(SIGINT);
      EXPECT_EQ(server.Wait(), 0);
    }
    if (always) {
      EXPECT_TRUE(Await([&] { return Status(admin, "/readyz") == 503; }));
    } else {
      EXPECT_EQ(Status(admin, "/readyz"), 200);
    }
    EXPECT_EQ(Status(admin, "/startupz"), 200);
    gateway.Signal(SIGINT);
    EXPECT_EQ(gateway.Wait(), 0);
  }
}

}  // namespace
}  // namespace livekit::token::testing
