// Certificates and authorities of a gateway and a token server, replaced under load on real connections.

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/channel_tls.h"
#include "gateway/grpc_backend.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "server/grpc_tls.h"
#include "service/metrics.h"
#include "support/certificate.h"
#include "support/program.h"
#include "support/status_matchers.h"
#include "support/tls_client.h"

namespace livekit::token {
namespace {

using gateway::Backend;
using gateway::ChannelTls;
using gateway::GrpcBackend;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::CertificateFiles;
using testing::CertificateOptions;

// Connections end after about this, so that there are many handshakes.
constexpr int kConnectionAgeMs = 300;

// Answers with the names in the caller's certificate and counts connections.
class WhoAmI final : public v1::TokenService::Service {
 public:
  grpc::Status BatchIssueParticipantTokens(grpc::ServerContext* context,
                                           const v1::BatchIssueParticipantTokensRequest* request,
                                           v1::BatchIssueParticipantTokensResponse* response) override {
    const auto certificate = CertificateOf(*context->auth_context());
    const std::string name = certificate && certificate->uri_sans.size() == 1 ? certificate->uri_sans[0] : "nobody";
    {
      std::lock_guard<std::mutex> lock(mutex_);
      peers_.insert(context->peer());
    }
    for (int i = 0; i < request->items_size(); ++i) {
      response->add_results()->mutable_token()->set_participant_token(name);
    }
    return grpc::Status::OK;
  }
  std::size_t connections() {
    std::lock_guard<std::mutex> lock(mutex_);
    return peers_.size();
  }

 private:
  std::mutex mutex_;
  std::set<std::string> peers_;
};

// A listener with our TLS.
struct Listener {
  void Start(const config::v1::ServerTls& config) {
    auto created = ServerTlsFiles::Create(config, nullptr);
    ASSERT_OK(created);
    tls = *std::move(created);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMs);
    builder.AddListeningPort("127.0.0.1:0", tls->credentials(), &port);
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
  }
  ~Listener() {
    if (server) server->Shutdown(std::chrono::system_clock::now());
  }
  std::string target() const { return "127.0.0.1:" + std::to_string(port); }

  WhoAmI service;
  std::unique_ptr<ServerTlsFiles> tls;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

class CertificateRotation : public ::testing::Test {
 protected:
  CertificateFiles Authority(const std::string& name) {
    CertificateOptions options;
    options.authority = true;
    options.common_name = name;
    options.local_names = false;
    return WriteCertificate(folder_, name, options);
  }
  // A certificate for a server with this common name, or for a client with this URI.
  CertificateFiles Leaf(const std::string& file, const CertificateFiles& issuer, const std::string& name) {
    const bool client = name.find("://") != name.npos;
    CertificateOptions options;
    options.issuer = &issuer;
    options.local_names = !client;
    options.common_name = name;
    if (client) options.uri_names = {name};
    return WriteCertificate(folder_, file, options);
  }
  std::string Trust(const std::string& file, const std::vector<CertificateFiles>& authorities) {
    std::string text;
    for (const auto& authority : authorities) text += *ReadFile(authority.cert_file);
    return folder_.Write(file, text);
  }
  config::v1::ServerTls ServerConfig(const CertificateFiles& own, const std::string& trusted) {
    config::v1::ServerTls tls;
    tls.set_cert_file(own.cert_file);
    tls.set_key_file(own.key_file);
    tls.set_client_ca_file(trusted);
    return tls;
  }
  std::unique_ptr<GrpcBackend> Connect(const std::string& target, std::shared_ptr<ChannelTls> tls) {
    gateway::GrpcBackendOptions options;
    options.target = target;
    options.tls = std::move(tls);
    auto backend = GrpcBackend::Create(std::move(options), metrics_);
    EXPECT_OK(backend);
    return *std::move(backend);
  }
  // The name that the server sees; empty for a failure.
  static std::string Ask(GrpcBackend& backend, seconds timeout = seconds(9)) {
    Backend::Item item;
    item.mutable_timeout()->set_seconds(timeout.count());
    auto promise = std::make_shared<std::promise<Backend::Result>>();
    auto future = promise->get_future();
    backend.Issue(std::move(item), [promise](Backend::Result result) { promise->set_value(std::move(result)); });
    return future.get().token().participant_token();
  }
  // The name that a client with a certificate of its own is seen by, over a new connection.
  std::string AskAs(const CertificateFiles& own, const Listener& listener) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = *ReadFile(all_trusted_);
    options.pem_cert_chain = *ReadFile(own.cert_file);
    options.pem_private_key = *ReadFile(own.key_file);
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(listener.target(), grpc::SslCredentials(options), arguments);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(9));
    v1::BatchIssueParticipantTokensRequest request;
    request.add_items();
    v1::BatchIssueParticipantTokensResponse response;
    const auto status = v1::TokenService::NewStub(channel)->BatchIssueParticipantTokens(&context, request, &response);
    return status.ok() ? response.results(0).token().participant_token() : "";
  }
  static std::string ShownBy(const Listener& listener) {
    testing::TlsClientOptions options;
    options.alpn = {"h2"};
    return testing::TlsClient(listener.port, options).peer_name();
  }
  // Waits for what a reload brings about, with room for machines under load.
  template <typename Condition>
  static void Await(const char* what, Condition condition) {
    const auto start = steady_clock::now();
    while (!condition()) {
      ASSERT_LT(steady_clock::now() - start, seconds(15)) << what;
      std::this_thread::sleep_for(milliseconds(20));
    }
    const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start).count();
    std::printf("%s: after %lld ms\n", what, static_cast<long long>(took));
  }
  static void ExpectTaken(const ConfigProblems& problems) { EXPECT_EQ(FormatProblems("", problems), ""); }

  testing::TempFolder folder_;
  std::string all_trusted_;
  Metrics metrics_;
};

