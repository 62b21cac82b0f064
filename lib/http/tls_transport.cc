#include "http/tls_transport.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace livekit::token::http {
namespace {

// Most bytes that are taken from the socket by one call without giving the caller any. Handshakes have a few KiB and a
// record at most 16 KiB and a little.
constexpr std::size_t kMaxSilentBytes = 64 << 10;

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// The socket as OpenSSL's functions see it. OpenSSL's own socket BIO uses write(), which raises SIGPIPE when the peer
// is gone, and does not tell when the socket is empty.
struct Wire {
  int fd = -1;
  bool empty = false;            // this call of the transport has left nothing in the socket
  std::size_t silent_bytes = 0;  // what this call has taken
};

bool IsTransient(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

int ReadWire(BIO* bio, char* to, std::size_t size, std::size_t* got) {
  Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (wire.silent_bytes >= kMaxSilentBytes) return -1;  // final, since no retry is asked for
  ssize_t count;
  do {
    count = recv(wire.fd, to, size, 0);
  } while (count < 0 && errno == EINTR);
  wire.empty = count < 0 ? IsTransient(errno) : static_cast<std::size_t>(count) < size;
  if (count > 0) {
    wire.silent_bytes += static_cast<std::size_t>(count);
    *got = static_cast<std::size_t>(count);
    return 1;
  }
  if (count < 0 && IsTransient(errno)) BIO_set_retry_read(bio);
  return count == 0 ? 0 : -1;
}

int WriteWire(BIO* bio, const char* data, std::size_t size, std::size_t* put) {
  const Wire& wire = *static_cast<const Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  ssize_t count;
  do {
    count = send(wire.fd, data, size, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count > 0) {
    *put = static_cast<std::size_t>(count);
    return 1;
  }
  if (count < 0 && IsTransient(errno)) BIO_set_retry_write(bio);
  return -1;
}

// Nothing is buffered here, so that flushing has nothing to do; other controls do not apply.
long ControlWire(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int CreateWire(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD* WireMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    if (made != nullptr) {
      BIO_meth_set_create(made, CreateWire);
      BIO_meth_set_read_ex(made, ReadWire);
      BIO_meth_set_write_ex(made, WriteWire);
      BIO_meth_set_ctrl(made, ControlWire);
    }
    return made;
  }();
  return method;
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(SSL_CTX* context, Fd socket) : socket_(std::move(socket)), ssl_(SSL_new(context)) {
    wire_.fd = socket_.get();
    BIO* const bio = ssl_ == nullptr || WireMethod() == nullptr ? nullptr : BIO_new(WireMethod());
    if (bio == nullptr) {
      failed_ = true;
      ERR_clear_error();
      return;
    }
    BIO_set_data(bio, &wire_);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
  }

  IoResult Read(char* to, std::size_t size) override {
    if (end_wanted_) SendEnd();
    if (failed_) return {IoStatus::kClosed, 0, true};
    Begin();
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), to, size, &count);
    if (result == 1) return {IoStatus::kOk, count, wire_.empty && SSL_has_pending(ssl_.get()) == 0};
    const IoStatus status = Classify(result);
    // A handshake that waits for room to write may have left bytes to be read.
    return {status, 0, status == IoStatus::kClosed || wire_.empty};
  }

  IoResult Write(std::string_view data) override {
    std::size_t written = 0;
    while (!data.empty()) {
      if (failed_) return {IoStatus::kClosed, 0, false};
      Begin();
      std::size_t count = 0;
      const int result = SSL_write_ex(ssl_.get(), data.data(), data.size(), &count);
      if (result != 1) {
        const IoStatus status = Classify(result);
        if (written == 0) return {status, 0, false};
        break;  // a failure is kept for the next call
      }
      written += count;
      data.remove_prefix(count);
    }
    return {IoStatus::kOk, written, false};
  }

  void EndWriting() override {
    end_wanted_ = true;
    SendEnd();
  }

  int fd() const override { return socket_.get(); }

 private:
  void Begin() {
    // What other users of OpenSSL on this thread left behind would be taken for the reason of our failure.
    ERR_clear_error();
    // Not kept between calls: what came in the meantime may have been reported already.
    wire_.empty = false;
    wire_.silent_bytes = 0;
  }

  // What the failed call means.
  IoStatus Classify(int result) {
    const int error = SSL_get_error(ssl_.get(), result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return IoStatus::kWouldBlock;
    // After close_notify of the peer there is still writing; after anything else nothing.
    if (error == SSL_ERROR_ZERO_RETURN) return IoStatus::kClosed;
    failed_ = true;
    return IoStatus::kClosed;
  }

  // Sends close_notify and ends the socket's direction, or, if the socket is full, waits for the next read to do it.
  void SendEnd() {
    if (!failed_) {
      Begin();
      const int result = SSL_shutdown(ssl_.get());
      if (result < 0 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_WRITE) return;
      ERR_clear_error();
    }
    end_wanted_ = false;
    shutdown(socket_.get(), SHUT_WR);
  }

  const Fd socket_;
  Wire wire_;
  const std::unique_ptr<SSL, FreeSsl> ssl_;  // destroyed first: it uses the two above
  bool failed_ = false;                      // neither direction is usable any more
  bool end_wanted_ = false;                  // close_notify is still to be sent
};

}  // namespace

std::unique_ptr<Transport> MakeTlsTransport(SSL_CTX* context, Fd socket) {
  return std::make_unique<TlsTransport>(context, std::move(socket));
}

}  // namespace livekit::token::http
