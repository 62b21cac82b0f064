// The gateway as a whole: configuration, handler and HTTP server over a backend.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/backend.h"
#include "livekit/token/config/v1/gateway_config.pb.h"
#include "service/config.h"
#include "service/heartbeat.h"
#include "service/metrics.h"

namespace livekit::token::gateway {

// What is not in the file.
struct GatewayOptions {
  // Development mode: loopback listeners, pages of loopback origins, and only loopback and private `Host`s.
  bool dev = false;
  // With `dev`: any listener, and peers and pages in private networks.
  bool dev_private_network = false;
  // Token servers at any address without TLS, for networks that encrypt by themselves.
  bool allow_plaintext_grpc = false;
  // As in http::ServerOptions, for the public listener.
  Heartbeats* heartbeats = nullptr;
  std::function<void()> on_listener_lost = nullptr;
};

// All problems of `config`, with their paths; empty means that Gateway::Start fails only for the machine's reasons.
// Reads the files of `listen.tls` and `server.tls`. `config` is as read, before WithDefaults. In the standalone,
// `listen.admin` and `server` belong to the server's part and are problems here.
ConfigProblems CheckGatewayConfig(const config::v1::GatewayConfig& config, const GatewayOptions& options,
                                  bool standalone, const FileReader& read = ReadFile);

// `config` with every field that has a default filled in; the only place that knows the defaults. Idempotent.
config::v1::GatewayConfig WithDefaults(config::v1::GatewayConfig config, const GatewayOptions& options);

// A serving gateway. The destructor stops without grace; call Drain first.
//
// Thread safety: all methods may be called concurrently.
class Gateway {
 public:
  // Binds and serves. `config` may lack defaults, but must be free of problems. `backend` must outlive the gateway,
  // `metrics` both. Errors: the configuration has a problem or the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const config::v1::GatewayConfig& config,
                                                        const GatewayOptions& options, Backend& backend,
                                                        Metrics& metrics, const FileReader& read = ReadFile);
  ~Gateway();

  // The bound address, with the chosen port.
  std::string address() const;
  int port() const;
  // Reads the files of `listen.tls`, at the paths of the start, anew: connections that are accepted from now on use
  // them, or, if anything is wrong with one, still the old ones. Connections that stand are kept. Returns the problems,
  // with their paths; without TLS there is nothing to do.
  ConfigProblems ReloadTls(const FileReader& read);
  // From now on every answer ends its connection, so that clients move on before Drain.
  void Discourage();
  // Stops accepting and finishes what is in progress until `deadline`. Returns whether everything finished.
  bool Drain(std::chrono::steady_clock::time_point deadline);

 private:
  struct Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token::gateway
