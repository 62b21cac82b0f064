// livekit-token-gateway: the HTTP token endpoint in front of a livekit-token-server.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "gateway/gateway.h"
#include "gateway/grpc_backend.h"
#include "gateway/overrides.h"
#include "google/protobuf/util/message_differencer.h"
#include "http/admin.h"
#include "http/healthcheck.h"
#include "service/config.h"
#include "service/grpc_heartbeat.h"
#include "service/grpc_log.h"
#include "service/heartbeat.h"
#include "service/lifecycle.h"
#include "service/log.h"
#include "service/metrics.h"
#include "service/mutex_checks.h"
#include "service/process.h"
#include "service/process_protection.h"
#include "service/reloader.h"
#include "service/revision.h"
#include "service/run_service.h"
#include "service/sd_notify.h"
#include "service/secret_variables.h"
#include "service/stack_dump.h"

ABSL_FLAG(std::string, config, "", "Configuration file (gateway.yaml)");
ABSL_FLAG(bool, check_config, false, "Check the configuration and the files it names, print every problem, and exit");
ABSL_FLAG(
    bool, healthcheck, false,
    "Ask the process that runs with the same --config and --admin_listen whether it is alive and ready, and exit");
ABSL_FLAG(std::string, http_listen, "", "HTTP address, host:port; default [::]:3000, with --dev localhost:3000");
ABSL_FLAG(std::string, admin_listen, "",
          "Address of metrics and probes, host:port; default [::]:9464, with --dev localhost:9464");
ABSL_FLAG(
    std::string, server_address, "",
    "The token servers: host:port, dns:///name:port, unix:/path or ipv4:address:port,...; default localhost:50051");
ABSL_FLAG(std::string, cors_origin, "",
          "Web origins that may call, separated by commas; also LIVEKIT_TOKEN_CORS_ORIGIN in the environment");
ABSL_FLAG(std::string, caller_token_file, "", "File with this gateway's own API key for the token server");
ABSL_FLAG(bool, allow_plaintext_grpc, false,
          "Ask token servers at any address without TLS, for networks that encrypt by themselves");
ABSL_FLAG(bool, allow_core_dumps, false,
          "Let debuggers attach and the kernel write core dumps, which hold every secret");
ABSL_FLAG(bool, dev, false, "Development: loopback listeners, pages of loopback origins");
ABSL_FLAG(bool, dev_private_network, false, "With --dev: any listener, devices and pages of private networks");

