// The gRPC backend against real servers on loopback and unix sockets: one item at a time.

#include "gateway/grpc_backend.h"

#include <chrono>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "grpc_fixture.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

// c-ares 1.18 leaks its copy of the name `localhost` whenever it resolves it.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares.so\n"; }

namespace livekit::token::gateway {
namespace {

TEST_F(GrpcBackendTest, IssuesOverTcpAndOverAUnixSocket) {
  for (bool unix_socket : {false, true}) {
    server.Start(unix_socket ? SocketTarget() : "127.0.0.1:0");
    Connect(unix_socket ? SocketTarget() : server.address);
    const auto result = Get(Issue(Item("bob")));
    EXPECT_EQ(result.token().participant_token(), "token of bob");
    EXPECT_TRUE(backend->Ready());
    backend.reset();
    server.Stop();
  }
}

TEST_F(GrpcBackendTest, IssuesByName) {
  server.Start();
  Connect("dns:///localhost" + server.address.substr(server.address.rfind(':')));
  EXPECT_EQ(Get(Issue(Item("bob"))).token().participant_token(), "token of bob");
}

TEST_F(GrpcBackendTest, SendsTheItemAsItIs) {
  server.Start();
  Connect(server.address);
  auto item = Item();
  item.add_credentials()->set_header("authorization");
  item.mutable_credentials(0)->set_value("Bearer x");
  item.set_host("h:1");
  item.set_client_address("1.2.3.4");
  item.set_request_id("r");
  item.set_max_token_bytes(7);
  Get(Issue(item));
  ASSERT_EQ(service.requests.size(), 1u);
  ASSERT_EQ(service.requests[0].items_size(), 1);
  auto& arrived = *service.requests[0].mutable_items(0);
  arrived.clear_timeout();
  item.clear_timeout();
  EXPECT_EQ(arrived.SerializeAsString(), item.SerializeAsString());
}

TEST_F(GrpcBackendTest, ShowsItsOwnCredentialAndOnlyThatAsMetadata) {
  server.Start();
  Connect(server.address, "gateway-key.secret");
  auto item = Item();
  item.add_credentials()->set_header("authorization");
  item.mutable_credentials(0)->set_value("Bearer end-user");
  Get(Issue(item));
  ASSERT_EQ(service.metadata.count("x-caller-authorization"), 1u);
  EXPECT_EQ(service.metadata.find("x-caller-authorization")->second, "Bearer gateway-key.secret");
  EXPECT_EQ(service.metadata.count("authorization"), 0u);
}

TEST_F(GrpcBackendTest, ShowsNoCredentialWithoutOne) {
  server.Start();
  Connect(server.address);
  Get(Issue(Item()));
  EXPECT_EQ(service.metadata.count("x-caller-authorization"), 0u);
}

TEST_F(GrpcBackendTest, PassesOnRefusalsOfItems) {
  server.Start();
  service.behave = [](grpc::ServerContext*, const auto&, FakeService::Response* response) {
    *response->add_results()->mutable_error() = ToError(RefuseField(v1::FIELD_NOT_PERMITTED, "room_name", "no"));
    return grpc::Status::OK;
  };
  Connect(server.address);
  const auto result = Get(Issue(Item()));
  EXPECT_EQ(result.error().reason(), v1::FIELD_NOT_PERMITTED);
  EXPECT_EQ(result.error().fields(0).field(), "room_name");
}

TEST_F(GrpcBackendTest, SaysUnavailableWithADelayWhenNobodyListens) {
  server.Start();
  server.Stop();
  Connect(server.address);
  EXPECT_FALSE(backend->Ready());
  const auto result = Get(Issue(Item()));
  EXPECT_EQ(result.error().reason(), v1::UNAVAILABLE);
  EXPECT_EQ(result.error().retry_delay().seconds(), 1);
  EXPECT_FALSE(backend->Ready());

  Connect(SocketTarget());
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
}

TEST_F(GrpcBackendTest, BecomesReadyAndStaysSoWhenTheServerGoes) {
  server.Start();
  Connect(server.address);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!backend->Ready() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_TRUE(backend->Ready());
  server.Stop();
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
  EXPECT_TRUE(backend->Ready());
}

TEST_F(GrpcBackendTest, KeepsAwayFromAServerThatIsNotServing) {
  server.Start();
  server.server->GetHealthCheckService()->SetServingStatus(false);
  Connect(server.address);
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
  EXPECT_FALSE(backend->Ready());
  EXPECT_TRUE(service.requests.empty());
  server.server->GetHealthCheckService()->SetServingStatus(true);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!backend->Ready() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_TRUE(Get(Issue(Item())).has_token());
}

TEST_F(GrpcBackendTest, WorksWithAServerWithoutHealthService) {
  server.Start("127.0.0.1:0", /*health=*/false);
  Connect(server.address);
  EXPECT_TRUE(Get(Issue(Item())).has_token());
}

TEST_F(GrpcBackendTest, EndsWithTheItemsTime) {
  server.Start();
  service.behave = FakeService::Hang;
  Connect(server.address);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ReasonOf(Issue(Item("alice", milliseconds(200)))), v1::DEADLINE_EXCEEDED);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, milliseconds(190));
  EXPECT_LT(took, seconds(20));
}

