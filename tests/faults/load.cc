// Load client of `./dev faults`: asks for tokens at a fixed rate and counts what became of every request. Prints one
// line of JSON at the end (tally.h); SIGINT and SIGTERM end it early.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_split.h"
#include "faults/grpc_load.h"
#include "faults/http_load.h"

ABSL_FLAG(std::string, http, "", "Addresses of gateways, host:port,host:port; this or --grpc");
ABSL_FLAG(std::string, grpc, "", "gRPC target of token servers");
ABSL_FLAG(double, rate, 200, "Requests a second");
ABSL_FLAG(double, seconds, 5, "How long requests are sent");
ABSL_FLAG(double, timeout, 10, "Seconds from when a request was due, after which it has failed");
ABSL_FLAG(int, connections, 8, "With --http: connections that are kept in use");
ABSL_FLAG(std::string, path, "/getToken", "With --http: the path");
ABSL_FLAG(bool, forwarded, false, "With --http: every request claims to be from another IPv6 network");
ABSL_FLAG(std::string, retries, "on", "With --grpc: `on` is the gateway's retry policy, `off` none");
ABSL_FLAG(std::string, method, "mint", "With --grpc: `mint` for MintAccessToken, `issue` for IssueParticipantToken");
ABSL_FLAG(std::string, room, "faults", "Room that is asked for");
ABSL_FLAG(std::string, credential_file, "", "File with the API key that is sent as bearer token");
ABSL_FLAG(std::string, ca_file, "", "With --grpc: authorities that vouch for the servers; makes the connection TLS");
ABSL_FLAG(std::string, cert_file, "", "With --grpc: own certificate");
ABSL_FLAG(std::string, key_file, "", "With --grpc: the certificate's private key");
ABSL_FLAG(std::string, server_name, "", "With --grpc: name that the servers' certificates must have");
ABSL_FLAG(std::string, verify_keys, "", "File with all published keys, with which every token must verify");

namespace livekit::token::faults {
namespace {

std::atomic<bool> stop{false};

[[noreturn]] void Usage(const char* problem) {
  std::fprintf(stderr, "fault_load: %s; see --help\n", problem);
  std::exit(2);
}

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

bool OneOf(const std::string& value, const char* yes, const char* no, const char* problem) {
  if (value != yes && value != no) Usage(problem);
  return value == yes;
}

std::string ReadCredential() {
  const std::string path = absl::GetFlag(FLAGS_credential_file);
  if (path.empty()) return "";
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) Usage("--credential_file cannot be read");
  return line;
}

int Main(int argc, char** argv) {
  if (absl::ParseCommandLine(argc, argv).size() != 1) Usage("there are only flags");
  const std::string http = absl::GetFlag(FLAGS_http);
  const std::string grpc = absl::GetFlag(FLAGS_grpc);
  if (http.empty() == grpc.empty()) Usage("give either --http or --grpc");
  const double rate = absl::GetFlag(FLAGS_rate);
  if (rate <= 0) Usage("--rate must be positive");
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { stop = true; });
  std::signal(SIGPIPE, SIG_IGN);

  const auto start = Clock::now();
  Tally tally(start);
  TokenCheck check(absl::GetFlag(FLAGS_verify_keys), tally);
  const Schedule schedule(start, rate, Milliseconds(absl::GetFlag(FLAGS_seconds)));
  if (!http.empty()) {
    HttpLoadOptions options;
    options.addresses = absl::StrSplit(http, ',');
    options.connections = static_cast<std::size_t>(absl::GetFlag(FLAGS_connections));
    options.patience = Milliseconds(absl::GetFlag(FLAGS_timeout));
    options.path = absl::GetFlag(FLAGS_path);
    options.room = absl::GetFlag(FLAGS_room);
    options.credential = ReadCredential();
    options.forwarded = absl::GetFlag(FLAGS_forwarded);
    RunHttpLoad(options, schedule, stop, check, tally);
  } else {
    GrpcLoadOptions options;
    options.target = grpc;
    options.retries = OneOf(absl::GetFlag(FLAGS_retries), "on", "off", "--retries is on or off");
    options.mint = OneOf(absl::GetFlag(FLAGS_method), "mint", "issue", "--method is mint or issue");
    options.patience = Milliseconds(absl::GetFlag(FLAGS_timeout));
    options.room = absl::GetFlag(FLAGS_room);
    options.credential = ReadCredential();
    options.ca_file = absl::GetFlag(FLAGS_ca_file);
    options.cert_file = absl::GetFlag(FLAGS_cert_file);
    options.key_file = absl::GetFlag(FLAGS_key_file);
    options.server_name = absl::GetFlag(FLAGS_server_name);
    RunGrpcLoad(options, schedule, stop, check, tally);
  }
  std::printf("%s\n", tally.Json().c_str());
  return 0;
}

}  // namespace
}  // namespace livekit::token::faults

int main(int argc, char** argv) { return livekit::token::faults::Main(argc, argv); }
