// The gRPC backend with servers that come and go.

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grpc_fixture.h"
#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

class GrpcReplicasTest : public GrpcBackendTest {
 protected:
  ~GrpcReplicasTest() override { backend.reset(); }

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
  server.Start();
  service.behave = FakeService::Hang;
  other.Start();
  other.service.behave = FakeService::Hang;
  Connect(Target());
  std::vector<std::future<Backend::Result>> futures;
  // Bodies of more than the 256 KiB that gRPC by itself keeps for another attempt.
  for (int i = 0; i < 2; ++i) {
    auto item = Item("p" + std::to_string(i));
    item.mutable_request()->set_participant_metadata(std::string(400 << 10, 'm'));
    futures.push_back(Issue(std::move(item)));
  }
  FakeServer* dies = nullptr;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (dies == nullptr && std::chrono::steady_clock::now() < end) {
    if (service.calls() > 0) dies = &server;
    if (other.service.calls() > 0) dies = &other;
  }
  ASSERT_NE(dies, nullptr);
  FakeServer& stays = dies == &server ? other : server;
  {
    std::lock_guard<std::mutex> lock(stays.service.mutex);
    stays.service.behave = FakeService::Issue;
  }
  dies->Stop();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Get(std::move(futures[i])).token().participant_token(), "token of p" + std::to_string(i));
  }
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
  Connect(server.address);
  auto future = Issue(Item());
  ASSERT_EQ(begins.begun.get_future().wait_for(kPatience), std::future_status::ready);
  const std::string address = server.address;
  server.Stop();
  FakeServer next;
  next.Start(address);
  EXPECT_TRUE(Get(std::move(future)).has_token());
  backend.reset();
}

}  // namespace
}  // namespace livekit::token::gateway
