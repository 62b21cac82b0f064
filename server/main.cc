// livekit-token-server: the gRPC token service.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/flags/flag.h"
#include "http/admin.h"
#include "http/healthcheck.h"
#include "server/examples.h"
#include "server/live_config.h"
#include "server/policy_tests.h"
#include "server/server.h"
#include "server/startup.h"
#include "service/config.h"
#include "service/grpc_log.h"
#include "service/heartbeat.h"
#include "service/lifecycle.h"
#include "service/log.h"
#include "service/metrics.h"
#include "service/mutex_checks.h"
#include "service/process.h"
#include "service/process_protection.h"
#include "service/revision.h"
#include "service/run_service.h"
#include "service/sd_notify.h"
#include "service/secret_variables.h"
#include "service/stack_dump.h"

ABSL_FLAG(std::string, config, "", "Configuration file (server.yaml)");
ABSL_FLAG(bool, check_config, false, "Check the configuration and the files it names, print every problem, and exit");
ABSL_FLAG(
    bool, healthcheck, false,
    "Ask the process that runs with the same --config and --admin_listen whether it is alive and ready, and exit");
ABSL_FLAG(std::string, grpc_listen, "",
          "gRPC address, host:port or unix:/path; default localhost:50051, with TLS [::]:50051");
ABSL_FLAG(std::string, admin_listen, "",
          "Address of metrics and probes, host:port; default [::]:9464, with --dev localhost:9464");
ABSL_FLAG(bool, reflection, false, "Offer gRPC server reflection, as --dev does");
ABSL_FLAG(bool, dev, false, "Development: no file, anonymous callers may do everything, loopback only");
ABSL_FLAG(bool, dev_private_network, false, "With --dev: any listener, and devices in private networks");
ABSL_FLAG(bool, allow_plaintext_grpc, false,
          "Serve gRPC without TLS on any address, for networks that encrypt by themselves");
ABSL_FLAG(bool, allow_core_dumps, false,
          "Let debuggers attach and the kernel write core dumps, which hold every secret");
ABSL_FLAG(std::string, jwt_issuer, "",
          "In place of a file: issuer whose JSON Web Tokens are accepted; also LIVEKIT_TOKEN_JWT_ISSUER");
ABSL_FLAG(std::string, jwt_audience, "",
          "With --jwt_issuer: audiences of which tokens must name one, separated by commas; also "
          "LIVEKIT_TOKEN_JWT_AUDIENCE");
ABSL_FLAG(
    std::string, print_example, "",
    "Print a complete configuration to start from: agents, api_key, auth0, firebase, keycloak, nextauth, sandbox, "
    "services, tenants or tickets");
ABSL_FLAG(std::string, test_policy, "",
          "Run the tests of this file against the configuration's policies, print what fails, and exit");
ABSL_FLAG(std::string, hash_api_key, "", "Print the line of the API key file for this id, and exit");

