// Accepts the connections of the gRPC listener.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "http/socket.h"
#include "server/connection_guard.h"
#include "service/metrics.h"

namespace livekit::token {

// A listener in place of gRPC's own, which gRPC 1.51 gives up for good, without a word to us, as soon as accept4()
// fails with anything but EAGAIN, EINTR or ECONNABORTED, that is, whenever descriptors or memory have run out for a
// moment. This one waits and goes on. Connections that would take the last descriptors are reset, and those whose peers
// ask for too much (ConnectionGuard).
//
// Thread safety: none.
class GrpcAcceptor {
 public:
  // Listens at `address` (as http::Listen has it) and adds itself to `builder`. `lost` is called, from a thread of the
  // acceptor, if the listener is gone for good. `metrics` must outlive the object.
  // Errors: the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<GrpcAcceptor>> Listen(const std::string& address,
                                                              std::shared_ptr<grpc::ServerCredentials> credentials,
                                                              grpc::ServerBuilder& builder, Metrics& metrics,
                                                              std::function<void()> lost);
  // The server must still be there.
  ~GrpcAcceptor();

  // Hands connections to the server from now on, which must have started.
  void Start();
  // Accepts no more. Idempotent.
  void Stop();
  // With the chosen port.
  const HostPort& address() const { return listeners_.address; }

 private:
  GrpcAcceptor(http::Listeners listeners, std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server,
               Metrics& metrics, std::function<void()> lost);

  // A connection from an address that has to wait.
  struct Held {
    int listener;
    http::Accepted accepted;
  };

  void Run();
  // Accepts what waits. Returns false if nothing can be accepted for a moment; `lost` if never again.
  bool AcceptAll(int listener, bool& lost);
  void HandOver(int listener, http::Fd fd);
  // Hands over those that wait no longer.
  void HandOverHeld();

  http::Listeners listeners_;
  const std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server_;
  const std::function<void()> lost_;
  const http::Fd wake_;
  const int first_reserved_;
  ConnectionGuard guard_;
  std::vector<Held> held_;
  std::thread thread_;
};

}  // namespace livekit::token
