#include "http/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <utility>

#include "base/status.h"
#include "http/tls.h"

namespace livekit::token::http {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

int RefusePassphrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::StatusOr<TlsIdentity> ReadTlsIdentity(const std::string& cert_file, const std::string& key_file) {
  if (const auto checked = TlsContext::FromFiles(cert_file, key_file); !checked.ok()) return checked.status();
  LKT_ASSIGN_OR_RETURN(std::string certificates, ReadFile(cert_file));
  LKT_ASSIGN_OR_RETURN(std::string key, ReadFile(key_file));
  return TlsIdentity{std::move(certificates), Secret(std::move(key))};
}

ConfigProblems CheckAuthorities(const std::string& path, const std::string& file) {
  const auto text = ReadFile(file);
  if (!text.ok()) return {{path, std::string(text.status().message())}};
  const std::unique_ptr<BIO, FreeBio> pem(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  ERR_clear_error();
  int count = 0;
  while (const std::unique_ptr<X509, FreeCertificate> certificate{
      PEM_read_bio_X509(pem.get(), nullptr, RefusePassphrase, nullptr)}) {
    ++count;
  }
  const unsigned long error = ERR_peek_last_error();
  const bool reached_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!reached_end) return {{path, file + ": holds a certificate that cannot be read"}};
  if (count == 0) return {{path, file + ": holds no certificate in PEM form"}};
  return {};
}

}  // namespace livekit::token::http
