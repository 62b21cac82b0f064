// Every metric of every program, by name: what is registered, documented and tested is what stands here.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace livekit::token {

enum class MetricType { kCounter, kGauge, kHistogram };

// Programs that show a metric.
enum Programs : unsigned {
  kServer = 1,
  kGateway = 2,
  kStandalone = 4,
  kServers = kServer | kStandalone,    // those that sign
  kGateways = kGateway | kStandalone,  // those that speak HTTP
  kAllPrograms = kServer | kGateway | kStandalone,
};

// The value of labels for everything that is not listed, and of every label of the series that counts what is beyond
// the most that a metric may have.
inline constexpr std::string_view kOtherSeries = "_OTHER";

struct MetricRow {
  std::string_view name;  // in base units; a counter ends in `_total`
  MetricType type;
  unsigned programs;  // of Programs
  // Names of labels, then empty ones. Their values come from the configuration or from closed sets: never a room, an
  // identity, an address or a path that somebody sent.
  std::array<std::string_view, 3> labels;
  std::string_view help;                 // one sentence
  std::span<const double> buckets = {};  // upper bounds; a histogram's only
};

// OpenTelemetry's buckets for HTTP servers with three below them, since a token takes less than a millisecond.
inline constexpr std::array kHttpBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                            0.25,   0.5,   0.75,   1.0,   2.5,  5.0,   7.5,  10.0};
// A subset of those of gRFC A66.
inline constexpr std::array kRpcBuckets = {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0};
inline constexpr std::array kSignBuckets = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025,
                                            0.0005,  0.001,    0.0025,  0.005,  0.01};

