// Counts what a process does; metric_table.h has all names.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "livekit/token/v1/errors.pb.h"
#include "service/limits.h"
#include "service/metric_table.h"
#include "service/server_status.h"

namespace livekit::token {

class AuthenticatorMetrics;
class RpcMetrics;

// Why a connection is not served.
enum class HttpRejection : std::uint8_t { kBusy, kFull, kMemory };
inline constexpr std::array<std::string_view, 3> kHttpRejections = {"busy", "full", "memory"};

// Why a connection of the gRPC listener was reset.
enum class GrpcAbuse : std::uint8_t { kStreams, kBytes };
inline constexpr std::array<std::string_view, 2> kGrpcAbuses = {"streams", "bytes"};

// Counts what the process does. Thread safety: all methods may be called concurrently.
class Metrics {
 public:
  // Shows the metrics of these programs (Programs); `revision` is that of their sources.
  explicit Metrics(unsigned programs = kAllPrograms, std::string_view revision = "unknown");
  ~Metrics();

  // http_server_request_duration_seconds. `route` is a configured path or `_OTHER`, `method` a known method or
  // `_OTHER`.
  void HttpRequest(std::string_view method, std::string_view route, int status, std::chrono::nanoseconds duration);
  // http_server_active_requests and http_server_connections: one more or one less.
  void HttpActiveRequests(int change);
  void HttpConnections(int change);
  // http_server_connections_rejected_total.
  void HttpConnectionRejected(HttpRejection reason);
  // grpc_server_connections_aborted_total.
  void GrpcConnectionAborted(GrpcAbuse reason);
  // grpc_server_call_*. `method` is the name of an RPC. To be kept: looking for it costs.
  RpcMetrics& OfRpc(std::string_view method);
  // livekit_token_authentications_total and livekit_token_authenticator_request_duration_seconds of an authenticator.
  // To be kept as well.
  AuthenticatorMetrics& OfAuthenticator(std::string_view name);
  // grpc_client_attempt_started_total: a call that is sent to a server, also when it is sent again or beside another.
  void AttemptStarted(std::string_view method);
  // grpc_client_attempt_duration_seconds. CANCELLED when another answered first.
  void AttemptEnded(std::string_view method, absl::StatusCode code, std::chrono::nanoseconds duration);
  // livekit_token_issued_total. `kind`: participant or minted. `caller`: name of a configured service or policy.
  void Issued(std::string_view key_id, std::string_view caller, std::string_view kind);
  // livekit_token_sign_duration_seconds.
  void Signed(std::chrono::nanoseconds duration);
  // livekit_token_denied_total.
  void Denied(std::string_view caller, v1::ErrorReason reason);
  // ratelimit_rejected_total: a request was refused because `scope` had run out.
  void RateLimited(LimitScope scope);
  // livekit_token_unknown_fields_total: members of request bodies that were ignored.
  void UnknownFields(int count);

  // config_generation_info, config_last_reload_successful = 1, config_last_reload_success_timestamp_seconds: a
  // configuration has been taken into use. `generation` is a fingerprint of its files.
  void ConfigLoaded(const std::string& generation, std::chrono::system_clock::time_point now);
  // config_last_reload_successful = 0: a changed configuration was refused.
  void ConfigRefused();
  // What a server says about itself is asked of `source` whenever metrics are read; null: this is none. To be called
  // before there are other threads; `source` must stay callable as long as the object.
  void SetServerSource(std::function<ServerStatus()> source);
  // clock_jumps_total.
  void ClockJumped();
  // tls_certificate_not_after_timestamp_seconds. `role`: http or grpc for listeners, client for calls to token servers.
  void TlsCertificate(std::string_view role, std::chrono::sys_seconds not_after);
  // livekit_token_draining: 1 from now on, 0 until now.
  void Draining();

  // All of them in Prometheus' text format.
  std::string Serialize() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token
