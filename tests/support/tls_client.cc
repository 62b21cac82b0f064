#include "support/tls_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <cstdlib>
#include <string_view>

namespace livekit::token::testing {
namespace {

void Check(bool ok) {
  if (!ok) std::abort();  // the test itself is wrong
}

}  // namespace

TlsClient::TlsClient(int port, const TlsClientOptions& options, const std::string& host) : RawClient(port, host) {
  Prepare(options);
  if (connected()) Handshake();
}

TlsClient::TlsClient(Connected connection, const TlsClientOptions& options) : RawClient(connection) {
  Prepare(options);
}

std::unique_ptr<TlsClient> TlsClient::Over(int fd, const TlsClientOptions& options) {
  std::unique_ptr<TlsClient> client(new TlsClient(Connected{fd}, options));
  client->Handshake();
  return client;
}

TlsClient::~TlsClient() { SSL_free(ssl_); }

void TlsClient::Prepare(const TlsClientOptions& options) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  Check(context != nullptr);
  SSL_CTX_set_security_level(context, 0);
  Check(SSL_CTX_set_min_proto_version(context, options.min_version) == 1);
  Check(SSL_CTX_set_max_proto_version(context, options.max_version) == 1);
  if (!options.ciphers.empty()) Check(SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) == 1);
  if (!options.groups.empty()) Check(SSL_CTX_set1_groups_list(context, options.groups.c_str()) == 1);
  std::string protocols;
  for (const std::string& protocol : options.alpn) {
    protocols.push_back(static_cast<char>(protocol.size()));
    protocols += protocol;
  }
  // 0 means success, unlike elsewhere.
  Check(SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(protocols.data()),
                                static_cast<unsigned>(protocols.size())) == 0);
  ssl_ = SSL_new(context);
  in_ = BIO_new(BIO_s_mem());
  out_ = BIO_new(BIO_s_mem());
  Check(ssl_ != nullptr && in_ != nullptr && out_ != nullptr);
  SSL_set_bio(ssl_, in_, out_);
  SSL_set_connect_state(ssl_);
  SSL_CTX_free(context);
}

template <typename Call>
int TlsClient::Run(Call call) {
  for (;;) {
    ERR_clear_error();
    const int result = call();
    const int error = SSL_get_error(ssl_, result);
    const unsigned long reason = ERR_peek_error();
    const bool sent = Flush();
    if (result > 0) return result;
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    if (error != SSL_ERROR_WANT_READ) {
      const char* const text = ERR_reason_error_string(reason);
      error_ = text == nullptr ? "unknown" : text;
      return -1;
    }
    char buffer[16384];
    const ssize_t size = sent ? recv(fd(), buffer, sizeof buffer, 0) : -1;
    if (size <= 0) {
      error_ = size == 0 ? "end without close_notify" : "no connection";
      return -1;
    }
    Check(BIO_write(in_, buffer, static_cast<int>(size)) == size);
  }
}

bool TlsClient::Flush() {
  char buffer[16384];
  int size;
  while ((size = BIO_read(out_, buffer, sizeof buffer)) > 0) {
    for (std::string_view rest(buffer, static_cast<std::size_t>(size)); !rest.empty();) {
      const ssize_t sent = send(fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  return true;
}

bool TlsClient::Handshake() {
  secure_ = Run([this] { return SSL_do_handshake(ssl_); }) > 0;
  return secure_;
}

ssize_t TlsClient::Put(const char* data, std::size_t size) {
  if (!secure_) return -1;
  const int result = Run([&] { return SSL_write(ssl_, data, static_cast<int>(size)); });
  return result > 0 && BIO_ctrl_pending(out_) > 0 ? -1 : result;
}

ssize_t TlsClient::Get(char* to, std::size_t size) {
  // Without its own handshake there is nothing that the server could say.
  if (!secure_) return -1;
  return Run([&] { return SSL_read(ssl_, to, static_cast<int>(size)); });
}

void TlsClient::EndSending() {
  if (secure_) SSL_shutdown(ssl_);
  Flush();
  RawClient::EndSending();
}

std::string TlsClient::version() const { return SSL_get_version(ssl_); }
std::string TlsClient::cipher() const { return SSL_get_cipher_name(ssl_); }

std::string TlsClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return std::string(reinterpret_cast<const char*>(name), size);
}

std::string TlsClient::peer_name() const {
  const X509* const certificate = SSL_get0_peer_certificate(ssl_);
  char name[256] = "";
  if (certificate != nullptr) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  }
  return name;
}

std::string TlsClient::ClientHello(const TlsClientOptions& options) {
  TlsClient client(Connected{-1}, options);
  SSL_do_handshake(client.ssl_);
  char buffer[16384];
  const int size = BIO_read(client.out_, buffer, sizeof buffer);
  Check(size > 0);
  return std::string(buffer, static_cast<std::size_t>(size));
}

}  // namespace livekit::token::testing
