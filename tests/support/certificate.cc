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

void AddName(GENERAL_NAMES* names, int type, const std::string& value) {
  GENERAL_NAME* const name = GENERAL_NAME_new();
  ASN1_STRING* const text = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  Check(name != nullptr && text != nullptr && ASN1_STRING_set(text, value.data(), static_cast<int>(value.size())) == 1);
  GENERAL_NAME_set0_value(name, type, text);
  Check(sk_GENERAL_NAME_push(names, name) > 0);
}

void AddNames(X509* certificate, const CertificateOptions& options) {
  GENERAL_NAMES* const names = GENERAL_NAMES_new();
  if (options.local_names) {
    AddName(names, GEN_DNS, "localhost");
    AddName(names, GEN_IPADD, std::string("\x7f\0\0\1", 4));
    AddName(names, GEN_IPADD, std::string(15, '\0') + '\1');
  }
  for (const auto& uri : options.uri_names) AddName(names, GEN_URI, uri);
  for (const auto& dns : options.dns_names) AddName(names, GEN_DNS, dns);
  if (sk_GENERAL_NAME_num(names) > 0) {
    Check(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1);
  }
  GENERAL_NAMES_free(names);
}

template <typename Read>
auto ReadPem(const std::string& file, Read read) {
  BIO* const in = BIO_new_file(file.c_str(), "r");
  Check(in != nullptr);
  auto* const object = read(in, nullptr, nullptr, nullptr);
  Check(object != nullptr);
  BIO_free(in);
  return object;
}

std::string CertificateText(EVP_PKEY* key, const CertificateOptions& options) {
  X509* const certificate = X509_new();
  Check(certificate != nullptr && X509_set_version(certificate, X509_VERSION_3) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), options.not_before);
  X509_gmtime_adj(X509_getm_notAfter(certificate), options.not_after);
  X509_NAME* const name = X509_get_subject_name(certificate);
  const auto* const common_name = reinterpret_cast<const unsigned char*>(options.common_name.c_str());
  Check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1);
  Check(X509_set_pubkey(certificate, key) == 1);
  if (options.authority) {
    X509_EXTENSION* const basic = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    Check(basic != nullptr && X509_add_ext(certificate, basic, -1) == 1);
    X509_EXTENSION_free(basic);
  }
  AddNames(certificate, options);
  if (options.issuer == nullptr) {
    Check(X509_set_issuer_name(certificate, name) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0);
  } else {
    X509* const issuer = ReadPem(options.issuer->cert_file, PEM_read_bio_X509);
    EVP_PKEY* const issuer_key = ReadPem(options.issuer->key_file, PEM_read_bio_PrivateKey);
    Check(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1);
    Check(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
    X509_free(issuer);
    EVP_PKEY_free(issuer_key);
  }
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
