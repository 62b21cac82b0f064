#include "support/jwt_signer.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <utility>

#include "base/text.h"

namespace livekit::token::testing {
namespace {

using jose::AlgorithmFamily;

// What fails here is a mistake in a test.
void Must(bool condition) {
  if (!condition) std::abort();
}

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

const EVP_MD* HashOf(jose::Algorithm algorithm) {
  switch (jose::HashSize(algorithm)) {
    case 32:
      return EVP_sha256();
    case 48:
      return EVP_sha384();
    case 64:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// Signs with `key`; for PSS with `mgf1` and `salt_bytes`.
std::string SignWith(evp_pkey_st* key, const EVP_MD* hash, std::string_view input, const EVP_MD* mgf1, int salt_bytes) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* parameters = nullptr;
  Must(EVP_DigestSignInit(context, &parameters, hash, nullptr, key) == 1);
  if (mgf1 != nullptr) {
    Must(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1);
    Must(EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, mgf1) == 1);
    Must(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, salt_bytes) == 1);
  }
  std::size_t size = 0;
  Must(EVP_DigestSign(context, nullptr, &size, Bytes(input), input.size()) == 1);
  std::string signature(size, '\0');
  Must(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, Bytes(input), input.size()) ==
       1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  return signature;
}

// The two numbers of a DER signature, each with `half` bytes.
std::string RawOf(const std::string& der, std::size_t half) {
  const unsigned char* at = Bytes(der);
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  Must(signature != nullptr);
  std::string raw(2 * half, '\0');
  auto* to = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), to, static_cast<int>(half));
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), to + half, static_cast<int>(half));
  ECDSA_SIG_free(signature);
  return raw;
}

std::size_t CoordinateSize(const evp_pkey_st* key) {
  return (static_cast<std::size_t>(EVP_PKEY_get_bits(key)) + 7) / 8;
}

}  // namespace

void SigningKey::FreeKey::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

SigningKey SigningKey::Rsa(unsigned bits) {
  SigningKey made;
  made.key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
  Must(made.key_ != nullptr);
  return made;
}

SigningKey SigningKey::Ec(std::string_view curve) {
  SigningKey made;
  made.key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", std::string(curve).c_str()));
  Must(made.key_ != nullptr);
  return made;
}

SigningKey SigningKey::Edwards(std::string_view curve) {
  SigningKey made;
  made.key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, curve == "Ed448" ? "ED448" : "ED25519"));
  Must(made.key_ != nullptr);
  return made;
}

SigningKey SigningKey::Hmac(std::string secret) {
  SigningKey made;
  made.secret_ = std::move(secret);
  return made;
}

std::string SigningKey::PublicPem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  Must(PEM_write_bio_PUBKEY(bio, key_.get()) == 1);
  return TextOf(bio);
}

std::string SigningKey::RsaPublicPem() const {
  OSSL_ENCODER_CTX* encoder =
      OSSL_ENCODER_CTX_new_for_pkey(key_.get(), EVP_PKEY_PUBLIC_KEY, "PEM", "type-specific", nullptr);
  BIO* bio = BIO_new(BIO_s_mem());
  Must(OSSL_ENCODER_to_bio(encoder, bio) == 1);
  OSSL_ENCODER_CTX_free(encoder);
  return TextOf(bio);
}

std::string SigningKey::ExplicitCurvePem() const {
  EVP_PKEY* copy = EVP_PKEY_dup(key_.get());
  Must(EVP_PKEY_set_utf8_string_param(copy, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT) == 1);
  BIO* bio = BIO_new(BIO_s_mem());
  Must(PEM_write_bio_PUBKEY(bio, copy) == 1);
  EVP_PKEY_free(copy);
  return TextOf(bio);
}

std::string SigningKey::PrivatePem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  Must(PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return TextOf(bio);
}

