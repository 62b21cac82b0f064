#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "http/descriptors.h"
#include "server/audit_log.h"
#include "server/connections.h"
#include "server/grpc_acceptor.h"
#include "server/grpc_tls.h"
#include "server/token_service.h"
#include "service/grpc_heartbeat.h"
#include "service/limits.h"
#include "service/log.h"

namespace livekit::token {
namespace {

namespace cfg = config::v1;

// For which there should be descriptors.
constexpr int kConnections = 10'000;
constexpr char kUnixPrefix[] = "unix:";

bool IsUnix(const std::string& address) { return address.rfind(kUnixPrefix, 0) == 0; }

void CheckAddress(const std::string& path, const std::string& address, bool unix_allowed, const ServerOptions& options,
                  ConfigProblems& problems) {
  if (address.empty()) return;
  if (IsUnix(address)) {
    if (!unix_allowed || address.size() == sizeof kUnixPrefix - 1) problems.push_back({path, "must be host:port"});
    return;
  }
  const auto parsed = ParseHostPort(address);
  if (!parsed.ok()) {
    problems.push_back(
        {path, unix_allowed ? "must be host:port, [v6]:port or unix:/path" : "must be host:port or [v6]:port"});
    return;
  }
  if (options.dev && !options.dev_private_network && ClassifyHost(parsed->host) != HostKind::kLoopback) {
    problems.push_back({path, "must be a loopback address in development mode, unless --dev_private_network is given"});
  }
}

// Credentials and tokens in clear text stay on this machine, unless somebody says that the network protects them.
void CheckPlaintext(const cfg::ServerListen& listen, const ServerOptions& options, ConfigProblems& problems) {
  if (listen.has_tls() || options.allow_plaintext_grpc || options.dev_private_network || IsUnix(listen.grpc())) return;
  const auto parsed = ParseHostPort(listen.grpc());
  if (!parsed.ok() || IsLocalHost(parsed->host)) return;  // what is no address is a problem already
  problems.push_back({"listen.grpc",
                      "would carry credentials and tokens over the network unencrypted; give listen.tls, or an address "
                      "such as localhost:50051, or --allow_plaintext_grpc where the network itself encrypts"});
}

void CheckNotNegative(const std::string& path, bool present, const google::protobuf::Duration& duration,
                      ConfigProblems& problems) {
  if (present && (duration.seconds() < 0 || duration.nanos() < 0)) problems.push_back({path, "must not be negative"});
}

void SetDefault(std::string* field, const char* value) {
  if (field->empty()) *field = value;
}

// Who is answered at all. Outside development mode that is decided by credentials alone.
bool AcceptsPeer(const ServerOptions& options, std::string_view address) {
  if (!options.dev) return true;
  const HostKind kind = ClassifyHost(address);
  return kind == HostKind::kLoopback || (options.dev_private_network && kind == HostKind::kPrivate);
}

absl::Status NotBound(const std::string& address) {
  return absl::UnavailableError("the gRPC address " + address + " cannot be bound; is another process using it?");
}

// Takes reflection out of a server: linking gRPC's library for it adds it to every server of the process.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const auto is_reflection = [](const std::unique_ptr<grpc::ServerBuilderPlugin>& plugin) {
      return dynamic_cast<grpc::reflection::ProtoServerReflectionPlugin*>(plugin.get()) != nullptr;
    };
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(), is_reflection), plugins->end());
  }
};

}  // namespace

ConfigProblems CheckServerConfig(const cfg::ServerConfig& config, const ServerOptions& options,
                                 const FileReader& read) {
  ConfigProblems problems;
  CheckAddress("listen.grpc", config.listen().grpc(), /*unix_allowed=*/true, options, problems);
  if (!options.dev) CheckPlaintext(config.listen(), options, problems);
  if (config.listen().has_tls()) {
    const ConfigProblems tls = CheckServerTls("listen.tls", config.listen().tls(), read);
    problems.insert(problems.end(), tls.begin(), tls.end());
  }
  const ConfigProblems connections = CheckConnections("listen", config.listen());
  problems.insert(problems.end(), connections.begin(), connections.end());
  CheckAddress("listen.admin", config.listen().admin(), /*unix_allowed=*/false, options, problems);
  const ConfigProblems audit = CheckAudit(config);
  problems.insert(problems.end(), audit.begin(), audit.end());
  CheckNotNegative("drain.delay", config.drain().has_delay(), config.drain().delay(), problems);
  CheckNotNegative("drain.timeout", config.drain().has_timeout(), config.drain().timeout(), problems);
  const std::string& level = config.log_level();
  if (!level.empty() && level != "debug" && level != "info" && level != "warn" && level != "error") {
    problems.push_back({"log_level", "must be debug, info, warn or error"});
  }
  if (!IsShare(config.access_log_sample())) problems.push_back({"access_log_sample", "must be a number from 0 to 1"});
  return problems;
}

