#include "support/test_issuer.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <cstdlib>
#include <vector>

#include "base/text.h"

namespace livekit::token::testing {
namespace {

using nlohmann::json;

std::string NumberParam(const EVP_PKEY* key, const char* name, int size) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) std::abort();
  std::string bytes(static_cast<std::size_t>(size > 0 ? size : BN_num_bytes(number)), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  BN_free(number);
  return Base64UrlEncode(bytes);
}

// JWS writes r and s one after the other (RFC 7518 section 3.4), OpenSSL a DER sequence.
std::string RawEcdsa(const std::string& der, int size) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  std::string raw(static_cast<std::size_t>(2 * size), '\0');
  auto* to = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), to, size);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), to + size, size);
  ECDSA_SIG_free(signature);
  return raw;
}

std::string SigningInput(const json& header, const json& claims) {
  return Base64UrlEncode(header.dump()) + "." + Base64UrlEncode(claims.dump());
}

}  // namespace

TestIssuer::TestIssuer(const std::string& algorithm, const std::string& key_id)
    : algorithm_(algorithm), key_id_(key_id) {
  EVP_PKEY* key = algorithm == "RS256"   ? EVP_RSA_gen(2048)
                  : algorithm == "ES256" ? EVP_EC_gen("P-256")
                                         : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (key == nullptr) std::abort();
  key_.reset(key, EVP_PKEY_free);
}

std::string TestIssuer::Sign(const json& claims, const json& header) const {
  json whole = {{"alg", algorithm_}, {"kid", key_id_}, {"typ", "JWT"}};
  whole.merge_patch(header);
  const std::string input = SigningInput(whole, claims);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const EVP_MD* digest = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
  std::size_t size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(input.data());
  std::string signature;
  if (EVP_DigestSignInit(context, nullptr, digest, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context, nullptr, &size, data, input.size()) != 1) {
    std::abort();
  }
  signature.resize(size);
  if (EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, data, input.size()) != 1) {
    std::abort();
  }
  signature.resize(size);
  EVP_MD_CTX_free(context);
  if (algorithm_ == "ES256") signature = RawEcdsa(signature, 32);
  return input + "." + Base64UrlEncode(signature);
}

json TestIssuer::Jwk() const {
  json jwk = {{"kid", key_id_}, {"alg", algorithm_}, {"use", "sig"}};
  if (algorithm_ == "RS256") {
    jwk["kty"] = "RSA";
    jwk["n"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_RSA_N, 0);
    jwk["e"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_RSA_E, 0);
  } else if (algorithm_ == "ES256") {
    jwk["kty"] = "EC";
    jwk["crv"] = "P-256";
    jwk["x"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32);
    jwk["y"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  } else {
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    jwk["kty"] = "OKP";
    jwk["crv"] = "Ed25519";
    jwk["x"] = Base64UrlEncode(raw);
  }
  return jwk;
}

std::string TestIssuer::PublicPem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(bio, key_.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string SignHs256(std::string_view secret, const json& claims) {
  const std::string input = SigningInput({{"alg", "HS256"}, {"typ", "JWT"}}, claims);
  std::string code(32, '\0');
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(),
       reinterpret_cast<unsigned char*>(code.data()), nullptr);
  return input + "." + Base64UrlEncode(code);
}

}  // namespace livekit::token::testing
