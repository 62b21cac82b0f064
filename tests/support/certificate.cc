#include "support/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <string_view>

namespace livekit::token::testing {
namespace {

void Check(bool ok) {
  if (!ok) std::abort();  // the test itself is wrong
}

EVP_PKEY* MakeKey(KeyKind kind) {
  EVP_PKEY* const key = kind == KeyKind::kP256      ? EVP_EC_gen("P-256")
                        : kind == KeyKind::kRsa2048 ? EVP_RSA_gen(2048)
                                                    : EVP_RSA_gen(1024);
  Check(key != nullptr);
  return key;
}

std::string Take(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string CertificateText(EVP_PKEY* key, const CertificateOptions& options) {
  X509* const certificate = X509_new();
  Check(certificate != nullptr && X509_set_version(certificate, X509_VERSION_3) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), options.not_before);
  X509_gmtime_adj(X509_getm_notAfter(certificate), options.not_after);
  X509_NAME* const name = X509_get_subject_name(certificate);
  Check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1,
                                   -1, 0) == 1);
  Check(X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1);
  X509_EXTENSION* const names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
  Check(names != nullptr && X509_add_ext(certificate, names, -1) == 1);
  X509_EXTENSION_free(names);
  Check(X509_sign(certificate, key, EVP_sha256()) > 0);
  BIO* const out = BIO_new(BIO_s_mem());
  Check(PEM_write_bio_X509(out, certificate) == 1);
  X509_free(certificate);
  return Take(out);
}

std::string KeyText(EVP_PKEY* key, const CertificateOptions& options) {
  const EVP_CIPHER* const cipher = options.passphrase.empty() ? nullptr : EVP_aes_128_cbc();
  const auto* const passphrase = reinterpret_cast<const unsigned char*>(options.passphrase.data());
  const int size = static_cast<int>(options.passphrase.size());
  BIO* const out = BIO_new(BIO_s_mem());
  const auto write = options.traditional ? PEM_write_bio_PrivateKey_traditional : PEM_write_bio_PrivateKey;
  Check(write(out, key, cipher, cipher == nullptr ? nullptr : passphrase, size, nullptr, nullptr) == 1);
  return Take(out);
}

}  // namespace

CertificateFiles WriteCertificate(const TempFolder& folder, const std::string& name,
                                  const CertificateOptions& options) {
  EVP_PKEY* const key = MakeKey(options.kind);
  CertificateFiles files{folder.Write(name + ".crt", CertificateText(key, options)),
                         folder.Write(name + ".key", KeyText(key, options))};
  EVP_PKEY_free(key);
  return files;
}

}  // namespace livekit::token::testing
