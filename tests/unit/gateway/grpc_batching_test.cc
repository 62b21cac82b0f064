// The gRPC backend with many items at a time.

#include <future>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "grpc_fixture.h"
#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

using ::testing::ElementsAre;

class GrpcBatchingTest : public GrpcBackendTest {
 protected:
  // Collects strictly: one call at a time, however long it takes.
  static BatchOptions OneCall() {
    BatchOptions options;
    options.calls = 1;
    options.patience = std::chrono::hours(1);
    return options;
  }
  // Holds the first call until Release.
  void HoldFirst() {
    service.behave = [this](grpc::ServerContext* context, const auto& request, auto* response) {
      if (service.calls() == 1) released_.get_future().wait();
      return FakeService::Issue(context, request, response);
    };
  }
  void Release() { released_.set_value(); }
  std::vector<int> CallSizes() {
    std::vector<int> sizes;
    for (const auto& request : service.requests) sizes.push_back(request.items_size());
    return sizes;
  }

 private:
  std::promise<void> released_;
};

TEST_F(GrpcBatchingTest, SendsInOneCallWhatComesDuringAnother) {
  HoldFirst();
  server.Start();
  Connect(server.address, "", OneCall());
  std::vector<std::future<Backend::Result>> futures;
  futures.push_back(Issue(Item("p0")));
  service.AwaitCall();
  for (int i = 1; i < 50; ++i) futures.push_back(Issue(Item("p" + std::to_string(i))));
  Release();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(Get(std::move(futures[i])).token().participant_token(), "token of p" + std::to_string(i));
  }
  EXPECT_THAT(CallSizes(), ElementsAre(1, 49));
}

TEST_F(GrpcBatchingTest, SplitsAtAThousandItems) {
  HoldFirst();
  server.Start();
  Connect(server.address, "", OneCall());
  std::vector<std::future<Backend::Result>> futures;
  futures.push_back(Issue(Item("p0")));
  service.AwaitCall();
  for (int i = 1; i < 1500; ++i) futures.push_back(Issue(Item("p" + std::to_string(i))));
  Release();
  for (int i = 0; i < 1500; ++i) {
    EXPECT_EQ(Get(std::move(futures[i])).token().participant_token(), "token of p" + std::to_string(i));
  }
  EXPECT_THAT(CallSizes(), ElementsAre(1, 1000, 499));
}

TEST_F(GrpcBatchingTest, SplitsAtAMebibyte) {
  HoldFirst();
  server.Start();
  Connect(server.address, "", OneCall());
  std::vector<std::future<Backend::Result>> futures;
  futures.push_back(Issue(Item("p0")));
  service.AwaitCall();
  for (int i = 0; i < 40; ++i) {
    auto item = Item();
    item.mutable_request()->set_participant_metadata(std::string(60 << 10, 'm'));
    futures.push_back(Issue(std::move(item)));
  }
  Release();
  for (auto& future : futures) EXPECT_TRUE(Get(std::move(future)).has_token());
  EXPECT_THAT(CallSizes(), ElementsAre(1, 17, 17, 6));
  for (const auto& request : service.requests) EXPECT_LE(request.ByteSizeLong(), 1u << 20);
}

TEST_F(GrpcBatchingTest, ABadItemHarmsNoOther) {
  service.behave = [](grpc::ServerContext*, const auto& request, FakeService::Response* response) {
    for (const auto& item : request.items()) {
      auto& result = *response->add_results();
      const std::string& identity = item.request().participant_identity();
      if (identity == "bad") {
        *result.mutable_error() = ToError(Refuse(v1::IDENTITY_NOT_PERMITTED));
      } else {
        result.mutable_token()->set_participant_token("token of " + identity);
      }
    }
    return grpc::Status::OK;
  };
  server.Start();
  Connect(server.address, "", OneCall());
  std::vector<std::future<Backend::Result>> futures;
  for (const char* name : {"a", "b", "bad", "c"}) futures.push_back(Issue(Item(name)));
  EXPECT_TRUE(Get(std::move(futures[0])).has_token());
  EXPECT_TRUE(Get(std::move(futures[1])).has_token());
  EXPECT_EQ(ReasonOf(std::move(futures[2])), v1::IDENTITY_NOT_PERMITTED);
  EXPECT_TRUE(Get(std::move(futures[3])).has_token());
}

TEST_F(GrpcBatchingTest, EveryItemHasItsOwnTime) {
  HoldFirst();
  server.Start();
  Connect(server.address, "", OneCall());
  auto in_flight = Issue(Item("in flight"));
  service.AwaitCall();
  auto waits = Issue(Item("waits", milliseconds(100)));
  EXPECT_EQ(ReasonOf(std::move(waits)), v1::DEADLINE_EXCEEDED);
  Release();
  EXPECT_TRUE(Get(std::move(in_flight)).has_token());
  EXPECT_THAT(CallSizes(), ElementsAre(1));
}

TEST_F(GrpcBatchingTest, RefusesAtOnceWhatHasNoPlace) {
  service.behave = FakeService::Hang;
  server.Start();
  auto options = OneCall();
  options.max_items = 3;
  Connect(server.address, "", options);
  std::vector<std::future<Backend::Result>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(Issue(Item()));
  auto refused = Issue(Item());
  ASSERT_EQ(refused.wait_for(seconds(0)), std::future_status::ready);
  const auto result = refused.get();
  EXPECT_EQ(result.error().reason(), v1::UNAVAILABLE);
  EXPECT_EQ(result.error().retry_delay().seconds(), 1);
  backend.reset();
  for (auto& future : futures) EXPECT_EQ(ReasonOf(std::move(future)), v1::UNAVAILABLE);
}

TEST_F(GrpcBatchingTest, AFailedCallFailsAllOfItsItems) {
  HoldFirst();
  const auto answer_first = service.behave;
  service.behave = [&](grpc::ServerContext* context, const auto& request, auto* response) {
    return request.items_size() == 1 ? answer_first(context, request, response)
                                     : grpc::Status(grpc::UNAUTHENTICATED, "no");
  };
  server.Start();
  Connect(server.address, "", OneCall());
  std::vector<std::future<Backend::Result>> futures;
  futures.push_back(Issue(Item()));
  service.AwaitCall();
  for (int i = 0; i < 3; ++i) futures.push_back(Issue(Item()));
  Release();
  EXPECT_TRUE(Get(std::move(futures[0])).has_token());
  for (int i = 1; i < 4; ++i) EXPECT_EQ(ReasonOf(std::move(futures[i])), v1::CALLER_AUTHENTICATION_FAILED);
}

}  // namespace
}  // namespace livekit::token::gateway