inline constexpr MetricRow kMetricTable[] = {
    {"livekit_token_issued_total",
     MetricType::kCounter,
     kServers,
     {"key", "caller", "kind"},
     "Tokens signed with each API key; the caller is a policy (kind `participant`) or a service (kind `minted`)."},
    {"livekit_token_denied_total",
     MetricType::kCounter,
     kAllPrograms,
     {"caller", "reason"},
     "Requests refused; the caller is a service, `gateway` for what a gateway refuses by itself, else `other`."},
    {"livekit_token_sign_duration_seconds",
     MetricType::kHistogram,
     kServers,
     {"alg"},
     "Duration of signing a token, from its grants to its text.",
     kSignBuckets},
    {"livekit_token_authentications_total",
     MetricType::kCounter,
     kServers,
     {"authenticator", "outcome"},
     "Credentials that each authenticator accepted, refused or could not check (`unavailable`), of end users and of "
     "calling programs; `_OTHER` stands for credentials that no authenticator is for."},
    {"livekit_token_authenticator_request_duration_seconds",
     MetricType::kHistogram,
     kServers,
     {"authenticator", "outcome"},
     "Duration of questions to services that know credentials (`forward_auth`, `oauth2_introspection`), by what "
     "came of them: `accepted`, `refused` or `unavailable`.",
     kHttpBuckets},
    {"livekit_token_jwks_fetches_total",
     MetricType::kCounter,
     kServers,
     {"authenticator", "outcome"},
     "Fetches of an issuer's keys: `success` or `failure`."},
    {"livekit_token_jwks_last_success_timestamp_seconds",
     MetricType::kGauge,
     kServers,
     {"authenticator"},
     "When an issuer's keys were last fetched; absent before the first time."},
    {"livekit_token_requests_in_flight",
     MetricType::kGauge,
     kServers,
     {},
     "Requests in progress, each item of a batch as one; without `rate_limits.max_in_flight` always 0."},
    {"livekit_token_audit_dropped_total",
     MetricType::kCounter,
     kServers,
     {},
     "Decisions that could not be recorded; with `blocking` their requests were refused."},
    {"ratelimit_rejected_total",
     MetricType::kCounter,
     kServers,
     {"scope"},
     "Requests refused because a limit had run out; the scope is a field of `rate_limits`."},
    {"livekit_token_unknown_fields_total",
     MetricType::kCounter,
     kGateways,
     {},
     "Members of request bodies that were ignored."},
    {"livekit_token_key_state",
     MetricType::kGauge,
     kServers,
     {"project", "key", "state"},
     "State of each API key: 1 for the one that it is in of `pending`, `active`, `retiring` and `gone`."},
    {"livekit_token_key_latest_expiry_timestamp_seconds",
     MetricType::kGauge,
     kServers,
     {"project", "key"},
     "Latest expiry of the tokens that the API key has signed in this process."},
    {"livekit_token_key_removable_timestamp_seconds",
     MetricType::kGauge,
     kServers,
     {"project", "key"},
     "When an API key that no longer signs may be removed from the key file."},
    {"livekit_token_active_keys", MetricType::kGauge, kServers, {}, "API keys that sign."},
    {"http_server_request_duration_seconds",
     MetricType::kHistogram,
     kGateways,
     {"http_request_method", "http_route", "http_response_status_code"},
     "Duration of HTTP requests; the method is a known one and the route a configured one, else `_OTHER`.",
     kHttpBuckets},
    {"http_server_active_requests",
     MetricType::kGauge,
     kGateways,
     {},
     "HTTP requests that have been read and not yet been answered."},
    {"http_server_connections", MetricType::kGauge, kGateways, {}, "Open HTTP connections."},
    {"http_server_connections_rejected_total",
     MetricType::kCounter,
     kGateways,
     {"reason"},
     "HTTP connections that were answered 503 (`busy`) or closed at once (`full`) because there were too many, or for "
     "which there was no memory (`memory`)."},
    {"grpc_server_connections_aborted_total",
     MetricType::kCounter,
     kServers,
     {"reason"},
     "gRPC connections that were reset because they had more streams than a client may have (`streams`) or because "
     "more came than their streams can carry (`bytes`)."},
    {"grpc_server_call_started_total",
     MetricType::kCounter,
     kServers,
     {"grpc_method"},
     "gRPC calls begun, those that have not ended included."},
    {"grpc_server_call_duration_seconds",
     MetricType::kHistogram,
     kServers,
     {"grpc_method", "grpc_status"},
     "Duration of gRPC calls.",
     kRpcBuckets},
    {"grpc_client_attempt_started_total",
     MetricType::kCounter,
     kGateway,
     {"grpc_method"},
     "gRPC calls sent to token servers, those sent again or beside others included."},
    {"grpc_client_attempt_duration_seconds",
     MetricType::kHistogram,
     kGateway,
     {"grpc_method", "grpc_status"},
     "Duration of gRPC calls sent to token servers; `CANCELLED` when another answered first.",
     kRpcBuckets},
    {"config_last_reload_successful",
     MetricType::kGauge,
     kAllPrograms,
     {},
     "1 if the configuration in use is the newest, 0 if a newer was refused."},
    {"config_last_reload_success_timestamp_seconds",
     MetricType::kGauge,
     kAllPrograms,
     {},
     "When the configuration in use was taken into use."},
    {"config_generation_info",
     MetricType::kGauge,
     kAllPrograms,
     {"hash"},
     "Fingerprint of the configuration in use, the same on all replicas with the same files; always 1."},
    {"tls_certificate_not_after_timestamp_seconds",
     MetricType::kGauge,
     kAllPrograms,
     {"role"},
     "Until when the certificate in use is valid; the role is the listener `http` or `grpc`, or `client` for calls to "
     "token servers."},
    {"clock_jumps_total",
     MetricType::kCounter,
     kAllPrograms,
     {},
     "Times that the wall clock was set by more than a minute, either way."},
    {"log_dropped_total",
     MetricType::kCounter,
     kAllPrograms,
     {},
     "Log lines that were dropped because nobody took them in time."},
    {"livekit_token_draining", MetricType::kGauge, kAllPrograms, {}, "Whether this process is stopping."},
    {"livekit_token_build_info", MetricType::kGauge, kAllPrograms, {"version", "revision"}, "What runs; always 1."},
    {"process_cpu_seconds_total", MetricType::kCounter, kAllPrograms, {}, "CPU time used, user and system."},
    {"process_resident_memory_bytes", MetricType::kGauge, kAllPrograms, {}, "Resident memory."},
    {"process_start_time_seconds", MetricType::kGauge, kAllPrograms, {}, "Start of the process since the epoch."},
    {"process_open_fds", MetricType::kGauge, kAllPrograms, {}, "Open file descriptors."},
    {"process_max_fds", MetricType::kGauge, kAllPrograms, {}, "Most file descriptors that may be open."},
};

// The row of that name; null if there is none.
constexpr const MetricRow* FindMetric(std::string_view name) {
  for (const MetricRow& row : kMetricTable) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// The same for code: a name without a row does not compile.
consteval const MetricRow& Metric(std::string_view name) {
  // Not by FindMetric: to GCC with sanitizers the comparison of such a pointer with null is no constant.
  for (const MetricRow& row : kMetricTable) {
    if (row.name == name) return row;
  }
  throw "no such metric";
}

}  // namespace livekit::token
