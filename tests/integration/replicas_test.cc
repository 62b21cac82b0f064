// A gateway before two token servers that are killed, stopped and started again while requests come in.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::GetRequest;
using testing::PostRequest;
using testing::Program;
using testing::RawClient;
using testing::RawResponse;

constexpr seconds kPatience{30};
constexpr int kClients = 8;
// So many answers prove that requests came in all the while.
constexpr int kAnswers = 200;
constexpr int kMaxRequests = 1'000'000;

// Clients that keep their connections and ask all the time.
class Load {
 public:
  explicit Load(int port) {
    for (int i = 0; i < kClients; ++i) {
      threads_.emplace_back([this, port] { Run(port); });
    }
  }
  ~Load() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }

  // Waits for so many more answers.
  void AwaitAnswers(int more) {
    std::unique_lock<std::mutex> lock(mutex_);
    const int enough = answers_ + more;
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return answers_ >= enough; })) << "requests stopped";
  }
  int answers() {
    std::lock_guard<std::mutex> lock(mutex_);
    return answers_;
  }
  // What went wrong, by kind.
  std::map<std::string, int> failures() {
    std::lock_guard<std::mutex> lock(mutex_);
    return failures_;
  }
  double slowest_ms() {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::chrono::duration<double, std::milli>(slowest_).count();
  }

 private:
  void Run(int port) {
    auto client = std::make_unique<RawClient>(port);
    for (int i = 0; i < kMaxRequests / kClients && !stop_; ++i) {
      const auto start = steady_clock::now();
      const auto answer = client->Exchange(PostRequest("/getToken", R"({"room_name":"r"})"));
      const bool close = !answer || answer->Header("connection") == "close";
      Count(answer, steady_clock::now() - start);
      if (close) client = std::make_unique<RawClient>(port);
    }
  }
  void Count(const std::optional<RawResponse>& answer, steady_clock::duration took) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++answers_;
    slowest_ = std::max(slowest_, took);
    if (!answer) {
      ++failures_["no answer"];
    } else if (answer->status != 201) {
      ++failures_[std::to_string(answer->status) + " " + answer->body.substr(0, 200)];
    }
    changed_.notify_all();
  }

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  int answers_ = 0;
  steady_clock::duration slowest_{0};
  std::map<std::string, int> failures_;
  std::vector<std::thread> threads_;  // last, since they use the others
};

// A token server that comes back on its port.
class Replica {
 public:
  // Repeated, since while it is down somebody else may hold the port for a moment.
  void Start() {
    const auto end = steady_clock::now() + kPatience;
    do {
      program_ = std::make_unique<Program>(
          "livekit-token-server", std::vector<std::string>{"--dev", "--grpc_listen=127.0.0.1:" + std::to_string(port_),
                                                           "--admin_listen=127.0.0.1:0"});
      const int port = program_->AwaitPort("grpc");
      if (port != 0) {
        port_ = port;
        admin_port_ = program_->AwaitPort("admin");
        return;
      }
    } while (steady_clock::now() < end);
    FAIL() << program_->Output();
  }
  // Ends it; the exit status, -1 for SIGKILL.
  int Stop(int signal) {
    program_->Signal(signal);
    return program_->Wait();
  }
  void Signal(int signal) const { program_->Signal(signal); }
  // Until the gateway has found it. Calls that have begun are counted from zero, answered ones from the first.
  void AwaitCalls() const {
    constexpr char kAnswered[] = R"(grpc_server_call_duration_seconds_count{grpc_method="BatchIssueParticipantTokens")";
    const auto end = steady_clock::now() + kPatience;
    while (steady_clock::now() < end) {
      const auto metrics = RawClient(admin_port_).Exchange(GetRequest("/metrics"));
      if (metrics && metrics->body.find(kAnswered) != std::string::npos) return;
    }
    ADD_FAILURE() << "never called";
  }

  int port() const { return port_; }

 private:
  std::unique_ptr<Program> program_;
  int port_ = 0;
  int admin_port_ = 0;
};

class ReplicasTest : public ::testing::Test {
 protected:
  ReplicasTest() {
    for (Replica& replica : replicas) replica.Start();
    const std::string target =
        "ipv4:127.0.0.1:" + std::to_string(replicas[0].port()) + ",127.0.0.1:" + std::to_string(replicas[1].port());
    gateway = std::make_unique<Program>(
        "livekit-token-gateway", std::vector<std::string>{"--dev", "--http_listen=127.0.0.1:0",
                                                          "--admin_listen=127.0.0.1:0", "--server_address=" + target});
    http_port = gateway->AwaitPort("http");
    EXPECT_NE(http_port, 0) << gateway->Output();
  }

  Replica replicas[2];
  std::unique_ptr<Program> gateway;
  int http_port = 0;
};

TEST_F(ReplicasTest, NoRequestFailsWhileOneIsUp) {
  Load load(http_port);
  for (Replica& replica : replicas) replica.AwaitCalls();
  for (const int signal : {SIGKILL, SIGINT, SIGKILL}) {
    for (Replica& replica : replicas) {
      EXPECT_EQ(replica.Stop(signal), signal == SIGKILL ? -1 : 0);
      load.AwaitAnswers(kAnswers);
      replica.Start();
      load.AwaitAnswers(kAnswers);
      replica.AwaitCalls();
    }
  }
  EXPECT_THAT(load.failures(), ::testing::IsEmpty());
  RecordProperty("answers", load.answers());
  RecordProperty("slowest_ms", static_cast<int>(load.slowest_ms()));
}

TEST_F(ReplicasTest, NoRequestFailsWhenOneFallsSilent) {
  Load load(http_port);
  for (Replica& replica : replicas) replica.AwaitCalls();
  // Its connection stands and nobody answers on it. Sooner or later every client waits there, until the gateway asks
  // the other server.
  replicas[0].Signal(SIGSTOP);
  load.AwaitAnswers(20 * kAnswers);
  replicas[0].Signal(SIGCONT);
  EXPECT_THAT(load.failures(), ::testing::IsEmpty());
  RecordProperty("slowest_ms", static_cast<int>(load.slowest_ms()));
}

TEST_F(ReplicasTest, SaysWhenToComeBackWhileNoneIsUpAndRecovers) {
  const std::string request = PostRequest("/getToken", R"({"room_name":"r"})");
  RawClient client(http_port);
  auto answer = client.Exchange(request);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status, 201) << answer->body;
  for (Replica& replica : replicas) replica.Stop(SIGKILL);
  for (int i = 0; i < 100; ++i) {
    const auto start = steady_clock::now();
    answer = client.Exchange(request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 503) << answer->body;
    EXPECT_EQ(answer->Header("retry-after"), "1");
    EXPECT_LT(steady_clock::now() - start, seconds(5)) << i;
  }
  replicas[1].Start();
  const auto back = steady_clock::now();
  do {
    answer = client.Exchange(request);
    ASSERT_TRUE(answer);
  } while (answer->status != 201 && steady_clock::now() - back < kPatience);
  EXPECT_EQ(answer->status, 201) << answer->body;
  RecordProperty("recovered_after_ms",
                 static_cast<int>(std::chrono::duration_cast<milliseconds>(steady_clock::now() - back).count()));
}

}  // namespace
}  // namespace livekit::token
