#include "bench/token_server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace livekit::token::bench {
namespace {

constexpr char kSigningKey[] = "APIbench";
constexpr char kSigningSecret[] = "bench-signing-secret-0123456789-abcdefgh";
constexpr char kCallerSecret[] = "bench-caller-secret-0123456789";
constexpr char kUserSecret[] = "bench-user-secret-0123456789";
constexpr int kMaxMessageBytes = 16 << 20;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "grpc_bench: %s\n", what.c_str());
  std::exit(1);
}

// A line for a file of API keys.
std::string HashLine(const std::string& id, const std::string& secret) {
  const auto hashed = testing::RunProgram("livekit-token-server", {"--hash_api_key", id}, {}, secret + "\n");
  if (hashed.status != 0) Fail("no hash of an API key: " + hashed.output);
  return hashed.output;
}

std::string WriteConfig(const testing::TempFolder& folder) {
  folder.Write("keys.yaml", std::string(kSigningKey) + ": " + kSigningSecret + "\n");
  folder.Write("services.yaml", "keys:\n" + HashLine("bench", kCallerSecret));
  folder.Write("users.yaml", "keys:\n" + HashLine("user", kUserSecret));
  std::string text = R"(
listen: { grpc: "127.0.0.1:0", admin: "127.0.0.1:0" }
rate_limits: { per_principal: 1000000/s, per_address: 1000000/s, per_service: 10000000/s, agents_per_service: 1000000/s }
projects:
  - name: main
    client_url: wss://livekit.example
    keys: { file: FOLDER/keys.yaml }
authenticators:
  - { name: programs, api_keys: { file: FOLDER/services.yaml, header: authorization } }
  - { name: users, api_keys: { file: FOLDER/users.yaml, header: x-api-key } }
policies:
  - name: user
    match: { authenticator: users }
    room: { client: allow }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: true }
services:
  - name: bench
    match: { authenticator: programs, subject: bench }
    relay: true
    mint:
      rooms: ["team-*"]
      identities: ["user-*"]
      video: { room_join: true, can_publish: true, can_subscribe: true, can_publish_data: true }
)";
  for (std::size_t at; (at = text.find("FOLDER")) != std::string::npos;) text.replace(at, 6, folder.path());
  return folder.Write("server.yaml", text);
}

}  // namespace

std::string CallerCredential() { return std::string("Bearer bench.") + kCallerSecret; }
std::string UserKey() { return std::string("user.") + kUserSecret; }

const TokenVerifier& Verifier() {
  static const auto* const verifier = [] {
    auto keys = std::make_shared<KeyRing>();
    const auto key = ApiKey::Create(kSigningKey, kSigningSecret);
    if (!key.ok() || !keys->Add(*key).ok()) Fail("no signing key");
    return new TokenVerifier(std::move(keys));
  }();
  return *verifier;
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double CpuSecondsOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The name, in parentheses, may contain anything; utime and stime are fields 14 and 15, the name is 2.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

TokenServer::TokenServer(bool unix_socket) {
  std::vector<std::string> args = {"--config=" + WriteConfig(folder_)};
  std::string target = "unix:" + folder_.path() + "/socket";
  if (unix_socket) args.push_back("--grpc_listen=" + target);
  program_ = std::make_unique<testing::Program>("livekit-token-server", args);
  if (!program_->AwaitListening("grpc")) Fail("the server did not start: " + program_->Output());
  if (!unix_socket) target = "127.0.0.1:" + std::to_string(program_->AwaitPort("grpc"));
  grpc::ChannelArguments channel;
  channel.SetMaxReceiveMessageSize(kMaxMessageBytes);
  channel_ = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), channel);
}

}  // namespace livekit::token::bench
