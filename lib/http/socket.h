// Sockets: ownership, listening, accepting.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/address.h"

namespace livekit::token::http {

using SteadyTime = std::chrono::steady_clock::time_point;

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { Reset(); }

  void Reset();
  // Gives the descriptor away, still open.
  int Release() { return std::exchange(fd_, -1); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Sockets that listen at one address, and the address with its chosen port.
struct Listeners {
  std::vector<Fd> fds;
  HostPort address;
};

// Listens at `address`, which is in the form of ParseHostPort. `[::]` and an empty host take IPv4 too; `localhost`
// takes both loopback addresses where both exist, since clients try either. A port that is in use is an error, also
// when another process of ours has it: two of them would share its traffic unseen.
absl::StatusOr<Listeners> Listen(const std::string& address);

// Address of the peer without port; an IPv4 address mapped into IPv6 as IPv4. Empty if it is not known.
struct Accepted {
  Fd fd;
  std::string peer_address;
};

// Accepts one connection of a listening socket, non-blocking; not valid if there is none or it failed, with errno set.
Accepted Accept(int listen_fd);

}  // namespace livekit::token::http
