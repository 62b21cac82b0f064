// The one list of what a log line can say: all events and all fields, for code and documentation alike. A name that is
// not listed does not compile.
#pragma once

#include <cstddef>
#include <string_view>

namespace livekit::token {

struct LogEventInfo {
  std::string_view name;
  std::string_view level;  // at which it is written
  std::string_view meaning;
};

struct LogFieldInfo {
  std::string_view name;
  std::string_view meaning;
};

// By name.
inline constexpr LogEventInfo kLogEvents[] = {
    {"answer_not_taken", "error", "the gateway ran out of memory while it took an answer of the token server"},
    {"audit_reopen_failed", "error", "the audit file could not be opened anew; the former one stays in use"},
    {"authentication_service_failed", "warn", "a service that is asked about credentials gave no usable answer"},
    {"backend_answer_invalid", "error", "a token came from the token server that cannot be written as an answer"},
    {"caller_token_file_exposed", "warn", "every user of the machine can read the gateway's own key"},
    {"clock_jump", "warn", "the wall clock was set by more than a minute, or the machine slept"},
    {"config_loaded", "info", "a changed configuration is in use"},
    {"config_refused", "error", "a changed configuration has this problem; the former one stays in use"},
    {"configuration", "warn", "something in the configuration is odd, but served"},
    {"cookie_of_other_page_refused", "warn", "cookies came for a page of another site"},
    {"core_dumps_allowed", "warn", "started with `--allow_core_dumps`: debuggers and core dumps show every secret"},
    {"credential_refused", "debug", "a service that was asked about a credential refused it"},
    {"development_mode", "warn", "the gateway runs with --dev"},
    {"draining", "info", "the process was told to stop"},
    {"exception", "error", "a call failed for lack of memory"},
    {"few_descriptors", "warn", "the process may not open as many files as its limits of connections need"},
    {"grpc", "debug to error", "a message of the gRPC library"},
    {"grpc_accept_failed", "warn", "a connection for gRPC could not be accepted"},
    {"grpc_call", "info, refused: warn, failed: error", "a call has been answered"},
    {"grpc_connection_aborted", "warn",
     "a gRPC connection was reset because its peer asks for too much; new ones "
     "from its address wait 1 s, then 8 s, then 32 s"},
    {"grpc_listener_lost", "error", "the gRPC listener failed; the process stops"},
    {"grpc_plaintext", "warn", "gRPC is served without TLS on an address that others can reach"},
    {"http_accept_failed", "warn", "a connection could not be accepted"},
    {"http_client_callback_failed", "error", "out of memory after an answer to a request of our own"},
    {"http_listener_lost", "error", "the HTTP listener failed; the process stops"},
    {"http_out_of_memory", "error", "out of memory in the HTTP server; its connections were closed"},
    {"http_request", "info, 4xx: warn, 5xx: error", "a request has been answered"},
    {"jwks_changed", "info", "an issuer publishes other keys than before"},
    {"jwks_key_skipped", "warn", "a published key is of no use"},
    {"jwks_refresh_failed", "warn", "an issuer's keys could not be fetched; those known stay in use"},
    {"jwt_refused", "debug", "a JSON Web Token was refused"},
    {"listening", "info", "a listener is open"},
    {"no_inotify", "warn", "changes of files are not told by the kernel"},
    {"no_longer_stuck", "info", "all threads answer again"},
    {"origin_refused", "warn", "a page of an origin that is not allowed asked"},
    {"restart_needed", "warn", "something has changed that is read only at the start"},
    {"start_failed", "error", "the process cannot start"},
    {"started", "info", "the process serves"},
    {"stopped", "info, requests were cut off: warn", "the process ends"},
    {"stuck", "error", "a thread does not answer"},
    {"tls_certificate_expired", "warn", "a certificate has expired"},
    {"tls_certificate_not_yet_valid", "warn", "a certificate is not valid yet"},
    {"token_server_answer_invalid", "error", "the token server's answer does not fit what it was asked"},
    {"token_server_call_failed", "error", "a call of the token server failed"},
    {"token_server_refused_gateway", "error", "the token server does not accept this gateway"},
    {"trusted_header_refused", "warn", "an identity header came from a host that is not in trusted_headers.networks"},
};

// The first six in their order in a line, the others by name.
inline constexpr LogFieldInfo kLogFields[] = {
    {"ts", "when, UTC, RFC 3339 with milliseconds; on every line"},
    {"level", "debug, info, warn or error; on every line"},
    {"event", "what happened; on every line"},
    {"component", "server, gateway or standalone; on every line"},
    {"version", "of the program; on every line"},
    {"pod", "POD_NAME, or HOSTNAME without it; on every line if the environment has one of them"},
    {"address", "of a listener"},
    {"authenticator", "name of the authenticator"},
    {"bytes_in", "length of the request's body"},
    {"clean", "whether every request was finished"},
    {"detail", "more about it, for operators"},
    {"duration_ms", "from the request to its answer, in milliseconds"},
    {"errno", "number of the system's error"},
    {"error", "what is wrong"},
    {"file", "path of the file"},
    {"generation", "fingerprint of the configuration, as in config_generation_info"},
    {"grpc_code", "gRPC status code"},
    {"hint", "what to do about it"},
    {"issuer", "of tokens, as configured"},
    {"items", "how many requests a batch carries"},
    {"keys", "how many keys the issuer publishes"},
    {"limit", "how many files the process may open"},
    {"message", "of the gRPC library"},
    {"method", "HTTP method, or name of the RPC"},
    {"name", "of a listener (http, grpc, admin) or a thread"},
    {"needed", "how many files the limits of connections need"},
    {"origin", "web origin of the page"},
    {"path", "in the configuration, or of a file"},
    {"peer_ip", "the client's address; behind trusted proxies the one that they tell; of gRPC that of the connection"},
    {"problem", "what is wrong with it"},
    {"reason", "why it was refused: one of the reasons of errors; empty if it was not"},
    {"request_id", "as in the answer's X-Request-Id"},
    {"route", "path of the endpoint, or _OTHER"},
    {"seconds", "by which the clock jumped, negative: backwards"},
    {"signal", "number of the signal"},
    {"span_id", "of this process's part in the trace, W3C Trace Context"},
    {"status", "HTTP status"},
    {"suppressed", "how many more messages of this kind were left out since the last one"},
    {"trace_id", "of the trace that the request belongs to, W3C Trace Context"},
    {"warning", "what is odd"},
    {"why", "cause in words"},
};

namespace log_internal {

// Not constexpr: a constant expression that gets here, because of an unlisted name, does not compile.
inline void NotInTheListOfLogNames() {}

template <typename Info, std::size_t Size>
consteval std::string_view Listed(const Info (&table)[Size], std::string_view name) {
  for (const Info& info : table) {
    if (info.name == name) return info.name;
  }
  NotInTheListOfLogNames();
  return {};
}

}  // namespace log_internal

// The name of a listed event.
class LogEvent {
 public:
  consteval LogEvent(const char* name) : name_(log_internal::Listed(kLogEvents, name)) {}
  constexpr std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

// The name of a listed field.
class LogFieldName {
 public:
  consteval LogFieldName(const char* name) : name_(log_internal::Listed(kLogFields, name)) {}
  constexpr std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

}  // namespace livekit::token
