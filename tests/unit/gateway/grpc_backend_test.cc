// The gRPC backend against real servers on loopback and unix sockets.

#include "gateway/grpc_backend.h"

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "grpcpp/ext/health_check_service_server_builder_option.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "support/status_matchers.h"

// c-ares 1.18 leaks its copy of the name `localhost` whenever it resolves it.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares.so\n"; }

namespace livekit::token::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Long enough for anything that works on a machine under load.
constexpr seconds kPatience{30};

// A token server that does what a test says.
class FakeService : public v1::TokenService::Service {
 public:
  using Request = v1::BatchIssueParticipantTokensRequest;
  using Response = v1::BatchIssueParticipantTokensResponse;

  grpc::Status BatchIssueParticipantTokens(grpc::ServerContext* context, const Request* request,
                                           Response* response) override {
    {
      std::lock_guard<std::mutex> lock(mutex);
      requests.push_back(*request);
      metadata.clear();
      for (const auto& [key, value] : context->client_metadata()) {
        metadata.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
      }
      deadlines.push_back(context->deadline());
    }
    changed.notify_all();
    return behave(context, *request, response);
  }

  // Until a call has arrived.
  void AwaitCall(std::size_t count = 1) {
    std::unique_lock<std::mutex> lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return requests.size() >= count; }));
  }

  // Holds every call until it is cancelled, by the client or because its time is up.
  static grpc::Status Hang(grpc::ServerContext* context, const Request&, Response*) {
    while (!context->IsCancelled()) std::this_thread::sleep_for(milliseconds(1));
    return grpc::Status::CANCELLED;
  }

  std::function<grpc::Status(grpc::ServerContext*, const Request&, Response*)> behave =
      [](grpc::ServerContext*, const Request& request, Response* response) {
        for (const auto& item : request.items()) {
          auto& token = *response->add_results()->mutable_token();
          token.set_server_url("wss://a");
          token.set_participant_token("token of " + item.request().participant_identity());
        }
        return grpc::Status::OK;
      };
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Request> requests;
  std::multimap<std::string, std::string> metadata;
  std::vector<std::chrono::system_clock::time_point> deadlines;
};

class GrpcBackendTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { grpc::EnableDefaultHealthCheckService(true); }

  GrpcBackendTest() {
    char name[] = "/tmp/lkt-grpc-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~GrpcBackendTest() override {
    backend.reset();
    Stop();
    unlink((directory_ + "/socket").c_str());
    unlink((directory_ + "/key").c_str());
    rmdir(directory_.c_str());
  }

  // Servers have gRPC's health service, as ours do, unless `health` says no.
  void Serve(const std::string& address = "127.0.0.1:0", bool health = true) {
    grpc::ServerBuilder builder;
    if (!health) builder.SetOption(std::make_unique<grpc::HealthCheckServiceServerBuilderOption>(nullptr));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void Stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  std::string Target() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string SocketTarget() const { return "unix:" + directory_ + "/socket"; }

  void Connect(const std::string& target, const std::string& caller_token = "") {
    GrpcBackendOptions options;
    options.target = target;
    options.caller_token = Secret::CopyOf(caller_token);
    auto created = GrpcBackend::Create(std::move(options));
    ASSERT_OK(created);
    backend = *std::move(created);
  }

  static Backend::Item Item(const std::string& identity = "alice", milliseconds timeout = kPatience) {
    Backend::Item item;
    item.mutable_request()->set_participant_identity(identity);
    item.mutable_timeout()->set_seconds(timeout.count() / 1000);
    item.mutable_timeout()->set_nanos(static_cast<int>(timeout.count() % 1000) * 1'000'000);
    return item;
  }

  std::future<Backend::Result> Issue(Backend::Item item) {
    auto promise = std::make_shared<std::promise<Backend::Result>>();
    auto future = promise->get_future();
    backend->Issue(std::move(item), [promise](Backend::Result result) { promise->set_value(std::move(result)); });
    return future;
  }

  static v1::ErrorReason ReasonOf(std::future<Backend::Result> future) {
    return Get(std::move(future)).error().reason();
  }
  static Backend::Result Get(std::future<Backend::Result> future) {
    if (future.wait_for(kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "no answer";
      return {};
    }
    return future.get();
  }

  std::string directory_;
  FakeService service;
  std::unique_ptr<GrpcBackend> backend;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(GrpcBackendTest, IssuesOverTcpAndOverAUnixSocket) {
  for (bool unix_socket : {false, true}) {
    Serve(unix_socket ? SocketTarget() : "127.0.0.1:0");
    Connect(unix_socket ? SocketTarget() : Target());
    const auto result = Get(Issue(Item("bob")));
    EXPECT_EQ(result.token().participant_token(), "token of bob");
    EXPECT_TRUE(backend->Ready());
    backend.reset();
    Stop();
  }
}

TEST_F(GrpcBackendTest, IssuesByName) {
  Serve();
  Connect("dns:///localhost:" + std::to_string(port_));
  EXPECT_EQ(Get(Issue(Item("bob"))).token().participant_token(), "token of bob");
}

TEST_F(GrpcBackendTest, SendsTheItemAsItIs) {
  Serve();
  Connect(Target());
  auto item = Item();
  item.add_credentials()->set_header("authorization");
  item.mutable_credentials(0)->set_value("Bearer x");
  item.set_host("h:1");
  item.set_client_address("1.2.3.4");
  item.set_request_id("r");
  item.set_max_token_bytes(7);
  const std::string sent = item.SerializeAsString();
  Get(Issue(item));
  ASSERT_EQ(service.requests.size(), 1u);
  ASSERT_EQ(service.requests[0].items_size(), 1);
  EXPECT_EQ(service.requests[0].items(0).SerializeAsString(), sent);
}

TEST_F(GrpcBackendTest, ShowsItsOwnCredentialAndOnlyThatAsMetadata) {
  Serve();
  Connect(Target(), "gateway-key.secret");
  auto item = Item();
  item.add_credentials()->set_header("authorization");
  item.mutable_credentials(0)->set_value("Bearer end-user");
  Get(Issue(item));
  ASSERT_EQ(service.metadata.count("x-caller-authorization"), 1u);
  EXPECT_EQ(service.metadata.find("x-caller-authorization")->second, "Bearer gateway-key.secret");
  EXPECT_EQ(service.metadata.count("authorization"), 0u);
}

TEST_F(GrpcBackendTest, ShowsNoCredentialWithoutOne) {
  Serve();
  Connect(Target());
  Get(Issue(Item()));
  EXPECT_EQ(service.metadata.count("x-caller-authorization"), 0u);
}

TEST_F(GrpcBackendTest, PassesOnRefusalsOfItems) {
  Serve();
  service.behave = [](grpc::ServerContext*, const auto&, FakeService::Response* response) {
    *response->add_results()->mutable_error() = ToError(RefuseField(v1::FIELD_NOT_PERMITTED, "room_name", "no"));
    return grpc::Status::OK;
  };
  Connect(Target());
  const auto result = Get(Issue(Item()));
  EXPECT_EQ(result.error().reason(), v1::FIELD_NOT_PERMITTED);
  EXPECT_EQ(result.error().fields(0).field(), "room_name");
}

TEST_F(GrpcBackendTest, SaysUnavailableWithADelayWhenNobodyListens) {
  Serve();
  const std::string target = Target();
  Stop();
  Connect(target);
  EXPECT_FALSE(backend->Ready());
  const auto result = Get(Issue(Item()));
  EXPECT_EQ(result.error().reason(), v1::UNAVAILABLE);
  EXPECT_EQ(result.error().retry_delay().seconds(), 1);
  EXPECT_FALSE(backend->Ready());

  Connect(SocketTarget());
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
}

TEST_F(GrpcBackendTest, BecomesReadyAndStaysSoWhenTheServerGoes) {
  Serve();
  Connect(Target());
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!backend->Ready() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_TRUE(backend->Ready());
  Stop();
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
  EXPECT_TRUE(backend->Ready());
}

TEST_F(GrpcBackendTest, KeepsAwayFromAServerThatIsNotServing) {
  Serve();
  server_->GetHealthCheckService()->SetServingStatus(false);
  Connect(Target());
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
  EXPECT_FALSE(backend->Ready());
  EXPECT_TRUE(service.requests.empty());
  server_->GetHealthCheckService()->SetServingStatus(true);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!backend->Ready() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_TRUE(Get(Issue(Item())).has_token());
}

TEST_F(GrpcBackendTest, WorksWithAServerWithoutHealthService) {
  Serve("127.0.0.1:0", /*health=*/false);
  Connect(Target());
  EXPECT_TRUE(Get(Issue(Item())).has_token());
}

TEST_F(GrpcBackendTest, EndsWithTheItemsTime) {
  Serve();
  service.behave = FakeService::Hang;
  Connect(Target());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ReasonOf(Issue(Item("alice", milliseconds(200)))), v1::DEADLINE_EXCEEDED);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, milliseconds(190));
  EXPECT_LT(took, seconds(20));
}

