// livekit-token-standalone: the token server and its gateway in one process. The only file that sees both.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/flags/flag.h"
#include "gateway/backend.h"
#include "gateway/gateway.h"
#include "gateway/overrides.h"
#include "google/protobuf/util/message_differencer.h"
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

ABSL_FLAG(std::string, config, "", "Configuration file (server.yaml with a section `gateway`)");
ABSL_FLAG(bool, check_config, false, "Check the configuration and the files it names, print every problem, and exit");
ABSL_FLAG(
    bool, healthcheck, false,
    "Ask the process that runs with the same --config and --admin_listen whether it is alive and ready, and exit");
ABSL_FLAG(std::string, http_listen, "", "HTTP address, host:port; default [::]:3000, with --dev localhost:3000");
ABSL_FLAG(std::string, grpc_listen, "",
          "gRPC address, host:port or unix:/path; default localhost:50051, with TLS [::]:50051");
ABSL_FLAG(std::string, admin_listen, "",
          "Address of metrics and probes, host:port; default [::]:9464, with --dev localhost:9464");
ABSL_FLAG(std::string, cors_origin, "",
          "Web origins that may call, separated by commas; also LIVEKIT_TOKEN_CORS_ORIGIN in the environment");
ABSL_FLAG(bool, reflection, false, "Offer gRPC server reflection, as --dev does");
ABSL_FLAG(bool, dev, false, "Development: no file, anonymous callers may do everything, loopback only");
ABSL_FLAG(bool, dev_private_network, false, "With --dev: any listener, and devices and pages of private networks");
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

namespace livekit::token::gateway {
namespace {

using google::protobuf::util::MessageDifferencer;

// Calls the authority in this process.
class DirectBackend final : public Backend {
 public:
  explicit DirectBackend(const Authorities& authorities) : authorities_(authorities) {}

  void Issue(Item item, Done done) override {
    // Both must live until the answer, which may come later.
    auto kept = std::make_shared<const Item>(std::move(item));
    std::shared_ptr<const TokenAuthority> authority = authorities_.Current();
    authority->IssueRelayed(*kept,
                            [kept, authority, done = std::move(done)](Result&& result) { done(std::move(result)); });
  }
  bool Ready() const override { return true; }

