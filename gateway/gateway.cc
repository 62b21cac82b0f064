#include "gateway/gateway.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/address.h"
#include "base/cookie.h"
#include "base/status.h"
#include "gateway/caller_token.h"
#include "gateway/client_address.h"
#include "gateway/grpc_channel.h"
#include "gateway/handler.h"
#include "gateway/trusted_headers.h"
#include "google/protobuf/duration.pb.h"
#include "http/server.h"
#include "http/tls.h"
#include "http/tls_files.h"
#include "service/limits.h"
#include "service/log.h"

namespace livekit::token::gateway {
namespace {

using google::protobuf::Duration;
using std::chrono::milliseconds;

constexpr milliseconds kHour{3'600'000};

milliseconds ToMillis(const Duration& duration) {
  return milliseconds(duration.seconds() * 1000 + duration.nanos() / 1'000'000);
}

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsLiteralPath(std::string_view path) {
  return path.size() > 1 && path.size() <= 256 && path.front() == '/' &&
         std::all_of(path.begin(), path.end(), [](char c) {
           return IsLower(c) || IsUpper(c) || IsDigit(c) || c == '/' || c == '-' || c == '.' || c == '_' || c == '~';
         });
}

// Why a header cannot be relayed; empty if it can.
std::string_view CheckRelayHeader(std::string_view name) {
  const bool valid =
      !name.empty() && name.size() <= 64 && IsLower(name.front()) &&
      std::all_of(name.begin(), name.end(), [](char c) { return IsLower(c) || IsDigit(c) || c == '-' || c == '_'; });
  if (!valid) return "is not a header name in lower case, such as x-api-key";
  if (name == "x-caller-authorization") {
    return "is never relayed: it is how programs, not their users, prove themselves to the token server";
  }
  if (name == "cookie") return "is not relayed as a whole; name cookies in relay_cookies";
  for (std::string_view other : {"host",
                                 "origin",
                                 "referer",
                                 "connection",
                                 "content-type",
                                 "content-length",
                                 "content-encoding",
                                 "transfer-encoding",
                                 "te",
                                 "trailer",
                                 "upgrade",
                                 "expect",
                                 "keep-alive",
                                 "proxy-authorization",
                                 "x-request-id",
                                 "traceparent",
                                 "tracestate",
                                 "x-forwarded-for",
                                 "x-forwarded-host",
                                 "x-forwarded-proto",
                                 "forwarded"}) {
    if (name == other) return "is not a credential";
  }
  return "";
}

CorsOptions MakeCorsOptions(const config::v1::Cors& cors, const GatewayOptions& options) {
  CorsOptions result;
  result.origins.assign(cors.origins().begin(), cors.origins().end());
  result.credentials = cors.credentials();
  result.headers.assign(cors.headers().begin(), cors.headers().end());
  result.allow_loopback = options.dev;
  result.allow_private = options.dev && options.dev_private_network;
  return result;
}

std::string Text(milliseconds time) {
  if (time == kHour) return "1h";
  const auto count = time.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + "s" : std::to_string(count) + "ms";
}

// Collects problems.
class Checker {
 public:
  void Add(std::string path, std::string_view message) { problems_.push_back({std::move(path), std::string(message)}); }

  void Listener(const std::string& path, const std::string& address, const GatewayOptions& options) {
    const auto parsed = ParseHostPort(address);
    if (!parsed.ok()) {
      Add(path, "is not an address; write host:port or [v6]:port, with port 0 for any free one");
    } else if (options.dev && !options.dev_private_network && ClassifyHost(parsed->host) != HostKind::kLoopback) {
      Add(path, "must be loopback, such as localhost:3000, in development mode; --dev_private_network lifts this");
    }
  }

  void Limit(const std::string& path, int value, int least, int most) {
    if (value == 0 || (value >= least && value <= most)) return;
    Add(path, "must be between " + std::to_string(least) + " and " + std::to_string(most));
  }

  void Time(const std::string& path, bool present, const Duration& value, milliseconds least = milliseconds(1),
            milliseconds most = kHour) {
    if (!present) return;
    // Numbers first: beyond what a Duration may hold the arithmetic would overflow.
    const bool in_range = value.seconds() >= 0 && value.seconds() <= 3600 && value.nanos() >= 0;
    const milliseconds time = in_range ? ToMillis(value) : milliseconds(-1);
    if (time < least || time > most) Add(path, "must be between " + Text(least) + " and " + Text(most));
  }

