// The token server: the authority behind a gRPC listener.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authorities.h"
#include "service/config.h"
#include "service/heartbeat.h"
#include "service/metrics.h"

namespace livekit::token {

// What is not in the file.
struct ServerOptions {
  // Development mode: loopback listeners.
  bool dev = false;
  // With `dev`: any listener, and peers in private networks.
  bool dev_private_network = false;
  // Any gRPC address without TLS, for networks that encrypt by themselves.
  bool allow_plaintext_grpc = false;
  // Where gRPC's threads beat, which must outlive the server; null: nowhere.
  Heartbeats* heartbeats = nullptr;
  // Called once if the gRPC listener is gone for good.
  std::function<void()> on_listener_lost = nullptr;
};

// The problems of those parts of `config` that BuildAuthorityState does not see: addresses, TLS with its files, times,
// log level. `config` is as read, before WithDefaults.
ConfigProblems CheckServerConfig(const config::v1::ServerConfig& config, const ServerOptions& options,
                                 const FileReader& read = ReadFile);

// `config` with every field that has a default filled in; the only place that knows the defaults. Idempotent.
config::v1::ServerConfig WithDefaults(config::v1::ServerConfig config, const ServerOptions& options);

// A serving token server. Alive means serving; the destructor stops without grace, so call Drain first.
//
// Thread safety: all methods may be called concurrently.
class TokenServer {
 public:
  // Binds and serves. `config` must have its defaults and no problems. `authorities` and `metrics` must outlive the
  // server.
  // Errors: the address cannot be bound, or the files of TLS have gone bad since they were checked.
  static absl::StatusOr<std::unique_ptr<TokenServer>> Start(const config::v1::ServerConfig& config,
                                                            const ServerOptions& options,
                                                            const Authorities& authorities, Metrics& metrics,
                                                            const FileReader& read = ReadFile);
  ~TokenServer();

  // The bound address, with the chosen port.
  const std::string& address() const;
  // Reads the files of `listen.tls`, at the paths of the start, anew: all of them are used for handshakes at most 1.5 s
  // from now, or, if anything is wrong with one, none. Connections that stand are kept. Returns the problems, with
  // their paths; without TLS there is nothing to do.
  ConfigProblems ReloadTls(const FileReader& read);
  // What gRPC's health service says of the server as a whole and of the token service; not serving until the first
  // call. Calls are answered all the same. Nothing after Discourage.
  void SetServing(bool serving);
  // Tells health watchers, for good, that this server is about to stop; calls are still answered.
  void Discourage();
  // Refuses new calls and finishes those in progress until `deadline`. Returns whether all finished. Idempotent.
  bool Drain(std::chrono::steady_clock::time_point deadline);

 private:
  struct Impl;
  explicit TokenServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token
