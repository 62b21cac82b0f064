// Both ends of a TLS connection: ours, driven as the connection layer does it, and a client of OpenSSL.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "http/tls.h"
#include "http/transport.h"
#include "support/certificate.h"
#include "support/status_matchers.h"
#include "support/tls_client.h"

namespace livekit::token::http {

constexpr int kPatienceMs = 10'000;
constexpr std::size_t kUntilEnd = std::string::npos;

inline void Require(bool ok) {
  if (!ok) std::abort();  // the test itself is wrong, or the machine out of sockets
}

// The two ends of a connection; ours does not block.
struct Ends {
  Fd server;
  Fd client;
};

inline Ends UnixPair() {
  int fds[2];
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  Ends ends{Fd(fds[0]), Fd(fds[1])};
  Require(fcntl(ends.server.get(), F_SETFL, O_NONBLOCK) == 0);
  return ends;
}

// `buffer` is the size of all four socket buffers; 0 leaves them.
inline Ends TcpPair(int buffer = 0) {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Ends ends{Fd(), Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  for (const int fd : {listener.get(), ends.client.get()}) {
    if (buffer == 0) continue;
    Require(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) == 0);
    Require(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) == 0);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  Require(bind(listener.get(), generic, size) == 0 && listen(listener.get(), 1) == 0);
  Require(getsockname(listener.get(), generic, &size) == 0 && connect(ends.client.get(), generic, size) == 0);
  ends.server = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  Require(ends.server.valid());
  return ends;
}

// Our end: registered once, edge-triggered, in both directions. Reads until the transport would block or says that it
// is drained, so that a wrong word about that shows as a wait that does not end.
class Served {
 public:
  explicit Served(std::unique_ptr<Transport> transport)
      : transport_(std::move(transport)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {}};
    Require(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, transport_->fd(), &event) == 0);
  }

  // Sends back what comes until `bytes` have been, or nothing more comes; in that case ends its own direction.
  void Echo(std::size_t bytes = kUntilEnd) {
    std::string pending;
    std::size_t sent = 0;
    while (sent < bytes) {
      const bool open = ReadAll(pending);
      while (!pending.empty()) {
        const IoResult result = transport_->Write(pending);
        if (result.status == IoStatus::kClosed) return;
        if (result.status == IoStatus::kWouldBlock) {
          ++blocked_writes;
          break;
        }
        sent += result.count;
        pending.erase(0, result.count);
      }
      if (!open && pending.empty()) return transport_->EndWriting();
      if (sent < bytes && !Wait()) return;
    }
  }

  // Reads until nothing more comes; false if that is not so after a while.
  bool ReadToEnd() {
    std::string ignored;
    while (ReadAll(ignored)) {
      if (!Wait()) return false;
    }
    return true;
  }

  Transport& transport() { return *transport_; }

  std::string received;
  int blocked_writes = 0;

 private:
  // Reads what is there; false at the end.
  bool ReadAll(std::string& to) {
    char buffer[3000];  // less than a record
    for (;;) {
      const IoResult result = transport_->Read(buffer, sizeof buffer);
      EXPECT_EQ(result.count > 0, result.status == IoStatus::kOk);
      if (result.status == IoStatus::kClosed) return false;
      if (result.status == IoStatus::kWouldBlock) return true;
      to.append(buffer, result.count);
      received.append(buffer, result.count);
      if (result.drained) return true;
    }
  }

  bool Wait() {
    epoll_event event;
    const bool ready = epoll_wait(epoll_.get(), &event, 1, kPatienceMs) == 1;
    EXPECT_TRUE(ready) << "nothing was reported";
    return ready;
  }

  std::unique_ptr<Transport> transport_;
  Fd epoll_;
};

// A connection whose server echoes in a thread of its own: until the end, or until `bytes` were echoed and Join is
// called.
class EndToEnd {
 public:
  EndToEnd(const TlsContext& context, const testing::TlsClientOptions& options = {}, std::size_t bytes = kUntilEnd,
           Ends ends = TcpPair())
      : served_(context.Accept(std::move(ends.server))), thread_([this, bytes] { served_.Echo(bytes); }) {
    client = testing::TlsClient::Over(dup(ends.client.get()), options);
  }
  ~EndToEnd() {
    client.reset();
    if (thread_.joinable()) thread_.join();
  }

  // Our end, once its thread is done.
  Served& Join() {
    thread_.join();
    return served_;
  }

  std::unique_ptr<testing::TlsClient> client;

 private:
  Served served_;
  std::thread thread_;
};

// Contexts with an RSA and an ECDSA certificate.
class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<testing::TempFolder>();
    rsa_ = Make("rsa", testing::KeyKind::kRsa2048);
    ecdsa_ = Make("ecdsa", testing::KeyKind::kP256);
  }
  static void TearDownTestSuite() {
    rsa_.reset();
    ecdsa_.reset();
    folder_.reset();
  }

  static std::shared_ptr<TlsContext> Make(const std::string& name, testing::KeyKind kind) {
    testing::CertificateOptions options;
    options.kind = kind;
    const auto files = WriteCertificate(*folder_, name, options);
    auto context = TlsContext::FromFiles(files.cert_file, files.key_file);
    Require(context.ok());
    return *std::move(context);
  }

  static inline std::unique_ptr<testing::TempFolder> folder_;
  static inline std::shared_ptr<TlsContext> rsa_;
  static inline std::shared_ptr<TlsContext> ecdsa_;
};

}  // namespace livekit::token::http