namespace livekit::token {
namespace {

ServerStartup Prepare(const ServerOptions& options, const Environment& environment, const SharedParts& shared) {
  // Neither checking nor testing asks anything over the network.
  const bool check_only = absl::GetFlag(FLAGS_check_config) || !absl::GetFlag(FLAGS_test_policy).empty();
  ServerOverrides overrides;
  overrides.grpc_listen = absl::GetFlag(FLAGS_grpc_listen);
  overrides.admin_listen = absl::GetFlag(FLAGS_admin_listen);
  overrides.reflection = absl::GetFlag(FLAGS_reflection);
  overrides.jwt.issuer = FlagOrEnv(absl::GetFlag(FLAGS_jwt_issuer), "LIVEKIT_TOKEN_JWT_ISSUER");
  overrides.jwt.audience = FlagOrEnv(absl::GetFlag(FLAGS_jwt_audience), "LIVEKIT_TOKEN_JWT_AUDIENCE");
  const std::string path = absl::GetFlag(FLAGS_config);
  if (path.empty()) return PrepareServer(nullptr, overrides, options, environment, check_only, shared);
  ServerStartup failed;
  config::v1::ServerConfig config;
  auto text = shared.files->Read(path);
  if (!text.ok()) {
    failed.problems.push_back({"", std::string(text.status().message())});
    return failed;
  }
  failed.problems = ReadYaml(*text, config);
  // What could not be read would only cause problems that are none.
  if (!failed.problems.empty()) return failed;
  return PrepareServer(&config, overrides, options, environment, check_only, shared);
}

int Serve(LiveConfig& live, ServerOptions options, Metrics& metrics, const SystemdNotifier& systemd) {
  const ServerStartup& startup = live.startup();
  Heartbeats heartbeats;
  options.heartbeats = &heartbeats;
  Lifecycle lifecycle([&live]() -> std::vector<Check> { return {CheckOf(live.state())}; });
  options.on_listener_lost = [&lifecycle] { lifecycle.Fail(); };
  auto admin =
      http::Admin::Start({startup.config.listen().admin(), metrics, lifecycle, heartbeats, {{"/debug/keys", [&] {
                                                                                               return KeysPage(live);
                                                                                             }}}});
  if (!admin.ok()) return FailStart(admin.status());
  auto server = TokenServer::Start(startup.config, options, live.authorities(), metrics);
  if (!server.ok()) return FailStart(server.status());

  const std::string admin_address = (*admin)->address();
  Log(LogLevel::kInfo, "listening", {{"name", "admin"}, {"address", std::string_view(admin_address)}});
  Log(LogLevel::kInfo, "listening", {{"name", "grpc"}, {"address", std::string_view((*server)->address())}});
  if (options.dev) std::fputs(DevBanner(startup.config, "", (*server)->address()).c_str(), stdout);
  std::fflush(stdout);
  live.Watch([&server = **server](FileSnapshot& files) { return server.ReloadTls(files.reader()); });

  Service service{lifecycle, metrics, heartbeats, systemd};
  service.set_ready = [&server = **server](bool ready) { server.SetServing(ready); };
  service.reload = [&live] { live.Reload(); };
  service.discourage = [&server = **server] { server.Discourage(); };
  service.drain = [&live, &server = **server](std::chrono::steady_clock::time_point deadline) {
    live.Stop();  // a reload needs the server
    return server.Drain(deadline);
  };
  service.drain_delay = ToMillis(startup.config.drain().delay());
  service.drain_timeout = ToMillis(startup.config.drain().timeout());
  return RunService(service);
}

int Main(int argc, char** argv) {
  BlockSignals();
  SetLogComponent("server");
  if (!ParseFlags(argc, argv, "livekit-token-server", "Issues, mints and verifies LiveKit access tokens over gRPC.",
                  "server/main.cc")) {
    return kExitFailure;
  }
  if (absl::GetFlag(FLAGS_healthcheck)) {
    return http::RunHealthcheck(absl::GetFlag(FLAGS_admin_listen), absl::GetFlag(FLAGS_config));
  }
  const SecretVariables variables;
  if (const auto status = ProtectProcess(absl::GetFlag(FLAGS_allow_core_dumps)); !status.ok()) return FailStart(status);
  const SystemdNotifier systemd;
  DumpStacksOnQuit();
  SkipMutexChecks();
  RouteGrpcLog();
  if (const std::string id = absl::GetFlag(FLAGS_hash_api_key); !id.empty()) return RunHashApiKey(id);
  if (const std::string name = absl::GetFlag(FLAGS_print_example); !name.empty()) {
    return RunPrintExample(name, /*with_gateway=*/false);
  }

  ServerOptions options;
  options.dev = absl::GetFlag(FLAGS_dev);
  options.dev_private_network = absl::GetFlag(FLAGS_dev_private_network);
  options.allow_plaintext_grpc = absl::GetFlag(FLAGS_allow_plaintext_grpc);
  Metrics metrics(kServer, kRevision);
  const Environment environment = [&variables](const char* name) { return variables.Get(name); };
  AuditLog audit;
  LiveConfig live([&](const SharedParts& shared) { return Prepare(options, environment, shared); }, SystemClock(),
                  metrics, audit, absl::GetFlag(FLAGS_config));
  const ServerStartup& startup = live.startup();
  const auto ended = ReportConfig(absl::GetFlag(FLAGS_config), startup.problems, absl::GetFlag(FLAGS_check_config));
  if (ended.has_value()) return *ended;
  if (const std::string tests = absl::GetFlag(FLAGS_test_policy); !tests.empty()) {
    return RunTestPolicy(tests, *startup.state);
  }
  if (auto status = SetLogLevel(startup.config.log_level()); !status.ok()) return FailStart(status);
  if (auto status = audit.Open(startup.config.audit()); !status.ok()) return FailStart(status);
  StartLogQueue();
  LogWarnings(startup.warnings);
  return Serve(live, options, metrics, systemd);
}

}  // namespace
}  // namespace livekit::token

int main(int argc, char** argv) { return livekit::token::Main(argc, argv); }