TEST_F(GrpcBackendTest, TellsTheServerTheItemsTime) {
  Serve();
  Connect(Target());
  const auto before = std::chrono::system_clock::now();
  Get(Issue(Item("alice", seconds(20))));
  const auto left = service.deadlines.at(0) - before;
  EXPECT_GT(left, seconds(10));
  EXPECT_LE(left, seconds(21));

  auto without = Item();
  without.clear_timeout();
  Get(Issue(without));
  EXPECT_LT(service.deadlines.at(1), std::chrono::system_clock::now() + seconds(11));
}

TEST_F(GrpcBackendTest, TakesALateAnswerForNone) {
  Serve();
  std::promise<void> release;
  auto released = release.get_future().share();
  service.behave = [released](grpc::ServerContext*, const auto&, FakeService::Response* response) {
    released.wait();
    response->add_results()->mutable_token()->set_participant_token("late");
    return grpc::Status::OK;
  };
  Connect(Target());
  EXPECT_EQ(ReasonOf(Issue(Item("alice", milliseconds(100)))), v1::DEADLINE_EXCEEDED);
  release.set_value();
  backend.reset();
}

TEST_F(GrpcBackendTest, NamesTheReasonOfFailedCalls) {
  Serve();
  Connect(Target());
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
  Serve();
  int calls = 0;
  const auto good = service.behave;
  service.behave = [&](grpc::ServerContext* context, const auto& request, auto* response) {
    ++calls;
    if (calls == 1) return grpc::Status(grpc::UNAVAILABLE, "stopping");
    if (calls == 2) return grpc::Status(grpc::CANCELLED, "stopping");
    return good(context, request, response);
  };
  Connect(Target());
  EXPECT_EQ(Get(Issue(Item())).token().participant_token(), "token of alice");
  EXPECT_EQ(calls, 3);
}

TEST_F(GrpcBackendTest, DoesNotRepeatWhatTheServerRefused) {
  Serve();
  int calls = 0;
  service.behave = [&](grpc::ServerContext*, const auto&, auto*) {
    ++calls;
    return grpc::Status(grpc::UNAUTHENTICATED, "no");
  };
  Connect(Target());
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::CALLER_AUTHENTICATION_FAILED);
  EXPECT_EQ(calls, 1);
}

TEST_F(GrpcBackendTest, TakesAnAnswerOfAnotherLengthForAFault) {
  Serve();
  Connect(Target());
  for (int count : {0, 2}) {
    service.behave = [count](grpc::ServerContext*, const auto&, FakeService::Response* response) {
      for (int i = 0; i < count; ++i) response->add_results()->mutable_token()->set_participant_token("other's");
      return grpc::Status::OK;
    };
    EXPECT_EQ(ReasonOf(Issue(Item())), v1::INTERNAL) << count;
  }
}

TEST_F(GrpcBackendTest, RecoversWhenTheServerComesBack) {
  Serve(SocketTarget());
  Connect(SocketTarget());
  EXPECT_TRUE(Get(Issue(Item())).has_token());
  Stop();
  EXPECT_EQ(ReasonOf(Issue(Item())), v1::UNAVAILABLE);
  Serve(SocketTarget());
  const auto end = std::chrono::steady_clock::now() + kPatience;
  bool recovered = false;
  while (!recovered && std::chrono::steady_clock::now() < end) recovered = Get(Issue(Item())).has_token();
  EXPECT_TRUE(recovered);
}