TEST_F(GrpcBackendTest, TellsTheServerTheItemsTime) {
  server.Start();
  Connect(server.address);
  const auto before = std::chrono::system_clock::now();
  Get(Issue(Item("alice", seconds(20))));
  const auto left = service.deadlines.at(0) - before;
  EXPECT_GT(left, seconds(10));
  EXPECT_LE(left, seconds(21));
  const auto& timeout = service.requests.at(0).items(0).timeout();
  EXPECT_GE(timeout.seconds(), 10);
  EXPECT_LE(timeout.seconds(), 20);

  auto without = Item();
  without.clear_timeout();
  Get(Issue(without));
  EXPECT_LT(service.deadlines.at(1), std::chrono::system_clock::now() + seconds(11));
  EXPECT_LE(service.requests.at(1).items(0).timeout().seconds(), 10);
}

TEST_F(GrpcBackendTest, TakesALateAnswerForNone) {
  server.Start();
  std::promise<void> release;
  auto released = release.get_future().share();
  service.behave = [released](grpc::ServerContext*, const auto&, FakeService::Response* response) {
    released.wait();
    response->add_results()->mutable_token()->set_participant_token("late");
    return grpc::Status::OK;
  };
  Connect(server.address);
  EXPECT_EQ(ReasonOf(Issue(Item("alice", milliseconds(100)))), v1::DEADLINE_EXCEEDED);
  release.set_value();
  backend.reset();
}

TEST_F(GrpcBackendTest, NamesTheReasonOfFailedCalls) {
  server.Start();
  Connect(server.address);
  const std::vector<std::pair<grpc::StatusCode, v1::ErrorReason>> table = {
      {grpc::UNAUTHENTICATED, v1::CALLER_AUTHENTICATION_FAILED},
      {grpc::PERMISSION_DENIED, v1::METHOD_NOT_PERMITTED},
      {grpc::UNAVAILABLE, v1::UNAVAILABLE},
      {grpc::CANCELLED, v1::UNAVAILABLE},
      {grpc::RESOURCE_EXHAUSTED, v1::UNAVAILABLE},
      {grpc::DEADLINE_EXCEEDED, v1::DEADLINE_EXCEEDED},
      {grpc::INVALID_ARGUMENT, v1::INTERNAL},
      {grpc::UNIMPLEMENTED, v1::INTERNAL},
      {grpc::INTERNAL, v1::INTERNAL},
      {grpc::UNKNOWN, v1::INTERNAL},
      {grpc::DATA_LOSS, v1::INTERNAL},
  };
  for (const auto& [code, reason] : table) {
    service.behave = [code = code](grpc::ServerContext*, const auto&, auto*) {
      return grpc::Status(code, "the server's own words");
    };
    const auto result = Get(Issue(Item()));
    EXPECT_EQ(result.error().reason(), reason) << code;
    EXPECT_EQ(result.error().message(), std::string(GetReasonInfo(reason).sentence)) << code;
  }
}

TEST_F(GrpcBackendTest, TriesAgainWhatTheServerDidNotAnswer) {
  server.Start();
  int calls = 0;
  const auto good = service.behave;
  service.behave = [&](grpc::ServerContext* context, const auto& request, auto* response) {
    ++calls;
    if (calls == 1) return grpc::Status(grpc::UNAVAILABLE, "stopping");
    if (calls == 2) return grpc::Status(grpc::CANCELLED, "stopping");
    return good(context, request, response);
  };
  Connect(server.address);
  EXPECT_EQ(Get(Issue(Item())).token().participant_token(), "token of alice");
  EXPECT_EQ(calls, 3);
}

TEST_F(GrpcBackendTest, DoesNotRepeatWhatTheServerRefused) {
  server.Start();
  int calls = 0;
  service.behave = [&](grpc::ServerContext*, const auto&, auto*) {
    ++calls;
    return grpc::Status(grpc::UNAUTHENTICATED, "no");
  };
  Connect(server.address);
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::CALLER_AUTHENTICATION_FAILED);
  EXPECT_EQ(calls, 1);
}

