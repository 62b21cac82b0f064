// Token servers that do what a test says, and a backend that asks them.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/grpc_backend.h"
#include "grpcpp/ext/health_check_service_server_builder_option.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "support/status_matchers.h"

namespace livekit::token::gateway {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Long enough for anything that works on a machine under load.
constexpr seconds kPatience{30};

// What FakeService does with the calls; it records them all.
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

  // Until so many calls have arrived.
  void AwaitCall(std::size_t count = 1) {
    std::unique_lock<std::mutex> lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return requests.size() >= count; }));
  }
  std::size_t calls() {
    std::lock_guard<std::mutex> lock(mutex);
    return requests.size();
  }

  // Holds every call until it is cancelled, by the client or because its time is up.
  static grpc::Status Hang(grpc::ServerContext* context, const Request&, Response*) {
    while (!context->IsCancelled()) std::this_thread::sleep_for(milliseconds(1));
    return grpc::Status::CANCELLED;
  }
  static grpc::Status Issue(grpc::ServerContext*, const Request& request, Response* response) {
    for (const auto& item : request.items()) {
      auto& token = *response->add_results()->mutable_token();
      token.set_server_url("wss://a");
      token.set_participant_token("token of " + item.request().participant_identity());
    }
    return grpc::Status::OK;
  }

  std::function<grpc::Status(grpc::ServerContext*, const Request&, Response*)> behave = Issue;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Request> requests;
  std::multimap<std::string, std::string> metadata;
  std::vector<std::chrono::system_clock::time_point> deadlines;
};

// A FakeService behind a listener.
class FakeServer {
 public:
  ~FakeServer() { Stop(); }

  // Servers have gRPC's health service, as ours do, unless `health` says no.
  void Start(const std::string& address = "127.0.0.1:0", bool health = true, grpc::Service* other = nullptr) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    if (!health) builder.SetOption(std::make_unique<grpc::HealthCheckServiceServerBuilderOption>(nullptr));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(other != nullptr ? other : &service);
    server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    this->address = port > 0 ? "127.0.0.1:" + std::to_string(port) : address;
  }
  // Cuts off the calls in progress.
  void Stop() {
    if (server) server->Shutdown(std::chrono::system_clock::now());
    server.reset();
  }

  FakeService service;
  std::unique_ptr<grpc::Server> server;
  std::string address;  // also of one that has stopped
};

class GrpcBackendTest : public ::testing::Test {
 protected:
  GrpcBackendTest() {
    char name[] = "/tmp/lkt-grpc-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~GrpcBackendTest() override {
    backend.reset();
    server.Stop();
    unlink((directory_ + "/socket").c_str());
    unlink((directory_ + "/key").c_str());
    rmdir(directory_.c_str());
  }

  std::string SocketTarget() const { return "unix:" + directory_ + "/socket"; }

  void Connect(const std::string& target, const std::string& caller_token = "", const BatchOptions& batch = {}) {
    GrpcBackendOptions options;
    options.target = target;
    if (!caller_token.empty()) {
      auto token = CallerToken::Create(
          "key", [&](const std::string&, std::size_t) -> absl::StatusOr<std::string> { return caller_token; });
      ASSERT_OK(token);
      options.caller_token = *std::move(token);
    }
    options.batch = batch;
    auto created = GrpcBackend::Create(std::move(options), metrics);
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
  // Asks until there is a token. False when patience ends.
  bool Recovers() {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      if (Get(Issue(Item())).has_token()) return true;
    }
    return false;
  }

  std::string directory_;
  Metrics metrics;
  FakeServer server;
  FakeService& service = server.service;
  std::unique_ptr<GrpcBackend> backend;
};

}  // namespace livekit::token::gateway