TEST_F(GrpcBackendTest, AnswersCallsInFlightWhenItGoes) {
  Serve();
  service.behave = FakeService::Hang;
  Connect(Target());
  std::vector<std::future<Backend::Result>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(Issue(Item()));
  service.AwaitCall(2);
  backend.reset();
  for (auto& future : futures) {
    // The destructor has waited: every answer is there already.
    ASSERT_EQ(future.wait_for(seconds(0)), std::future_status::ready);
    EXPECT_EQ(future.get().error().reason(), v1::UNAVAILABLE);
  }
}

TEST_F(GrpcBackendTest, AnswersWhenTheServerDiesWithCallsInFlight) {
  Serve();
  service.behave = FakeService::Hang;
  Connect(Target());
  auto future = Issue(Item());
  service.AwaitCall();
  Stop();
  EXPECT_EQ(ReasonOf(std::move(future)), v1::UNAVAILABLE);
}

TEST_F(GrpcBackendTest, SurvivesOwnersThatThrow) {
  Serve();
  Connect(Target());
  std::promise<void> called;
  backend->Issue(Item(), [&](const Backend::Result&) {
    called.set_value();
    throw std::runtime_error("boom");
  });
  ASSERT_EQ(called.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(Get(Issue(Item())).has_token());
}

TEST_F(GrpcBackendTest, AnswersManyAtOnce) {
  Serve();
  Connect(Target());
  std::vector<std::future<Backend::Result>> futures;
  for (int i = 0; i < 200; ++i) futures.push_back(Issue(Item("p" + std::to_string(i))));
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(Get(std::move(futures[i])).token().participant_token(), "token of p" + std::to_string(i));
  }
}

TEST(CheckTarget, AcceptsTheThreeForms) {
  for (const char* target : {"localhost:50051", "10.0.0.1:1", "[::1]:50051", "dns:///token-server.ns.svc.:50051",
                             "unix:/run/livekit/token.sock"}) {
    EXPECT_EQ(CheckTarget(target), "") << target;
  }
}

TEST(CheckTarget, RefusesEverythingElse) {
  for (std::string target :
       {"", "localhost", "localhost:", "localhost:0", "localhost:65536", ":50051", "http://localhost:50051",
        "unix:", "unix:relative", "dns:///", "dns:///name", "dns://8.8.8.8/name:1", "ipv4:1.2.3.4:5", "::1:50051",
        "xds:///service", "unix-abstract:x"}) {
    EXPECT_NE(CheckTarget(target), "") << target;
  }
  EXPECT_NE(CheckTarget("unix:/" + std::string(107, 'a')), "");
  EXPECT_EQ(CheckTarget("unix:/" + std::string(106, 'a')), "");
}

TEST(GrpcBackendCreate, RefusesABadTarget) {
  GrpcBackendOptions options;
  options.target = "http://x";
  EXPECT_FALSE(GrpcBackend::Create(std::move(options)).ok());
}

TEST_F(GrpcBackendTest, ReadsTheCallerTokenFromAFile) {
  const std::string path = directory_ + "/key";
  const auto write = [&](const std::string& text) { std::ofstream(path, std::ios::binary) << text; };
  for (const char* text : {"id.secret", "id.secret\n", " id.secret\r\n"}) {
    write(text);
    auto token = ReadCallerToken(path);
    ASSERT_OK(token);
    EXPECT_EQ(token->Reveal(), "id.secret");
  }
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\xc3\xa9"), std::string("\xef\xbb\xbfid"), std::string(4097, 'a')}) {
    write(text);
    const auto token = ReadCallerToken(path);
    ASSERT_FALSE(token.ok()) << text;
    EXPECT_THAT(std::string(token.status().message()), ::testing::HasSubstr(path));
  }
  EXPECT_FALSE(ReadCallerToken(directory_ + "/absent").ok());
}

}  // namespace
}  // namespace livekit::token::gateway
