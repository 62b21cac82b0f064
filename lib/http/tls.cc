#include "http/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/secret.h"
#include "http/tls_files.h"
#include "http/tls_transport.h"
#include "service/log.h"

namespace livekit::token::http {
namespace {

// Of TLS 1.2 only what has forward secrecy and authenticates its encryption; the suites of TLS 1.3 all do. All of them
// are strong, so that the client's order counts: it knows whether it has AES in hardware.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kGroups[] = "X25519:P-256:P-384";
// 112 bits: RSA from 2048 bits on, no SHA-1. Debian's default, but not everyone's.
constexpr int kSecurityLevel = 2;

constexpr std::string_view kAlpnProtocol = "http/1.1";

constexpr std::size_t kMaxPemBytes = 1 << 20;

template <auto Release>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    Release(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freeing<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Freeing<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;

// Chooses among the protocols that a client offers, each with a byte of length before it. One that speaks none of ours
// must hear so (RFC 7301 section 3.2), lest it take our HTTP/1.1 for something else.
int SelectAlpn(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
               unsigned int size, void*) {
  for (unsigned int at = 0; at < size; at += offered[at] + 1U) {
    const std::string_view name(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
    if (name != kAlpnProtocol) continue;
    *chosen = offered + at + 1;
    *chosen_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool Configure(SSL_CTX* context) {
  SSL_CTX_set_security_level(context, kSecurityLevel);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Idle connections keep no buffers; writes need not repeat the same pointer, and take what has room; a read goes on
  // until there is data or the socket is empty, since only then there will be another report.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY);
  // One read for a record and what stands behind it, not one for its header and one for the rest.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_alpn_select_cb(context, SelectAlpn, nullptr);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_max_early_data(context, 0) == 1 && SSL_CTX_set_cipher_list(context, kCiphers) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1;
}

// Refuses to give a passphrase, which OpenSSL would otherwise ask for on the terminal, and notes that one was wanted.
int RefusePassphrase(char*, int, int, void* wanted) {
  *static_cast<bool*>(wanted) = true;
  return -1;
}

// Loads files into a context and collects what is wrong with them.
class Loader {
 public:
  Loader(SSL_CTX* context, const FileReader& read, ConfigProblems& problems)
      : context_(context), read_(read), problems_(problems) {}

  void Load(const std::string& cert_file, const std::string& key_file) {
    const CertificatePtr certificate = LoadCertificates(cert_file);
    const KeyPtr key = ReadKey(key_file);
    if (certificate != nullptr && key != nullptr) UseKey(cert_file, *certificate, key_file, *key);
    ERR_clear_error();
  }

 private:
  void AddCert(const std::string& file, std::string_view what) { Add("cert_file", file, what); }
  void AddKey(const std::string& file, std::string_view what) { Add("key_file", file, what); }
  void Add(const char* path, const std::string& file, std::string_view what) {
    problems_.push_back({path, file + ": " + std::string(what)});
  }

  // The server's certificate. It and those behind it are put into the context; null if that is not possible.
  CertificatePtr LoadCertificates(const std::string& file) {
    const auto text = read_(file, kMaxPemBytes);
    if (!text.ok()) {
      problems_.push_back({"cert_file", std::string(text.status().message())});
      return nullptr;
    }
    const BioPtr pem(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
    CertificatePtr first = ReadCertificate(pem.get());
    if (first == nullptr) {
      const bool has_key = text->find("PRIVATE KEY-----") != std::string::npos;
      AddCert(file, ReachedEnd() ? has_key ? "holds a private key and no certificate; are the two files swapped?"
                                           : "holds no certificate in PEM form"
                                 : "holds a certificate that cannot be read");
      return nullptr;
    }
    if (SSL_CTX_use_certificate(context_, first.get()) != 1) {
      AddCert(file, IsTooWeak() ? "holds a certificate that is too weak; use RSA with 2048 bits or more, or P-256"
                                : "holds a certificate that cannot serve TLS");
      return nullptr;
    }
    while (const CertificatePtr next = ReadCertificate(pem.get())) {
      if (SSL_CTX_add1_chain_cert(context_, next.get()) != 1) {
        AddCert(file, "holds an intermediate certificate that is too weak");
        return nullptr;
      }
    }
    if (!ReachedEnd()) {
      AddCert(file, "holds an intermediate certificate that cannot be read");
      return nullptr;
    }
    return first;
  }

  static CertificatePtr ReadCertificate(BIO* pem) {
    ERR_clear_error();
    bool wants_passphrase = false;  // nobody encrypts certificates, but the format allows it
    return CertificatePtr(PEM_read_bio_X509(pem, nullptr, RefusePassphrase, &wants_passphrase));
  }

  // Whether the last failure was that no more PEM came.
  static bool ReachedEnd() {
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  }

  static bool IsTooWeak() {
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    return reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_MD_TOO_WEAK;
  }

  KeyPtr ReadKey(const std::string& file) {
    auto text = read_(file, kMaxPemBytes);
    if (!text.ok()) {
      problems_.push_back({"key_file", std::string(text.status().message())});
      return nullptr;
    }
    const Secret secret(*std::move(text));
    const std::string_view bytes = secret.Reveal();
    const BioPtr pem(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    bool wants_passphrase = false;
    KeyPtr key(PEM_read_bio_PrivateKey(pem.get(), nullptr, RefusePassphrase, &wants_passphrase));
    if (key != nullptr) return key;
    if (wants_passphrase) {
      AddKey(file, "holds a key with a passphrase, which nobody is there to enter; store it without");
    } else if (bytes.find("BEGIN CERTIFICATE-----") != bytes.npos && bytes.find("PRIVATE KEY-----") == bytes.npos) {
      AddKey(file, "holds a certificate and no private key; are the two files swapped?");
    } else {
      AddKey(file, "holds no private key in PEM form");
    }
    return nullptr;
  }

  void UseKey(const std::string& cert_file, X509& certificate, const std::string& key_file, EVP_PKEY& key) {
    if (X509_check_private_key(&certificate, &key) != 1) {
      AddKey(key_file, "holds a key that is not the one of the certificate in " + cert_file +
                           "; the server's own certificate must come first there");
    } else if (SSL_CTX_use_PrivateKey(context_, &key) != 1) {
      AddKey(key_file, "holds a key that cannot serve TLS");
    }
  }

  SSL_CTX* const context_;
  const FileReader& read_;
  ConfigProblems& problems_;
};

void WarnOfTimes(const X509& certificate, const std::string& file) {
  if (X509_cmp_current_time(X509_get0_notAfter(&certificate)) < 0) {
    Log(LogLevel::kWarn, "tls_certificate_expired",
        {{"file", std::string_view(file)}, {"hint", "clients will refuse it; renew the certificate"}});
  } else if (X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0) {
    Log(LogLevel::kWarn, "tls_certificate_not_yet_valid",
        {{"file", std::string_view(file)}, {"hint", "clients will refuse it; check the clock of this machine"}});
  }
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

TlsContext::Handle TlsContext::Load(const std::string& cert_file, const std::string& key_file, const FileReader& read,
                                    ConfigProblems& problems) {
  Handle context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || !Configure(context.get())) {
    problems.push_back({"cert_file", "OpenSSL on this machine cannot serve TLS with modern ciphers"});
    ERR_clear_error();
    return nullptr;
  }
  const std::size_t before = problems.size();
  Loader(context.get(), read, problems).Load(cert_file, key_file);
  return problems.size() == before ? std::move(context) : nullptr;
}

ConfigProblems TlsContext::Check(const std::string& cert_file, const std::string& key_file, const FileReader& read) {
  ConfigProblems problems;
  Load(cert_file, key_file, read, problems);
  return problems;
}

std::shared_ptr<TlsContext> TlsContext::FromFiles(const std::string& cert_file, const std::string& key_file,
                                                  const FileReader& read, ConfigProblems& problems) {
  Handle context = Load(cert_file, key_file, read, problems);
  if (context == nullptr) return nullptr;
  WarnOfTimes(*SSL_CTX_get0_certificate(context.get()), cert_file);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(context)));
}

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::FromFiles(const std::string& cert_file,
                                                                  const std::string& key_file, const FileReader& read) {
  ConfigProblems problems;
  auto context = FromFiles(cert_file, key_file, read, problems);
  if (context == nullptr) return TlsFilesError(problems);
  return context;
}

std::chrono::sys_seconds TlsContext::not_after() const {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context_.get())), &time) != 1) {
    ERR_clear_error();
    return {};
  }
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&time)));
}

absl::StatusOr<TlsIdentity> TlsContext::Identity() const {
  // A growing memory BIO wipes what it leaves behind.
  const BioPtr pem(BIO_new(BIO_s_mem()));
  bool written = pem != nullptr &&
                 PEM_write_bio_PrivateKey(pem.get(), SSL_CTX_get0_privatekey(context_.get()), nullptr, nullptr, 0,
                                          nullptr, nullptr) == 1 &&
                 PEM_write_bio_X509(pem.get(), SSL_CTX_get0_certificate(context_.get())) == 1;
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context_.get(), &chain);
  for (int i = 0; i < sk_X509_num(chain) && written; ++i) {
    written = PEM_write_bio_X509(pem.get(), sk_X509_value(chain, i)) == 1;
  }
  if (!written) {
    ERR_clear_error();
    return absl::ResourceExhaustedError("OpenSSL cannot write the key and its certificate");
  }
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(pem.get(), &data));
  return TlsIdentity{Secret::CopyOf({data, size}), not_after()};
}

std::unique_ptr<Transport> TlsContext::Accept(Fd socket) const {
  return MakeTlsTransport(context_.get(), std::move(socket));
}

}  // namespace livekit::token::http
