#include "http/transport.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace livekit::token::http {
namespace {

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(Fd socket) : socket_(std::move(socket)) {}

  IoResult Read(char* to, std::size_t size) override {
    for (;;) {
      const ssize_t count = recv(socket_.get(), to, size, 0);
      if (count > 0) {
        const auto got = static_cast<std::size_t>(count);
        // Less than there was room for: the socket is empty.
        return {IoStatus::kOk, got, got < size};
      }
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {IoStatus::kWouldBlock, 0, true};
      return {IoStatus::kClosed, 0, true};
    }
  }

  IoResult Write(std::string_view data) override {
    for (;;) {
      const ssize_t count = send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (count > 0) return {IoStatus::kOk, static_cast<std::size_t>(count), false};
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {IoStatus::kWouldBlock, 0, false};
      return {IoStatus::kClosed, 0, false};
    }
  }

  void EndWriting() override { shutdown(socket_.get(), SHUT_WR); }
  int fd() const override { return socket_.get(); }

 private:
  const Fd socket_;
};

}  // namespace

std::unique_ptr<Transport> MakePlainTransport(Fd socket) { return std::make_unique<PlainTransport>(std::move(socket)); }

}  // namespace livekit::token::http