 private:
  const Authorities& authorities_;
};

struct Startup {
  ServerStartup server;
  config::v1::GatewayConfig gateway;
};

// Problems of the gateway's configuration, with their places in the file of both.
ConfigProblems InSection(ConfigProblems problems) {
  for (auto& problem : problems) problem.path = problem.path.empty() ? "gateway" : ConfigPath("gateway", problem.path);
  return problems;
}

Startup Prepare(const ServerOptions& server_options, const GatewayOptions& gateway_options,
                const Environment& environment, const SharedParts& shared) {
  ServerOverrides server_overrides;
  server_overrides.grpc_listen = absl::GetFlag(FLAGS_grpc_listen);
  server_overrides.admin_listen = absl::GetFlag(FLAGS_admin_listen);
  server_overrides.reflection = absl::GetFlag(FLAGS_reflection);
  server_overrides.jwt.issuer = FlagOrEnv(absl::GetFlag(FLAGS_jwt_issuer), "LIVEKIT_TOKEN_JWT_ISSUER");
  server_overrides.jwt.audience = FlagOrEnv(absl::GetFlag(FLAGS_jwt_audience), "LIVEKIT_TOKEN_JWT_AUDIENCE");
  GatewayOverrides gateway_overrides;
  gateway_overrides.http_listen = absl::GetFlag(FLAGS_http_listen);
  gateway_overrides.cors_origin = FlagOrEnv(absl::GetFlag(FLAGS_cors_origin), "LIVEKIT_TOKEN_CORS_ORIGIN");

  Startup startup;
  config::v1::ServerConfig server_config;
  const std::string path = absl::GetFlag(FLAGS_config);
  if (!path.empty()) {
    auto text = shared.files->Read(path);
    if (!text.ok()) {
      startup.server.problems.push_back({"", std::string(text.status().message())});
      return startup;
    }
    bool has_section = false;
    startup.server.problems = ReadYamlWithSection(*text, server_config, "gateway", startup.gateway, has_section);
    // What could not be read would only cause problems that are none.
    if (!startup.server.problems.empty()) return startup;
  }
  ApplyOverrides(gateway_overrides, startup.gateway);
  // Neither checking nor testing asks anything over the network.
  const bool check_only = absl::GetFlag(FLAGS_check_config) || !absl::GetFlag(FLAGS_test_policy).empty();
  startup.server = PrepareServer(path.empty() ? nullptr : &server_config, server_overrides, server_options, environment,
                                 check_only, shared);
  for (auto& problem :
       InSection(CheckGatewayConfig(startup.gateway, gateway_options, /*standalone=*/true, shared.files->reader()))) {
    startup.server.problems.push_back(std::move(problem));
  }
  if (!startup.server.problems.empty()) startup.server.state = nullptr;
  startup.gateway = WithDefaults(std::move(startup.gateway), gateway_options);
  return startup;
}

void LogListening(const char* name, const std::string& address) {
  Log(LogLevel::kInfo, "listening", {{"name", name}, {"address", std::string_view(address)}});
}

int Serve(LiveConfig& live, const config::v1::GatewayConfig& gateway_config, ServerOptions server_options,
          GatewayOptions gateway_options, Metrics& metrics, const SystemdNotifier& systemd) {
  const config::v1::ServerConfig& config = live.startup().config;
  Heartbeats heartbeats;
  Lifecycle lifecycle([&live]() -> std::vector<Check> { return {CheckOf(live.state())}; });
  server_options.heartbeats = &heartbeats;
  server_options.on_listener_lost = [&lifecycle] { lifecycle.Fail(); };
  gateway_options.heartbeats = &heartbeats;
  gateway_options.on_listener_lost = [&lifecycle] { lifecycle.Fail(); };
  auto admin = http::Admin::Start(
      {config.listen().admin(), metrics, lifecycle, heartbeats, {{"/debug/keys", [&] { return KeysPage(live); }}}});
  if (!admin.ok()) return FailStart(admin.status());
  auto server = TokenServer::Start(config, server_options, live.authorities(), metrics);
  if (!server.ok()) return FailStart(server.status());
  DirectBackend backend(live.authorities());
  auto gateway = Gateway::Start(gateway_config, gateway_options, backend, metrics);
  if (!gateway.ok()) return FailStart(gateway.status());

  LogListening("admin", (*admin)->address());
  LogListening("grpc", (*server)->address());
  LogListening("http", (*gateway)->address());
  if (server_options.dev) {
    std::fputs(DevBanner(config, (*gateway)->address(), (*server)->address()).c_str(), stdout);
    std::fflush(stdout);
  }
  live.Watch([&server = **server, &gateway = **gateway](FileSnapshot& files) {
    ConfigProblems problems = server.ReloadTls(files.reader());
    return problems.empty() ? InSection(gateway.ReloadTls(files.reader())) : problems;
  });

  Service service{lifecycle, metrics, heartbeats, systemd};
  service.set_ready = [&server = **server](bool ready) { server.SetServing(ready); };
  service.reload = [&live] { live.Reload(); };
  service.discourage = [&server = **server, &gateway = **gateway] {
    server.Discourage();
    gateway.Discourage();
  };
  service.drain = [&live, &server = **server, &gateway](std::chrono::steady_clock::time_point deadline) {
    live.Stop();  // a reload needs both
    // HTTP first: its requests need the authority, which lives as long as the server.
    const bool http_clean = (*gateway)->Drain(deadline);
    gateway->reset();
    return server.Drain(deadline) && http_clean;
  };
  service.drain_delay = ToMillis(config.drain().delay());
  service.drain_timeout = ToMillis(config.drain().timeout());
  return RunService(service);
}

int Main(int argc, char** argv) {
  BlockSignals();
  SetLogComponent("standalone");
  if (!ParseFlags(argc, argv, "livekit-token-standalone",
                  "Issues LiveKit access tokens over HTTP and gRPC, in one process.", "gateway/standalone_main.cc")) {
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
    return RunPrintExample(name, /*with_gateway=*/true);
  }

  ServerOptions server_options;
  server_options.dev = absl::GetFlag(FLAGS_dev);
  server_options.dev_private_network = absl::GetFlag(FLAGS_dev_private_network);
  server_options.allow_plaintext_grpc = absl::GetFlag(FLAGS_allow_plaintext_grpc);
  GatewayOptions gateway_options;
  gateway_options.dev = server_options.dev;
  gateway_options.dev_private_network = server_options.dev_private_network;
  config::v1::GatewayConfig gateway_config;
  const Environment environment = [&variables](const char* name) { return variables.Get(name); };
  Metrics metrics(kStandalone, kRevision);
  AuditLog audit;
  LiveConfig live(
      [&, first = true](const SharedParts& shared) mutable {
        Startup startup = Prepare(server_options, gateway_options, environment, shared);
        if (std::exchange(first, false)) {
          gateway_config = std::move(startup.gateway);
        } else if (!MessageDifferencer::Equals(gateway_config, startup.gateway)) {
          Log(LogLevel::kWarn, "restart_needed",
              {{"path", "gateway"}, {"hint", "has changed, and is read only at the start"}});
        }
        return std::move(startup.server);
      },
      SystemClock(), metrics, audit, absl::GetFlag(FLAGS_config));
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
  return Serve(live, gateway_config, server_options, gateway_options, metrics, systemd);
}

}  // namespace
}  // namespace livekit::token::gateway

int main(int argc, char** argv) { return livekit::token::gateway::Main(argc, argv); }
