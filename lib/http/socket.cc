#include "http/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "base/status.h"

namespace livekit::token::http {
namespace {

// httplib's own 5 makes clients that connect at the same time wait a second for their second try.
constexpr int kBacklog = 1024;

std::string_view WhyNotBound(int error) {
  switch (error) {
    case EADDRINUSE:
      return "the port is in use";
    case EACCES:
    case EPERM:
      return "this user may not listen there";
    case EADDRNOTAVAIL:
      return "this machine does not have the address";
    default:
      return "the system refuses it";
  }
}

absl::Status NotBound(const HostPort& address, int error) {
  return absl::Status(absl::StatusCode::kUnavailable,
                      Sv("cannot listen on " + address.ToString() + ": " + std::string(WhyNotBound(error))));
}

bool HasNoSuchFamily(int error) { return error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPROTONOSUPPORT; }

struct Bound {
  Fd fd;
  int port = 0;
};

// Binds and listens; not valid, with errno set, on failure.
Bound BindTo(const sockaddr* address, socklen_t size, bool dual_stack) {
  Bound bound{Fd(socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), 0};
  if (!bound.fd.valid()) return bound;
  const int fd = bound.fd.get();
  const int on = 1;
  const int v6_only = dual_stack ? 0 : 1;
  // So that a restart need not wait for old connections to leave TIME_WAIT. Not SO_REUSEPORT, see Listen.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Accepted sockets inherit this. With Nagle's algorithm an answer may wait 40 ms for a delayed acknowledgement.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (address->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  sockaddr_storage actual{};
  socklen_t actual_size = sizeof actual;
  if (bind(fd, address, size) != 0 || listen(fd, kBacklog) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&actual), &actual_size) != 0) {
    const int error = errno;
    bound.fd.Reset();
    errno = error;
    return bound;
  }
  // The port is at the same place in both forms.
  bound.port = ntohs(reinterpret_cast<const sockaddr_in*>(&actual)->sin_port);
  return bound;
}

Bound BindV4(in_addr_t host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return BindTo(reinterpret_cast<const sockaddr*>(&address), sizeof address, false);
}

Bound BindV6(const in6_addr& host, int port, bool dual_stack) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = host;
  address.sin6_port = htons(static_cast<std::uint16_t>(port));
  return BindTo(reinterpret_cast<const sockaddr*>(&address), sizeof address, dual_stack);
}

absl::StatusOr<Listeners> ListenOnLocalhost(const HostPort& address) {
  // With port 0, the port that IPv4 gives may be taken in IPv6; another try gets another.
  for (int attempt = 0;; ++attempt) {
    Listeners listeners{{}, address};
    Bound v4 = BindV4(INADDR_LOOPBACK, address.port);
    if (!v4.fd.valid() && !HasNoSuchFamily(errno)) return NotBound(address, errno);
    const int port = v4.fd.valid() ? v4.port : address.port;
    Bound v6 = BindV6(in6addr_loopback, port, false);
    const int error = errno;
    if (!v6.fd.valid() && (!v4.fd.valid() || !HasNoSuchFamily(error))) {
      if (error == EADDRINUSE && address.port == 0 && attempt < 16) continue;
      return NotBound(address, error);
    }
    listeners.address.port = v4.fd.valid() ? port : v6.port;
    if (v4.fd.valid()) listeners.fds.push_back(std::move(v4.fd));
    if (v6.fd.valid()) listeners.fds.push_back(std::move(v6.fd));
    return listeners;
  }
}

absl::StatusOr<Listeners> ListenOnName(const HostPort& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) != 0) {
    return absl::Status(absl::StatusCode::kUnavailable,
                        Sv("cannot listen on " + address.ToString() + ": the name is not known"));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Bound bound = BindTo(entry->ai_addr, entry->ai_addrlen, false);
    if (!bound.fd.valid()) {
      error = errno;
      continue;
    }
    Listeners listeners{{}, {address.host, bound.port}};
    listeners.fds.push_back(std::move(bound.fd));
    return listeners;
  }
  return NotBound(address, error);
}

std::string PeerAddress(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &v6, text, sizeof text);
    }
  }
  return text;
}

}  // namespace

void Fd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::StatusOr<Listeners> Listen(const std::string& text) {
  LKT_ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(text));
  if (address.host == "localhost") return ListenOnLocalhost(address);
  if (!address.host.empty() && address.host != "::") return ListenOnName(address);
  Listeners listeners{{}, {"::", address.port}};
  Bound bound = BindV6(in6addr_any, address.port, true);
  if (!bound.fd.valid() && HasNoSuchFamily(errno)) {
    // A machine without IPv6.
    listeners.address.host = "0.0.0.0";
    bound = BindV4(INADDR_ANY, address.port);
  }
  if (!bound.fd.valid()) return NotBound(address, errno);
  listeners.address.port = bound.port;
  listeners.fds.push_back(std::move(bound.fd));
  return listeners;
}

Accepted Accept(int listen_fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  Accepted accepted;
  accepted.fd = Fd(accept4(listen_fd, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.fd.valid()) accepted.peer_address = PeerAddress(address);
  return accepted;
}

}  // namespace livekit::token::http