cfg::ServerConfig WithDefaults(cfg::ServerConfig config, const ServerOptions& options) {
  const bool everywhere = !options.dev && (config.listen().has_tls() || options.allow_plaintext_grpc);
  SetDefault(config.mutable_listen()->mutable_grpc(), everywhere ? "[::]:50051" : "localhost:50051");
  SetDefault(config.mutable_listen()->mutable_admin(), options.dev ? "localhost:9464" : "[::]:9464");
  auto& listen = *config.mutable_listen();
  if (!listen.has_max_connection_age()) listen.mutable_max_connection_age()->set_seconds(60);
  if (!listen.has_max_connection_age_grace()) listen.mutable_max_connection_age_grace()->set_seconds(20);
  SetDefault(config.mutable_log_level(), "info");
  if (!config.drain().has_delay()) config.mutable_drain()->mutable_delay()->set_seconds(options.dev ? 0 : 8);
  if (!config.drain().has_timeout()) config.mutable_drain()->mutable_timeout()->set_seconds(20);
  return config;
}

struct TokenServer::Impl {
  Impl(const Authorities& authorities, Metrics& metrics, const ServerOptions& options)
      : service(authorities, metrics, [options](std::string_view peer) { return AcceptsPeer(options, peer); }) {}

  TokenService service;
  std::string address;
  std::unique_ptr<ServerTlsFiles> tls;  // null: clear text
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<GrpcAcceptor> acceptor;  // null: gRPC's own, for unix sockets
  std::optional<GrpcHeartbeat> heartbeat;
  std::once_flag drained;
  std::atomic<bool> clean{true};
};

TokenServer::TokenServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

TokenServer::~TokenServer() { Drain(std::chrono::steady_clock::now()); }

absl::StatusOr<std::unique_ptr<TokenServer>> TokenServer::Start(const cfg::ServerConfig& config,
                                                                const ServerOptions& options,
                                                                const Authorities& authorities, Metrics& metrics,
                                                                const FileReader& read) {
  auto impl = std::make_unique<Impl>(authorities, metrics, options);
  // Both are settings of the process and must come before the builder.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  grpc::ServerBuilder builder;
  if (!config.reflection()) builder.SetOption(std::make_unique<WithoutReflection>());
  const std::string& address = config.listen().grpc();
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  const bool has_tls = config.listen().has_tls();
  if (has_tls) {
    LKT_ASSIGN_OR_RETURN(impl->tls, ServerTlsFiles::Create(config.listen().tls(), &metrics, read));
    credentials = impl->tls->credentials();
  }
  if (IsUnix(address)) {
    builder.AddListeningPort(address, credentials);
  } else {
    http::RaiseDescriptorLimit(kConnections);
    auto acceptor = GrpcAcceptor::Listen(address, credentials, builder, metrics, options.on_listener_lost);
    if (!acceptor.ok()) return NotBound(address);
    impl->acceptor = *std::move(acceptor);
  }
  SetConnections(config.listen(), builder);
  builder.SetMaxReceiveMessageSize(limits::kRequestMessageBytes);
  builder.SetMaxSendMessageSize(limits::kAnswerMessageBytes);
  builder.RegisterService(&impl->service);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr) return NotBound(address);
  if (options.heartbeats != nullptr) impl->heartbeat.emplace(*options.heartbeats);
  impl->address = address;
  if (impl->acceptor != nullptr) {
    const HostPort& bound = impl->acceptor->address();
    if (!has_tls && ClassifyHost(bound.host) != HostKind::kLoopback) {
      Log(LogLevel::kWarn, "grpc_plaintext",
          {{"hint", "credentials and tokens cross the network unencrypted; let only gateways reach this address"}});
    }
    impl->address = bound.ToString();
  }
  std::unique_ptr<TokenServer> server(new TokenServer(std::move(impl)));
  // gRPC itself takes a server for serving from the start.
  server->SetServing(false);
  if (server->impl_->acceptor != nullptr) server->impl_->acceptor->Start();
  return server;
}

const std::string& TokenServer::address() const { return impl_->address; }

ConfigProblems TokenServer::ReloadTls(const FileReader& read) {
  return impl_->tls ? impl_->tls->Reload("listen.tls", read) : ConfigProblems();
}

void TokenServer::SetServing(bool serving) {
  auto* const health = impl_->server->GetHealthCheckService();
  if (health == nullptr) return;
  health->SetServingStatus("", serving);
  health->SetServingStatus(v1::TokenService::service_full_name(), serving);
}

void TokenServer::Discourage() {
  // Clients that watch health move to another server before calls are refused here.
  if (auto* health = impl_->server->GetHealthCheckService()) health->Shutdown();
}

bool TokenServer::Drain(std::chrono::steady_clock::time_point deadline) {
  std::call_once(impl_->drained, [&] {
    Discourage();
    if (impl_->acceptor != nullptr) impl_->acceptor->Stop();
    // By the monotonic clock: a step of the wall clock must not cut calls off.
    const std::int64_t left = std::chrono::nanoseconds(deadline - std::chrono::steady_clock::now()).count();
    impl_->server->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left, GPR_TIMESPAN)));
    impl_->server->Wait();
    impl_->clean = std::chrono::steady_clock::now() <= deadline;
  });
  return impl_->clean;
}

}  // namespace livekit::token
