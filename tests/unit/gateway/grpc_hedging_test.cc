// The gRPC backend with servers that take calls and do not answer them.

#include <atomic>
#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "grpc_fixture.h"
#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

using ::testing::HasSubstr;

class GrpcHedgingTest : public GrpcBackendTest {
 protected:
  GrpcHedgingTest() {
    service.behave = [this](grpc::ServerContext* context, const auto& request, auto* response) {
      if (!hung) return FakeService::Issue(context, request, response);
      const auto status = FakeService::Hang(context, request, response);
      ++cancelled;
      return status;
    };
    batch.attempt_timeout = milliseconds(20);
  }
  ~GrpcHedgingTest() override {
    backend.reset();
    server.Stop();
  }

  void StartBoth() {
    server.Start();
    other.Start();
    Connect("ipv4:" + server.address + "," + other.address, "", batch);
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while ((service.calls() == 0 || other.service.calls() == 0) && std::chrono::steady_clock::now() < end) {
      ASSERT_TRUE(Get(Issue(Item())).has_token());
    }
  }

  BatchOptions batch;
  std::atomic<bool> hung{false};
  std::atomic<int> cancelled{0};
  FakeServer other;
};

TEST_F(GrpcHedgingTest, AnotherAnswersForAServerThatHangs) {
  StartBoth();
  hung = true;
  const std::size_t before = service.calls();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Get(Issue(Item())).has_token()) << i;
  const int asked = static_cast<int>(service.calls() - before);
  EXPECT_GT(asked, 0);
  // What it was asked for in vain is taken back.
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (cancelled < asked && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(cancelled, asked);
}

TEST_F(GrpcHedgingTest, AServerThatHangsIsSoonLeftAlone) {
  StartBoth();
  hung = true;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  // Round robin by itself would ask it for every second.
  int alone = 0;
  while (alone < 30 && std::chrono::steady_clock::now() < end) {
    const std::size_t before = service.calls();
    ASSERT_TRUE(Get(Issue(Item())).has_token());
    alone = service.calls() == before ? alone + 1 : 0;
  }
  EXPECT_EQ(alone, 30);
}

TEST_F(GrpcHedgingTest, TheOnlyServerIsNeverLeftAlone) {
  server.Start();
  batch.attempt_timeout = seconds(10);
  Connect("ipv4:" + server.address, "", batch);
  ASSERT_TRUE(Get(Issue(Item())).has_token());
  hung = true;
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(ReasonOf(Issue(Item("alice", milliseconds(20)))), v1::DEADLINE_EXCEEDED) << i;
  }
  hung = false;
  EXPECT_TRUE(Get(Issue(Item())).has_token());
}

TEST_F(GrpcHedgingTest, CountsEveryAttempt) {
  hung = true;
  server.Start();
  batch.attempt_timeout = milliseconds(20);
  batch.max_attempts = 2;
  Connect("ipv4:" + server.address, "", batch);
  auto future = Issue(Item());
  service.AwaitCall(2);
  EXPECT_THAT(metrics.Serialize(),
              HasSubstr(R"(grpc_client_attempt_started_total{grpc_method="BatchIssueParticipantTokens"} 2)"));
  backend.reset();
  EXPECT_EQ(ReasonOf(std::move(future)), v1::UNAVAILABLE);
  const std::string labels = R"({grpc_method="BatchIssueParticipantTokens",grpc_status="CANCELLED"} 2)";
  EXPECT_THAT(metrics.Serialize(), HasSubstr("grpc_client_attempt_duration_seconds_count" + labels));
}

TEST_F(GrpcHedgingTest, OneAttemptIsOneAttempt) {
  service.behave = [](grpc::ServerContext*, const auto&, auto*) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not today");
  };
  server.Start();
  for (const int max : {1, 2}) {
    const std::size_t before = service.calls();
    batch.max_attempts = max;
    Connect("ipv4:" + server.address, "", batch);
    EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
    // gRPC tries each attempt of ours as often.
    EXPECT_EQ(service.calls() - before, static_cast<std::size_t>(max * max));
  }
}

}  // namespace
}  // namespace livekit::token::gateway
