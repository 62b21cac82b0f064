// The client of raw_client.h over TLS.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/raw_client.h"

struct ssl_st;
struct bio_st;

namespace livekit::token::testing {

// What a client offers; empty or 0 for OpenSSL's default. Security levels are off, so that it offers also what no
// server should take. Certificates are not checked.
struct TlsClientOptions {
  int min_version = 0;  // such as TLS1_2_VERSION
  int max_version = 0;
  std::string ciphers;  // of TLS 1.2 and before
  std::string groups;
  std::vector<std::string> alpn;
};

// One connection. Send, Read and the others are as in RawClient; the end that AtEnd sees is the server's close_notify.
class TlsClient : public RawClient {
 public:
  // Connects to a port of loopback and does the handshake.
  explicit TlsClient(int port, const TlsClientOptions& options = {}, const std::string& host = "127.0.0.1");
  // The same over a connection, which it takes.
  static std::unique_ptr<TlsClient> Over(int fd, const TlsClientOptions& options = {});
  ~TlsClient() override;

  // Whether the handshake was completed.
  bool secure() const { return secure_; }
  // OpenSSL's words for the last failure, such as the server's alert.
  const std::string& error() const { return error_; }
  std::string version() const;  // such as TLSv1.3
  std::string cipher() const;
  std::string alpn() const;
  // The common name in the server's certificate.
  std::string peer_name() const;
  // Sends close_notify and ends the socket's direction.
  void EndSending() override;
  // Goes on with a handshake; false if it fails.
  bool Handshake();
  // Sends what OpenSSL has made so far, for tests that call it themselves.
  bool Flush();
  ssl_st* ssl() const { return ssl_; }

  // What such a client sends first.
  static std::string ClientHello(const TlsClientOptions& options = {});

 protected:
  ssize_t Put(const char* data, std::size_t size) override;
  ssize_t Get(char* to, std::size_t size) override;

 private:
  TlsClient(Connected connection, const TlsClientOptions& options);
  void Prepare(const TlsClientOptions& options);
  // Repeats a call until it is done; its result, 0 at the server's close_notify, -1 at an error.
  template <typename Call>
  int Run(Call call);

  // OpenSSL reads and writes memory, and this class the socket: without SIGPIPE, and with a say in when.
  ssl_st* ssl_ = nullptr;
  bio_st* in_ = nullptr;
  bio_st* out_ = nullptr;
  bool secure_ = false;
  std::string error_;
};

}  // namespace livekit::token::testing
