#include "server/startup.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/address.h"
#include "server/authn/api_key.h"
#include "server/dev_config.h"
#include "server/jwt_config.h"
#include "service/process.h"

namespace livekit::token {
namespace {

namespace cfg = config::v1;

void Append(const ConfigProblems& from, ConfigProblems& to) { to.insert(to.end(), from.begin(), from.end()); }

// The address for people to type: a listener on all addresses is reached by localhost.
std::string Reachable(std::string_view address) {
  auto parsed = ParseHostPort(address);
  if (!parsed.ok()) return std::string(address);
  if (ClassifyHost(parsed->host) != HostKind::kPrivate) parsed->host = "localhost";
  return parsed->ToString();
}

}  // namespace

ServerStartup PrepareServer(const cfg::ServerConfig* file_config, const ServerOverrides& overrides,
                            const ServerOptions& options, const Environment& environment, bool check_only,
                            const SharedParts& shared) {
  ServerStartup startup;
  const char* problem = nullptr;
  if (int{file_config != nullptr} + int{options.dev} + int{overrides.jwt.given()} > 1) {
    problem = "--config, --dev and --jwt_issuer are three ways to start; give one";
  } else if (file_config == nullptr && !options.dev && !overrides.jwt.given()) {
    problem =
        "nothing says who may have tokens: give --config FILE, --jwt_issuer and --jwt_audience, or --dev to try it on "
        "this machine";
  }
  if (problem != nullptr) {
    startup.problems.push_back({"", problem});
    return startup;
  }
  cfg::ServerConfig config = options.dev              ? DevConfig(environment)
                             : file_config != nullptr ? *file_config
                                                      : JwtConfig(overrides.jwt, environment);
  if (!overrides.grpc_listen.empty()) config.mutable_listen()->set_grpc(overrides.grpc_listen);
  if (!overrides.admin_listen.empty()) config.mutable_listen()->set_admin(overrides.admin_listen);
  if (overrides.reflection) config.set_reflection(true);
  startup.problems = CheckServerConfig(config, options, shared.files ? shared.files->reader() : ReadFile);
  BuildOptions build;
  build.environment = environment;
  build.dev = options.dev;
  build.shared = shared;
  build.check_only = check_only || !startup.problems.empty();
  BuildResult built = BuildAuthorityState(config, build);
  Append(built.problems, startup.problems);
  startup.warnings = std::move(built.warnings);
  startup.state = std::move(built.state);
  if (!startup.problems.empty()) startup.state = nullptr;
  startup.config = WithDefaults(std::move(config), options);
  return startup;
}

std::string DevBanner(const cfg::ServerConfig& config, std::string_view http_address, std::string_view grpc_address) {
  const std::string& url = config.projects(0).client_url();
  const std::string grpc = Reachable(grpc_address);
  std::string text =
      "\n"
      "DEVELOPMENT MODE: anyone who can reach these addresses gets any token, without authentication.\n"
      "Only loopback and private addresses are answered. Do not expose it.\n"
      "\n"
      "LiveKit server for clients: ";
  text += url.empty() ? "ws://<the host you call>:7880 (set LIVEKIT_URL for another)" : url;
  text += "\n";
  if (!http_address.empty()) {
    const std::string base = "http://" + Reachable(http_address);
    const std::string endpoint = base + "/getToken";
    text += "\nTry it:\n  curl -s -X POST " + endpoint +
            " -H 'Content-Type: application/json' -d '{\"room_name\":\"lobby\",\"participant_identity\":\"alice\"}'\n"
            "\nIn an app (livekit-client 2.18.4 or later):\n"
            "  const tokens = TokenSource.endpoint('" +
            endpoint +
            "');\n  const { serverUrl, participantToken } = await tokens.fetch({ roomName: 'lobby' });\n"
            "or, in place of LiveKit's development token server and with any id:\n"
            "  const tokens = TokenSource.developmentTokenServer('my-app', { baseUrl: '" +
            base + "' });\n";
  }
  text +=
      "\nFrom a service:\n  grpcurl -plaintext -d '{\"grants\":{\"identity\":\"alice\",\"video\":{\"room_join\":true,"
      "\"room\":\"lobby\"}}}' \\\n    " +
      grpc + " livekit.token.v1.TokenService/MintAccessToken\n\n";
  return text;
}

int RunHashApiKey(const std::string& id) {
  if (!IsApiKeyId(id)) {
    std::fputs("--hash_api_key takes an id of 1 to 64 letters, digits, `-` and `_`\n", stderr);
    return kExitFailure;
  }
  std::string secret;
  if (::isatty(STDIN_FILENO) == 0) {
    char buffer[1024];
    while (secret.size() <= sizeof buffer) {
      const std::size_t n = std::fread(buffer, 1, sizeof buffer, stdin);
      if (n == 0) break;
      secret.append(buffer, n);
    }
    while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  }
  const bool made_up = secret.empty();
  if (!made_up && secret.size() < 16) {
    std::fputs("the secret has fewer than 16 characters and could be guessed; send nothing to have one made\n", stderr);
    return kExitFailure;
  }
  const NewApiKey key = HashApiKey(id, secret);
  if (made_up) std::fprintf(stderr, "key for the caller, shown only now: %s\n", key.key.c_str());
  std::printf("%s\n", key.line.c_str());
  return kExitClean;
}

}  // namespace livekit::token
