// All metrics of both processes, by name, unit and label. Labels come from closed sets only.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "livekit/token/v1/errors.pb.h"

namespace livekit::token {

// Counts what the process does. Thread safety: all methods may be called concurrently.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // http_server_request_duration_seconds. `route` is a configured path or `_OTHER`, `method` a known method or
  // `_OTHER`.
  void HttpRequest(std::string_view method, std::string_view route, int status, std::chrono::nanoseconds duration);
  // grpc_server_call_duration_seconds. `method` is the name of an RPC.
  void Rpc(std::string_view method, absl::StatusCode code, std::chrono::nanoseconds duration);
  // livekit_token_issued_total. `kind`: participant or minted. `caller`: name of a configured service or policy.
  void Issued(std::string_view key_id, std::string_view caller, std::string_view kind);
  // livekit_token_denied_total.
  void Denied(std::string_view caller, v1::ErrorReason reason);
  // livekit_token_unknown_fields_total: members of request bodies that were ignored.
  void UnknownFields(int count);

  // tls_certificate_not_after_timestamp_seconds. `role`: http or grpc for listeners, client for calls to token servers.
  void TlsCertificate(std::string_view role, std::chrono::sys_seconds not_after);

  // All of them in Prometheus' text format.
  std::string Serialize() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token