  void Append(ConfigProblems more) {
    problems_.insert(problems_.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }

  ConfigProblems Take() { return std::move(problems_); }

 private:
  ConfigProblems problems_;
};

void CheckTls(const config::v1::GatewayTls& tls, const FileReader& read, Checker& checker) {
  if (tls.cert_file().empty()) checker.Add("listen.tls.cert_file", "is missing; TLS needs a certificate and its key");
  if (tls.key_file().empty()) checker.Add("listen.tls.key_file", "is missing; TLS needs a certificate and its key");
  if (tls.cert_file().empty() || tls.key_file().empty()) return;
  for (const ConfigProblem& problem : http::TlsContext::Check(tls.cert_file(), tls.key_file(), read)) {
    checker.Add(ConfigPath("listen.tls", problem.path), problem.message);
  }
}

void CheckServer(const config::v1::ServerTarget& server, const GatewayOptions& options, const FileReader& read,
                 Checker& checker) {
  if (const std::string_view problem = CheckTarget(server.address()); !problem.empty()) {
    checker.Add("server.address", problem);
  } else if (!server.has_tls() && !options.allow_plaintext_grpc && !options.dev_private_network &&
             !IsLocalTarget(server.address())) {
    checker.Add("server.address",
                "would carry credentials and tokens over the network unencrypted; give server.tls, or "
                "--allow_plaintext_grpc where the network itself encrypts");
  }
  checker.Limit("server.max_attempts", server.max_attempts(), 1, 5);
  checker.Time("server.attempt_timeout", server.has_attempt_timeout(), server.attempt_timeout(), milliseconds(10),
               milliseconds(10000));
  if (const std::string& file = server.caller_token_file(); !file.empty()) {
    if (const auto token = CallerToken::Create(file, read); !token.ok()) {
      checker.Add("server.caller_token_file", std::string(token.status().message()));
    }
  }
  if (!server.has_tls()) return;
  const config::v1::TargetTls& tls = server.tls();
  const std::string path = "server.tls";
  if (!tls.ca_file().empty()) {
    checker.Append(http::CheckAuthorities(ConfigPath(path, "ca_file"), tls.ca_file(), read));
  }
  if (tls.cert_file().empty() != tls.key_file().empty()) {
    checker.Add(ConfigPath(path, tls.cert_file().empty() ? "cert_file" : "key_file"),
                "is missing; a certificate and its key belong together");
  } else if (!tls.cert_file().empty()) {
    for (const ConfigProblem& problem : http::TlsContext::Check(tls.cert_file(), tls.key_file(), read)) {
      checker.Add(ConfigPath(path, problem.path), problem.message);
    }
    // The server would not know which of the two it is to believe.
    if (!server.caller_token_file().empty()) {
      checker.Add("server.caller_token_file", "is a second identity beside the certificate of server.tls; give one");
    }
  }
  if (tls.server_name().empty() && IsTargetList(server.address())) {
    checker.Add(ConfigPath(path, "server_name"), "is required with a list of addresses");
  } else if (!tls.server_name().empty() && HostOf(tls.server_name()) != tls.server_name()) {
    checker.Add(ConfigPath(path, "server_name"), "is not a name in lower case, such as token-server.internal");
  }
}

void CheckLimits(const config::v1::Limits& limits, Checker& checker) {
  // A whole call to the token server holds 1 MiB; one body must leave room for what goes with it.
  checker.Limit("limits.body_bytes", limits.body_bytes(), 64, 512 << 10);
  checker.Limit("limits.header_bytes", limits.header_bytes(), 1024, 64 << 10);
  checker.Limit("limits.header_lines", limits.header_lines(), 10, 1000);
  checker.Limit("limits.connections", limits.connections(), 1, 1'000'000);
  checker.Limit("limits.pending_requests", limits.pending_requests(), 1, 1'000'000);
  checker.Limit("limits.token_bytes", limits.token_bytes(), 512, 1 << 20);
  checker.Time("limits.header_timeout", limits.has_header_timeout(), limits.header_timeout());
  checker.Time("limits.request_timeout", limits.has_request_timeout(), limits.request_timeout());
  checker.Time("limits.idle_timeout", limits.has_idle_timeout(), limits.idle_timeout());
}

// Lists in which nothing may stand twice.
template <typename List, typename Check>
void CheckEach(const std::string& path, const List& list, Checker& checker, Check check) {
  std::set<std::string> seen;
  for (int i = 0; i < list.size(); ++i) {
    const auto problem = check(list.Get(i));
    if (!problem.empty()) checker.Add(ConfigPath(path, i), problem);
    if (!seen.insert(list.Get(i)).second) checker.Add(ConfigPath(path, i), "occurs twice");
  }
}

}  // namespace

config::v1::GatewayConfig WithDefaults(config::v1::GatewayConfig config, const GatewayOptions& options) {
  auto& listen = *config.mutable_listen();
  // Whoever lets other devices of the network in wants them to reach the endpoint, but not the admin listener.
  if (listen.http().empty()) {
    listen.set_http(options.dev && !options.dev_private_network ? "localhost:3000" : "[::]:3000");
  }
  if (listen.admin().empty()) listen.set_admin(options.dev ? "localhost:9464" : "[::]:9464");
  if (config.server().address().empty()) config.mutable_server()->set_address("localhost:50051");
  auto& server = *config.mutable_server();
  if (server.max_attempts() == 0) server.set_max_attempts(4);
  if (!server.has_attempt_timeout()) server.mutable_attempt_timeout()->set_nanos(100'000'000);
  if (config.relay_headers().empty()) config.add_relay_headers("authorization");
  if (options.dev) config.set_sandbox(true);
  if (config.token_paths().empty()) {
    config.add_token_paths("/getToken");
    config.add_token_paths("/api/token");
  }
  auto& limits = *config.mutable_limits();
  if (limits.body_bytes() == 0) limits.set_body_bytes(limits::kHttpBodyBytes);
  if (limits.header_bytes() == 0) limits.set_header_bytes(limits::kHttpHeaderBytes);
  if (limits.header_lines() == 0) limits.set_header_lines(limits::kHttpHeaderLines);
  if (limits.connections() == 0) limits.set_connections(limits::kHttpConnections);
  if (limits.pending_requests() == 0) limits.set_pending_requests(limits::kHttpPendingRequests);
  if (limits.token_bytes() == 0) limits.set_token_bytes(limits::kHttpTokenBytes);
  if (!limits.has_header_timeout()) limits.mutable_header_timeout()->set_seconds(limits::kHttpHeaderSeconds);
  if (!limits.has_request_timeout()) limits.mutable_request_timeout()->set_seconds(limits::kHttpRequestSeconds);
  if (!limits.has_idle_timeout()) limits.mutable_idle_timeout()->set_seconds(limits::kHttpIdleSeconds);
  if (config.readiness().require_backend().empty()) config.mutable_readiness()->set_require_backend("startup");
  auto& drain = *config.mutable_drain();
  if (!drain.has_delay()) drain.mutable_delay()->set_seconds(options.dev ? 0 : 8);
  if (!drain.has_timeout()) drain.mutable_timeout()->set_seconds(20);
  return config;
}

ConfigProblems CheckGatewayConfig(const config::v1::GatewayConfig& config, const GatewayOptions& options,
                                  bool standalone, const FileReader& read) {
  Checker checker;
  if (options.dev_private_network && !options.dev) checker.Add("", "--dev_private_network needs --dev");
  const config::v1::GatewayConfig full = WithDefaults(config, options);

  checker.Listener("listen.http", full.listen().http(), options);
  checker.Limit("listen.threads", config.listen().threads(), 1, 256);
  if (config.listen().has_tls()) CheckTls(config.listen().tls(), read, checker);
  if (standalone) {
    if (!config.listen().admin().empty()) checker.Add("listen.admin", "belongs to the server's listen in this program");
    if (config.has_server()) checker.Add("server", "there is none to reach: this program holds both sides");
    if (config.has_readiness()) checker.Add("readiness", "there is no server to reach: this program holds both sides");
    if (config.has_drain()) checker.Add("drain", "belongs to the server's drain in this program");
  } else {
    checker.Listener("listen.admin", full.listen().admin(), options);
    CheckServer(full.server(), options, read, checker);
    const std::string& backend = full.readiness().require_backend();
    if (backend != "startup" && backend != "always") {
      checker.Add("readiness.require_backend", "must be startup or always");
    }
  }
  CheckEach("relay_headers", full.relay_headers(), checker, CheckRelayHeader);
  CheckEach("relay_cookies", config.relay_cookies(), checker, CheckCookieGlob);
  if (!config.relay_cookies().empty() && config.cors().origins_size() == 1 && config.cors().origins(0) == "*") {
    checker.Add("relay_cookies",
                "must not stand beside `*` in cors.origins: every web page could act for its visitors");
  }
  CheckEach("token_paths", full.token_paths(), checker, [](std::string_view path) -> std::string_view {
    return IsLiteralPath(path) ? "" : "is not a literal path; write / and then letters, digits, / - . _ or ~";
  });
  CheckEach("trusted_proxies", config.trusted_proxies(), checker, CheckTrustedProxy);
  if (config.has_trusted_headers()) {
    checker.Append(
        CheckTrustedHeaders(config.trusted_headers(), {full.relay_headers().begin(), full.relay_headers().end()}));
  }
  checker.Append(CheckCors(MakeCorsOptions(config.cors(), options), "cors"));
  CheckLimits(config.limits(), checker);
  checker.Time("drain.delay", config.drain().has_delay(), config.drain().delay(), milliseconds(0));
  checker.Time("drain.timeout", config.drain().has_timeout(), config.drain().timeout(), milliseconds(0));
  const std::string& level = config.log_level();
  if (!level.empty() && level != "debug" && level != "info" && level != "warn" && level != "error") {
    checker.Add("log_level", "is not debug, info, warn or error");
  }
  if (!IsShare(config.access_log_sample())) checker.Add("access_log_sample", "is not a number from 0 to 1");
  return checker.Take();
}

struct Gateway::Impl {
  Impl(HandlerOptions options, config::v1::GatewayListen l, Backend& backend, Metrics& m)
      : listen(std::move(l)), metrics(m), handler(std::move(options), backend, m) {}