TEST_F(CertificateRotation, LosesNoCallWhileLeavesAndAuthoritiesChangeOnBothSides) {
  const auto old_ca = Authority("old authority");
  const auto new_ca = Authority("new authority");
  all_trusted_ = Trust("all", {old_ca, new_ca});
  const std::string trusted = Trust("trusted", {old_ca});
  Listener listener;
  listener.Start(ServerConfig(Leaf("server", old_ca, "server one"), trusted));
  // What the gateway believes shows at a server of the new authority.
  Listener canary;
  canary.Start(ServerConfig(Leaf("canary", new_ca, "canary"), all_trusted_));

  const auto own = Leaf("client", old_ca, "spiffe://acme/gateway/1");
  config::v1::TargetTls config;
  config.set_ca_file(trusted);
  config.set_cert_file(own.cert_file);
  config.set_key_file(own.key_file);
  auto tls = ChannelTls::Create(config, nullptr);
  ASSERT_OK(tls);
  const auto backend = Connect(listener.target(), *tls);
  const auto reload_client = [&] { ExpectTaken(backend->ReloadTls(ReadFile)); };
  const auto reload_server = [&] { ExpectTaken(listener.tls->Reload("tls", ReadFile)); };

  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  std::atomic<int> failed{0};
  std::mutex mutex;
  std::string seen;
  std::vector<std::thread> load;
  for (int i = 0; i < 4; ++i) {
    load.emplace_back([&] {
      while (!stop) {
        const std::string name = Ask(*backend);
        ++(name.empty() ? failed : answered);
        std::lock_guard<std::mutex> lock(mutex);
        seen = name;
      }
    });
  }
  const auto seen_as = [&](const std::string& name) {
    std::lock_guard<std::mutex> lock(mutex);
    return seen == name;
  };
  const auto run = [&] {
    Await("the first call", [&] { return seen_as("spiffe://acme/gateway/1"); });

    Leaf("server", old_ca, "server two");
    reload_server();
    Await("the server's second certificate", [&] { return ShownBy(listener) == "server two"; });
    Leaf("client", old_ca, "spiffe://acme/gateway/2");
    reload_client();
    Await("the gateway's second certificate", [&] { return seen_as("spiffe://acme/gateway/2"); });

    const auto new_client = Leaf("new-client", new_ca, "spiffe://acme/probe/new");
    const auto old_client = Leaf("old-client", old_ca, "spiffe://acme/probe/old");
    EXPECT_EQ(AskAs(new_client, listener), "") << "an authority counts before it is named";
    Trust("trusted", {old_ca, new_ca});
    reload_server();
    reload_client();
    Await("the server believes both authorities",
          [&] { return AskAs(new_client, listener) == "spiffe://acme/probe/new"; });
    Await("the gateway believes both authorities",
          [&] { return !Ask(*Connect(canary.target(), *tls), seconds(1)).empty(); });

    Leaf("server", new_ca, "server three");
    Leaf("client", new_ca, "spiffe://acme/gateway/3");
    reload_server();
    reload_client();
    Await("the server's certificate of the new authority", [&] { return ShownBy(listener) == "server three"; });
    Await("the gateway's certificate of the new authority", [&] { return seen_as("spiffe://acme/gateway/3"); });

    EXPECT_EQ(AskAs(old_client, listener), "spiffe://acme/probe/old");
    Trust("trusted", {new_ca});
    reload_server();
    reload_client();
    Await("the server refuses the old authority", [&] { return AskAs(old_client, listener).empty(); });
    EXPECT_EQ(AskAs(new_client, listener), "spiffe://acme/probe/new");
    // And connections of this last state.
    const std::size_t connections = listener.service.connections();
    Await("two more connections", [&] { return listener.service.connections() >= connections + 2; });
  };
  run();
  stop = true;
  for (auto& thread : load) thread.join();
  EXPECT_EQ(failed, 0) << "of " << answered + failed;
  EXPECT_GT(answered, 100);
  EXPECT_GE(listener.service.connections(), 8u) << "too few handshakes to show anything";
  std::printf("%d calls answered, %d failed, %zu connections\n", answered.load(), failed.load(),
              listener.service.connections());
  // The gateway refuses servers of the authority that it no longer believes.
  Listener old_server;
  old_server.Start(ServerConfig(Leaf("old-server", old_ca, "old"), all_trusted_));
  Await("the gateway refuses the old authority",
        [&] { return Ask(*Connect(old_server.target(), *tls), seconds(1)).empty(); });
  EXPECT_EQ(Ask(*Connect(canary.target(), *tls)), "spiffe://acme/gateway/3");
}

}  // namespace
}  // namespace livekit::token
