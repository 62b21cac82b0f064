// TLS for accepted connections.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "http/socket.h"
#include "http/transport.h"
#include "service/config.h"

// OpenSSL's SSL_CTX, which only the files that are named tls* include.
struct ssl_ctx_st;

namespace livekit::token::http {

// A certificate with its key, for a library that speaks TLS by itself.
struct TlsIdentity {
  Secret pem;                          // the key, the certificate, and the intermediate ones, as PEM
  std::chrono::sys_seconds not_after;  // until when the certificate is valid
};

// A certificate with its key, and how TLS is spoken with them: TLS 1.2 with ECDHE and AEAD ciphers or TLS 1.3; of the
// protocols that a client offers by ALPN `http/1.1` or none at all. There is no compression, no renegotiation, no early
// data (a request in it could be replayed) and no resumption: sessions would cost memory, tickets need keys that
// replicas share and change, and clients keep their connections anyway.
//
// Thread safety: all methods may be called concurrently; the object is immutable. A new certificate means a new object:
// connections keep what they need of the one that accepted them.
class TlsContext {
 public:
  // Reads the PEM files: the server's certificate, followed by the intermediate ones, and its private key. Errors:
  // those of Check, as one text that names the files. A certificate that is expired or not yet valid is logged and
  // taken: clients decide about it, and clocks may be wrong.
  static absl::StatusOr<std::shared_ptr<TlsContext>> FromFiles(const std::string& cert_file,
                                                               const std::string& key_file,
                                                               const FileReader& read = ReadFile);
  // The same with the problems of Check appended to `problems`; null exactly if there are any.
  static std::shared_ptr<TlsContext> FromFiles(const std::string& cert_file, const std::string& key_file,
                                               const FileReader& read, ConfigProblems& problems);
  // Everything that is wrong with the files, with the paths `cert_file` and `key_file`: cannot be read, not PEM, too
  // weak, a key with a passphrase (which nobody is asked for) or of another certificate. Never what is in them.
  static ConfigProblems Check(const std::string& cert_file, const std::string& key_file,
                              const FileReader& read = ReadFile);

  // TLS over an accepted non-blocking socket. The handshake happens in the transport's reads and writes.
  std::unique_ptr<Transport> Accept(Fd socket) const;
  // Until when the server's certificate is valid. In seconds: the year 9999, which stands for ever, is more nanoseconds
  // than the clock's own type holds.
  std::chrono::sys_seconds not_after() const;
  // Exactly the key and the certificates that were taken from the files, whatever else is in them. Errors: no memory.
  absl::StatusOr<TlsIdentity> Identity() const;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  using Handle = std::unique_ptr<ssl_ctx_st, Free>;

  explicit TlsContext(Handle context) : context_(std::move(context)) {}
  static Handle Load(const std::string& cert_file, const std::string& key_file, const FileReader& read,
                     ConfigProblems& problems);

  const Handle context_;
};

}  // namespace livekit::token::http