  const config::v1::GatewayListen listen;
  Metrics& metrics;
  TokenHandler handler;
  std::unique_ptr<http::Server> server;  // destroyed first
};

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const config::v1::GatewayConfig& given,
                                                        const GatewayOptions& options, Backend& backend,
                                                        Metrics& metrics, const FileReader& read) {
  const config::v1::GatewayConfig config = WithDefaults(given, options);
  const ConfigProblems problems = CheckGatewayConfig(config, options, /*standalone=*/false, read);
  if (!problems.empty()) return absl::InvalidArgumentError(FormatProblems("gateway", problems));

  HandlerOptions handler;
  handler.token_paths.assign(config.token_paths().begin(), config.token_paths().end());
  handler.sandbox = config.sandbox();
  if (config.has_access_log_sample()) handler.access_log_sample = config.access_log_sample();
  handler.relay_headers.assign(config.relay_headers().begin(), config.relay_headers().end());
  handler.relay_cookies.assign(config.relay_cookies().begin(), config.relay_cookies().end());
  handler.cors = MakeCorsOptions(config.cors(), options);
  for (const std::string& text : config.trusted_proxies()) {
    LKT_ASSIGN_OR_RETURN(Network network, Network::Parse(text));
    handler.trusted_proxies.push_back(network);
  }
  handler.trusted_headers = MakeTrustedHeaderOptions(config.trusted_headers());
  handler.extended_response = config.extended_response();
  // A tenth of the time is for getting the answer to the client, so that it hears 504 before the connection ends.
  handler.timeout = std::max(milliseconds(1), ToMillis(config.limits().request_timeout()) * 9 / 10);
  handler.max_token_bytes = config.limits().token_bytes();
  handler.max_pending = config.limits().pending_requests();
  handler.dev = options.dev;
  handler.dev_private_network = options.dev_private_network;

  http::ServerOptions server;
  server.address = config.listen().http();
  server.metrics = &metrics;
  server.threads = config.listen().threads();
  server.body_paths = handler.token_paths;
  if (handler.sandbox) server.body_paths.push_back(kSandboxPath);
  server.max_body_bytes = static_cast<std::size_t>(config.limits().body_bytes());
  server.max_header_bytes = static_cast<std::size_t>(config.limits().header_bytes());
  server.max_header_lines = static_cast<std::size_t>(config.limits().header_lines());
  server.header_timeout = ToMillis(config.limits().header_timeout());
  server.request_timeout = ToMillis(config.limits().request_timeout());
  server.idle_timeout = ToMillis(config.limits().idle_timeout());
  server.max_connections = config.limits().connections();
  server.heartbeats = options.heartbeats;
  server.on_listener_lost = options.on_listener_lost;
  if (const auto& listen = config.listen(); listen.has_tls()) {
    LKT_ASSIGN_OR_RETURN(server.tls,
                         http::TlsContext::FromFiles(listen.tls().cert_file(), listen.tls().key_file(), read));
    metrics.TlsCertificate("http", server.tls->not_after());
  }

  auto impl = std::make_unique<Impl>(std::move(handler), config.listen(), backend, metrics);
  auto started = http::Server::Start(std::move(server), impl->handler);
  if (!started.ok()) return started.status();
  impl->server = *std::move(started);
  if (options.dev) {
    Log(LogLevel::kWarn, "development_mode",
        {{"hint", "only loopback and private hosts are answered; not for anything that others can reach"}});
  }
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

std::string Gateway::address() const { return impl_->server->address(); }
int Gateway::port() const { return impl_->server->port(); }
ConfigProblems Gateway::ReloadTls(const FileReader& read) {
  if (!impl_->listen.has_tls()) return {};
  const config::v1::GatewayTls& files = impl_->listen.tls();
  ConfigProblems problems;
  auto tls = http::TlsContext::FromFiles(files.cert_file(), files.key_file(), read, problems);
  if (tls == nullptr) {
    for (ConfigProblem& problem : problems) problem.path = ConfigPath("listen.tls", problem.path);
    return problems;
  }
  impl_->metrics.TlsCertificate("http", tls->not_after());
  impl_->server->SetTls(std::move(tls));
  return {};
}
void Gateway::Discourage() { impl_->server->Discourage(); }
bool Gateway::Drain(std::chrono::steady_clock::time_point deadline) { return impl_->server->Drain(deadline); }

}  // namespace livekit::token::gateway