namespace livekit::token::gateway {
namespace {

using google::protobuf::util::MessageDifferencer;

// Reads the file, if there is one, and lets flags and environment override it. Returns the configuration with defaults.
config::v1::GatewayConfig LoadConfig(FileSnapshot& files, const GatewayOptions& options, ConfigProblems& problems) {
  config::v1::GatewayConfig config;
  if (const std::string file = absl::GetFlag(FLAGS_config); !file.empty()) {
    auto text = files.Read(file);
    if (text.ok()) {
      problems = ReadYaml(*text, config);
    } else {
      problems.push_back({"", std::string(text.status().message())});
    }
    // What could not be read would only cause problems that are none.
    if (!problems.empty()) return config;
  }
  GatewayOverrides overrides;
  overrides.http_listen = absl::GetFlag(FLAGS_http_listen);
  overrides.admin_listen = absl::GetFlag(FLAGS_admin_listen);
  overrides.server_address = absl::GetFlag(FLAGS_server_address);
  overrides.cors_origin = FlagOrEnv(absl::GetFlag(FLAGS_cors_origin), "LIVEKIT_TOKEN_CORS_ORIGIN");
  overrides.caller_token_file = absl::GetFlag(FLAGS_caller_token_file);
  ApplyOverrides(overrides, config);
  problems = CheckGatewayConfig(config, options, /*standalone=*/false, files.reader());
  return WithDefaults(std::move(config), options);
}

// Takes changed certificates and a changed caller token into use.
ConfigProblems Reload(FileSnapshot& files, const config::v1::GatewayConfig& running, const GatewayOptions& options,
                      GrpcBackend& backend, Gateway& gateway) {
  ConfigProblems problems;
  const config::v1::GatewayConfig next = LoadConfig(files, options, problems);
  if (!problems.empty()) return problems;
  if (!MessageDifferencer::Equals(running, next)) {
    Log(LogLevel::kWarn, "restart_needed",
        {{"path", absl::GetFlag(FLAGS_config)}, {"hint", "has changed, and is read only at the start"}});
  }
  problems = backend.ReloadCallerToken(files.reader());
  if (problems.empty()) problems = backend.ReloadTls(files.reader());
  if (problems.empty()) problems = gateway.ReloadTls(files.reader());
  return problems;
}

int Serve(const config::v1::GatewayConfig& config, FileSnapshot& files, GatewayOptions options,
          const SystemdNotifier& systemd) {
  Metrics metrics(kGateway, kRevision);
  GrpcBackendOptions backend_options;
  backend_options.target = config.server().address();
  backend_options.batch.max_items = static_cast<std::size_t>(config.limits().pending_requests());
  backend_options.batch.max_attempts = config.server().max_attempts();
  backend_options.batch.attempt_timeout = ToMillis(config.server().attempt_timeout());
  if (const std::string& path = config.server().caller_token_file(); !path.empty()) {
    auto token = CallerToken::Create(path, files.reader());
    if (!token.ok()) return FailStart(token.status());
    backend_options.caller_token = *std::move(token);
  }
  if (config.server().has_tls()) {
    auto tls = ChannelTls::Create(config.server().tls(), &metrics);
    if (!tls.ok()) return FailStart(tls.status());
    backend_options.tls = *std::move(tls);
  }

  auto backend = GrpcBackend::Create(std::move(backend_options), metrics);
  if (!backend.ok()) return FailStart(backend.status());
  const bool always = config.readiness().require_backend() == "always";
  Lifecycle lifecycle([&backend = **backend, always]() -> std::vector<Check> {
    return {{"token_server", always ? backend.Reachable() : backend.Ready(), "none could be reached"}};
  });
  Heartbeats heartbeats;
  options.heartbeats = &heartbeats;
  options.on_listener_lost = [&lifecycle] { lifecycle.Fail(); };
  auto admin = http::Admin::Start({config.listen().admin(), metrics, lifecycle, heartbeats, {}});
  if (!admin.ok()) return FailStart(admin.status());
  auto gateway = Gateway::Start(config, options, **backend, metrics);
  if (!gateway.ok()) return FailStart(gateway.status());
  const GrpcHeartbeat grpc_heartbeat(heartbeats);

  const std::string admin_address = (*admin)->address();
  const std::string http_address = (*gateway)->address();
  Log(LogLevel::kInfo, "listening", {{"name", "admin"}, {"address", std::string_view(admin_address)}});
  Log(LogLevel::kInfo, "listening", {{"name", "http"}, {"address", std::string_view(http_address)}});

  ReloaderOptions reloading;
  reloading.file = absl::GetFlag(FLAGS_config);
  Reloader reloader(
      files, [&](FileSnapshot& now) { return Reload(now, config, options, **backend, **gateway); }, nullptr, metrics,
      reloading);

  Service service{lifecycle, metrics, heartbeats, systemd};
  service.has_started = [&backend = **backend] { return backend.Ready(); };
  service.reload = [&reloader] { reloader.Reload(); };
  service.discourage = [&gateway = **gateway] { gateway.Discourage(); };
  service.drain = [&gateway](std::chrono::steady_clock::time_point deadline) { return (*gateway)->Drain(deadline); };
  service.drain_delay = ToMillis(config.drain().delay());
  service.drain_timeout = ToMillis(config.drain().timeout());
  return RunService(service);
}

int Main(int argc, char** argv) {
  BlockSignals();
  SetLogComponent("gateway");
  if (!ParseFlags(argc, argv, "livekit-token-gateway",
                  "The HTTP token endpoint for LiveKit clients; asks a livekit-token-server.", "gateway/main.cc")) {
    return kExitFailure;
  }
  if (absl::GetFlag(FLAGS_healthcheck)) {
    return http::RunHealthcheck(absl::GetFlag(FLAGS_admin_listen), absl::GetFlag(FLAGS_config));
  }
  const SecretVariables variables;  // not for this program; whoever sets them for both gives them to it too
  if (const auto status = ProtectProcess(absl::GetFlag(FLAGS_allow_core_dumps)); !status.ok()) return FailStart(status);
  const SystemdNotifier systemd;
  DumpStacksOnQuit();
  SkipMutexChecks();
  RouteGrpcLog();

  GatewayOptions options;
  options.dev = absl::GetFlag(FLAGS_dev);
  options.dev_private_network = absl::GetFlag(FLAGS_dev_private_network);
  options.allow_plaintext_grpc = absl::GetFlag(FLAGS_allow_plaintext_grpc);
  FileSnapshot files;
  ConfigProblems problems;
  const config::v1::GatewayConfig config = LoadConfig(files, options, problems);
  const auto ended = ReportConfig(absl::GetFlag(FLAGS_config), problems, absl::GetFlag(FLAGS_check_config));
  if (ended.has_value()) return *ended;
  if (auto status = SetLogLevel(config.log_level()); !status.ok()) return FailStart(status);
  StartLogQueue();
  return Serve(config, files, options, systemd);
}

}  // namespace
}  // namespace livekit::token::gateway

int main(int argc, char** argv) { return livekit::token::gateway::Main(argc, argv); }