TEST_F(GrpcBackendTest, TakesAnAnswerOfAnotherLengthForAFault) {
  server.Start();
  Connect(server.address);
  for (int count : {0, 2}) {
    service.behave = [count](grpc::ServerContext*, const auto&, FakeService::Response* response) {
      for (int i = 0; i < count; ++i) response->add_results()->mutable_token()->set_participant_token("other's");
      return grpc::Status::OK;
    };
    EXPECT_EQ(ReasonOf(Issue(Item())), v1::INTERNAL) << count;
  }
}

TEST_F(GrpcBackendTest, RecoversWhenTheServerComesBack) {
  server.Start(SocketTarget());
  Connect(SocketTarget());
  EXPECT_TRUE(Get(Issue(Item())).has_token());
  server.Stop();
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
  server.Start(SocketTarget());
  EXPECT_TRUE(Recovers());
}

TEST_F(GrpcBackendTest, AnswersCallsInFlightWhenItGoes) {
  server.Start();
  service.behave = FakeService::Hang;
  Connect(server.address);
  std::vector<std::future<Backend::Result>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(Issue(Item()));
  service.AwaitCall(2);
  backend.reset();
  for (auto& future : futures) {
    // The destructor has waited: every answer is there.
    ASSERT_EQ(future.wait_for(seconds(0)), std::future_status::ready);
    EXPECT_EQ(future.get().error().reason(), v1::UNAVAILABLE);
  }
}

TEST_F(GrpcBackendTest, AnswersWhenTheServerDiesWithCallsInFlight) {
  server.Start();
  service.behave = FakeService::Hang;
  Connect(server.address);
  auto future = Issue(Item());
  service.AwaitCall();
  server.Stop();
  EXPECT_EQ(ReasonOf(std::move(future)), v1::UNAVAILABLE);
}

TEST_F(GrpcBackendTest, SurvivesOwnersThatThrow) {
  server.Start();
  Connect(server.address);
  std::promise<void> called;
  backend->Issue(Item(), [&](const Backend::Result&) {
    called.set_value();
    throw std::runtime_error("boom");
  });
  ASSERT_EQ(called.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(Get(Issue(Item())).has_token());
}

TEST(GrpcBackendCreate, RefusesABadTarget) {
  GrpcBackendOptions options;
  options.target = "http://x";
  Metrics metrics;
  EXPECT_FALSE(GrpcBackend::Create(std::move(options), metrics).ok());
}

TEST_F(GrpcBackendTest, ReadsTheCallerTokenFromAFile) {
  const std::string path = directory_ + "/key";
  const auto write = [&](const std::string& text) { std::ofstream(path, std::ios::binary) << text; };
  for (const char* text : {"id.secret", "id.secret\n", " id.secret\r\n"}) {
    write(text);
    auto token = CallerToken::Create(path);
    ASSERT_OK(token);
    EXPECT_EQ((*token)->Get()->Reveal(), "id.secret");
  }
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\xc3\xa9"), std::string("\xef\xbb\xbfid"), std::string(4097, 'a')}) {
    write(text);
    const auto token = CallerToken::Create(path);
    ASSERT_FALSE(token.ok()) << text;
    EXPECT_THAT(std::string(token.status().message()), ::testing::HasSubstr(path));
  }
  EXPECT_FALSE(CallerToken::Create(directory_ + "/absent").ok());
}

TEST_F(GrpcBackendTest, UsesANewCallerTokenForCallsThatStartAfterwards) {
  std::string content = "first\n";
  const auto read = [&](const std::string&, std::size_t) -> absl::StatusOr<std::string> { return content; };
  server.Start();
  GrpcBackendOptions options;
  options.target = server.address;
  auto token = CallerToken::Create("/key", read);
  ASSERT_OK(token);
  options.caller_token = *std::move(token);
  auto created = GrpcBackend::Create(std::move(options), metrics);
  ASSERT_OK(created);
  backend = *std::move(created);
  const auto presented = [&] {
    EXPECT_TRUE(Get(Issue(Item())).has_token());
    std::lock_guard<std::mutex> lock(server.service.mutex);
    return server.service.metadata.find("x-caller-authorization")->second;
  };
  EXPECT_EQ(presented(), "Bearer first");
  content = "second secret";
  const auto problems = backend->ReloadCallerToken(read);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].path, "server.caller_token_file");
  EXPECT_EQ(problems[0].message, "/key: must hold one line of 1 to 4096 visible ASCII characters");
  EXPECT_EQ(presented(), "Bearer first");
  content = "second";
  EXPECT_TRUE(backend->ReloadCallerToken(read).empty());
  EXPECT_EQ(presented(), "Bearer second");
}

}  // namespace
}  // namespace livekit::token::gateway
