// The gRPC backend with servers that come and go.

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "grpc_fixture.h"
#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

class GrpcReplicasTest : public GrpcBackendTest {
 protected:
  std::string Target() const { return "ipv4:" + server.address + "," + other.address; }
  void StartBoth() {
    server.Start();
    other.Start();
    Connect(Target());
  }

  FakeServer other;
};

TEST_F(GrpcReplicasTest, AsksThemInTurn) {
  StartBoth();
  // The first calls may go out before the second connection stands.
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while ((service.calls() == 0 || other.service.calls() == 0) && std::chrono::steady_clock::now() < end) {
    ASSERT_TRUE(Get(Issue(Item())).has_token());
  }
  const auto before = service.calls();
  const auto other_before = other.service.calls();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Get(Issue(Item())).has_token());
  EXPECT_EQ(service.calls() - before, 10u);
  EXPECT_EQ(other.service.calls() - other_before, 10u);
}

TEST_F(GrpcReplicasTest, GoesOnWithTheOtherWhenOneStops) {
  StartBoth();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Get(Issue(Item())).has_token());
  server.Stop();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Get(Issue(Item())).has_token()) << i;
  server.Start(server.address);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  const auto before = service.calls();
  while (service.calls() == before && std::chrono::steady_clock::now() < end) {
    EXPECT_TRUE(Get(Issue(Item())).has_token());
  }
  EXPECT_GT(service.calls(), before);
}

TEST_F(GrpcReplicasTest, AsksTheOtherWhenOneDiesInTheMiddleOfACall) {
  // Whoever is asked first holds the call.
  std::atomic<bool> held{false};
  for (FakeServer* each : {&server, &other}) {
    each->service.behave = [&](grpc::ServerContext* context, const auto& request, auto* response) {
      return held.exchange(true) ? FakeService::Issue(context, request, response)
                                 : FakeService::Hang(context, request, response);
    };
  }
  StartBoth();
  auto item = Item("bob");
  // More than the 256 KiB that gRPC by itself keeps for another attempt.
  item.mutable_request()->set_participant_metadata(std::string(600 << 10, 'm'));
  auto future = Issue(std::move(item));
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!held && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  (service.calls() > 0 ? server : other).Stop();
  EXPECT_EQ(Get(std::move(future)).token().participant_token(), "token of bob");
  EXPECT_EQ(service.calls() + other.service.calls(), 2u);
}

// Begins every answer and never ends it.
class BeginsService : public v1::TokenService::CallbackService {
 public:
  grpc::ServerUnaryReactor* BatchIssueParticipantTokens(grpc::CallbackServerContext*,
                                                        const v1::BatchIssueParticipantTokensRequest*,
                                                        v1::BatchIssueParticipantTokensResponse*) override {
    class Reactor : public grpc::ServerUnaryReactor {
     public:
      explicit Reactor(std::promise<void>& begun) : begun_(begun) { StartSendInitialMetadata(); }
      void OnSendInitialMetadataDone(bool) override { begun_.set_value(); }
      void OnCancel() override { Finish(grpc::Status::CANCELLED); }
      void OnDone() override { delete this; }

     private:
      std::promise<void>& begun_;
    };
    return new Reactor(begun);
  }

  std::promise<void> begun;
};

// gRPC itself gives up on a call whose answer has begun.
TEST_F(GrpcReplicasTest, AsksAgainWhenAnAnswerBreaksOff) {
  BeginsService begins;
  server.Start("127.0.0.1:0", /*health=*/true, &begins);
  other.Start();
  Connect(Target());
  auto begun = begins.begun.get_future();
  std::future<Backend::Result> future;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (begun.wait_for(seconds(0)) != std::future_status::ready && std::chrono::steady_clock::now() < end) {
    // Answered by the other, or begun here.
    if (!future.valid() || future.wait_for(seconds(0)) == std::future_status::ready) future = Issue(Item("bob"));
  }
  const std::size_t before = other.service.calls();
  server.Stop();
  EXPECT_EQ(Get(std::move(future)).token().participant_token(), "token of bob");
  EXPECT_EQ(other.service.calls(), before + 1);
}

}  // namespace
}  // namespace livekit::token::gateway