std::string SigningKey::CertificatePem() const {
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  Must(ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20000101000000Z") == 1);
  Must(ASN1_TIME_set_string(X509_getm_notAfter(certificate), "20010101000000Z") == 1);
  Must(X509_set_pubkey(certificate, key_.get()) == 1);
  const bool has_hash =
      EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA || EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_EC;
  Must(X509_sign(certificate, key_.get(), has_hash ? EVP_sha256() : nullptr) > 0);
  BIO* bio = BIO_new(BIO_s_mem());
  Must(PEM_write_bio_X509(bio, certificate) == 1);
  X509_free(certificate);
  return TextOf(bio);
}

std::string SigningKey::Parameter(std::string_view name) const {
  const int id = EVP_PKEY_get_base_id(key_.get());
  if (id != EVP_PKEY_RSA && id != EVP_PKEY_EC) {
    std::string x(57, '\0');
    std::size_t size = x.size();
    Must(EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(x.data()), &size) == 1);
    x.resize(size);
    return x;
  }
  const char* parameter = name == "n"   ? OSSL_PKEY_PARAM_RSA_N
                          : name == "e" ? OSSL_PKEY_PARAM_RSA_E
                          : name == "x" ? OSSL_PKEY_PARAM_EC_PUB_X
                                        : OSSL_PKEY_PARAM_EC_PUB_Y;
  BIGNUM* number = nullptr;
  Must(EVP_PKEY_get_bn_param(key_.get(), parameter, &number) == 1);
  std::string bytes(id == EVP_PKEY_EC ? CoordinateSize(key_.get()) : static_cast<std::size_t>(BN_num_bytes(number)),
                    '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  BN_free(number);
  return bytes;
}

std::string SigningKey::Jwk(std::string_view more) const {
  const auto member = [this](const char* name) {
    return std::string(",\"") + name + "\":\"" + Base64UrlEncode(Parameter(name)) + "\"";
  };
  std::string text;
  if (key_ == nullptr) {
    text = "{\"kty\":\"oct\",\"k\":\"" + Base64UrlEncode(secret_) + "\"";
  } else if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA) {
    text = "{\"kty\":\"RSA\"" + member("n") + member("e");
  } else if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_EC) {
    text = "{\"kty\":\"EC\",\"crv\":\"P-" + std::to_string(EVP_PKEY_get_bits(key_.get())) + "\"" + member("x") +
           member("y");
  } else {
    text = std::string(R"({"kty":"OKP","crv":")") +
           (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_ED448 ? "Ed448" : "Ed25519") + "\"" + member("x");
  }
  return text.append(more).append("}");
}

std::string SigningKey::Sign(jose::Algorithm algorithm, std::string_view input) const {
  const EVP_MD* hash = HashOf(algorithm);
  switch (jose::FamilyOf(algorithm)) {
    case AlgorithmFamily::kHmac: {
      std::string code(jose::HashSize(algorithm), '\0');
      Must(HMAC(hash, secret_.data(), static_cast<int>(secret_.size()), Bytes(input), input.size(),
                reinterpret_cast<unsigned char*>(code.data()), nullptr) != nullptr);
      return code;
    }
    case AlgorithmFamily::kRsaPss:
      return SignWith(key_.get(), hash, input, hash, RSA_PSS_SALTLEN_DIGEST);
    case AlgorithmFamily::kEcdsa:
      return RawOf(SignWith(key_.get(), hash, input, nullptr, 0), CoordinateSize(key_.get()));
    default:
      return SignWith(key_.get(), hash, input, nullptr, 0);
  }
}

std::string SigningKey::SignPss(std::string_view input, const char* hash, const char* mgf1_hash, int salt_bytes) const {
  return SignWith(key_.get(), EVP_get_digestbyname(hash), input, EVP_get_digestbyname(mgf1_hash), salt_bytes);
}

std::string SigningKey::SignDer(std::string_view input, const char* hash) const {
  return SignWith(key_.get(), EVP_get_digestbyname(hash), input, nullptr, 0);
}

std::string MakeJwt(std::string_view header, std::string_view payload, const SigningKey& key,
                    jose::Algorithm algorithm) {
  const std::string input = Base64UrlEncode(header) + "." + Base64UrlEncode(payload);
  return input + "." + Base64UrlEncode(key.Sign(algorithm, input));
}

std::string MakeJwt(std::string_view header, std::string_view payload, std::string_view signature) {
  return Base64UrlEncode(header) + "." + Base64UrlEncode(payload) + "." + Base64UrlEncode(signature);
}

std::string JwksOf(std::string_view keys) { return "{\"keys\":[" + std::string(keys) + "]}"; }

}  // namespace livekit::token::testing
