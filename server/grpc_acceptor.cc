#include "server/grpc_acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/status.h"
#include "http/descriptors.h"
#include "service/log.h"
#include "service/log_interval.h"

namespace livekit::token {
namespace {

constexpr int kPauseMs = 20;
// As gRPC's own listener has it, from the keepalive timeout: how long data may be unacknowledged.
constexpr int kUserTimeoutMs = 5000;

// Ends a connection so that its client knows at once (RST), rather than as if it had been served.
void Reset(http::Fd fd) {
  const linger now{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcAcceptor>> GrpcAcceptor::Listen(const std::string& address,
                                                                   std::shared_ptr<grpc::ServerCredentials> credentials,
                                                                   grpc::ServerBuilder& builder, Metrics& metrics,
                                                                   std::function<void()> lost) {
  LKT_ASSIGN_OR_RETURN(http::Listeners listeners, http::Listen(address));
  for (const http::Fd& fd : listeners.fds) {
    setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
  }
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  auto server = builder.experimental().AddExternalConnectionAcceptor(Type::FROM_FD, std::move(credentials));
  auto acceptor = std::unique_ptr<GrpcAcceptor>(
      new GrpcAcceptor(std::move(listeners), std::move(server), metrics, std::move(lost)));
  if (!acceptor->wake_.valid()) return absl::ResourceExhaustedError("the system has no descriptors left");
  return acceptor;
}

GrpcAcceptor::GrpcAcceptor(http::Listeners listeners,
                           std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server, Metrics& metrics,
                           std::function<void()> lost)
    : listeners_(std::move(listeners)),
      server_(std::move(server)),
      lost_(std::move(lost)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      first_reserved_(http::FirstReservedDescriptor()),
      guard_(metrics) {}

GrpcAcceptor::~GrpcAcceptor() { Stop(); }

void GrpcAcceptor::Start() {
  thread_ = std::thread([this] { Run(); });
}

void GrpcAcceptor::Stop() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    while (write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }
  listeners_.fds.clear();
}

void GrpcAcceptor::Run() {
  std::vector<pollfd> waiting = {{wake_.get(), POLLIN, 0}};
  for (const http::Fd& fd : listeners_.fds) waiting.push_back({fd.get(), POLLIN, 0});
  bool paused = false;
  for (;;) {
    // While there is nothing to accept with, only the end is waited for.
    const int count = poll(waiting.data(), paused ? 1 : waiting.size(), paused || !held_.empty() ? kPauseMs : -1);
    if (count > 0 && waiting[0].revents != 0) return;
    HandOverHeld();
    paused = false;
    bool lost = false;
    for (std::size_t i = 1; i < waiting.size() && !lost; ++i) paused = !AcceptAll(waiting[i].fd, lost) || paused;
    if (lost) {
      Log(LogLevel::kError, "grpc_listener_lost");
      if (lost_) lost_();
      return;
    }
  }
}

bool GrpcAcceptor::AcceptAll(int listener, bool& lost) {
  static LogInterval interval;
  for (;;) {
    http::Accepted accepted = http::Accept(listener);
    if (accepted.fd.valid()) {
      if (accepted.fd.get() >= first_reserved_) {
        Reset(std::move(accepted.fd));
        continue;
      }
      if (guard_.Waits(accepted.peer_address)) {
        held_.push_back({listener, std::move(accepted)});
      } else {
        HandOver(listener, std::move(accepted.fd));
      }
      continue;
    }
    const int error = errno;
    if (error == EAGAIN) return true;
    // The client went away meanwhile.
    if (error == EINTR || error == ECONNABORTED || error == EPROTO) continue;
    // Not a listening socket any more, as when an administrator has the kernel close it (ss --kill).
    lost = error == EINVAL || error == EBADF || error == ENOTSOCK;
    if (!lost && interval.Due()) Log(LogLevel::kWarn, "grpc_accept_failed", {{"errno", error}});
    return false;
  }
}

void GrpcAcceptor::HandOver(int listener, http::Fd fd) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.listener_fd = listener;
  connection.fd = fd.Release();
  guard_.Add(connection.fd);
  server_->HandleNewConnection(&connection);
}

void GrpcAcceptor::HandOverHeld() {
  // Over a copy: what is handed over may take long.
  for (Held& held : std::exchange(held_, {})) {
    if (guard_.Floods(held.accepted.fd.get(), held.accepted.peer_address)) {
      Reset(std::move(held.accepted.fd));
    } else if (guard_.Waits(held.accepted.peer_address)) {
      held_.push_back(std::move(held));
    } else {
      HandOver(held.listener, std::move(held.accepted.fd));
    }
  }
}

}  // namespace livekit::token
