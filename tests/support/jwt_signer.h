// Key pairs that tests make for themselves, and tokens signed with them, sound and unsound.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "jose/algorithm.h"

struct evp_pkey_st;

namespace livekit::token::testing {

// A key pair, or a secret.
class SigningKey {
 public:
  static SigningKey Rsa(unsigned bits = 2048);
  static SigningKey Ec(std::string_view curve);       // `P-256` and so on, or OpenSSL's name
  static SigningKey Edwards(std::string_view curve);  // `Ed25519` or `Ed448`
  static SigningKey Hmac(std::string secret);

  std::string PublicPem() const;
  std::string RsaPublicPem() const;      // PKCS #1
  std::string ExplicitCurvePem() const;  // of an EC key, with the curve's parameters in place of its name
  std::string PrivatePem() const;
  std::string CertificatePem() const;  // signed with itself, expired long ago
  // The public key's members. `more` is put behind them, such as `,"kid":"a"`.
  std::string Jwk(std::string_view more = "") const;
  // A parameter of the public key as it stands in a JWK: `n`, `e`, `x` or `y`; decoded.
  std::string Parameter(std::string_view name) const;

  // The signature of `input` as it stands in a JWS.
  std::string Sign(jose::Algorithm algorithm, std::string_view input) const;
  // RSA-PSS with these hashes and this length of the salt.
  std::string SignPss(std::string_view input, const char* hash, const char* mgf1_hash, int salt_bytes) const;
  // ECDSA in DER.
  std::string SignDer(std::string_view input, const char* hash) const;

 private:
  struct FreeKey {
    void operator()(evp_pkey_st* key) const;
  };

  std::unique_ptr<evp_pkey_st, FreeKey> key_;
  std::string secret_;
};

// The token of these JSON texts with the signature that `key` makes with `algorithm`, whatever the header says.
std::string MakeJwt(std::string_view header, std::string_view payload, const SigningKey& key,
                    jose::Algorithm algorithm);
// The same with this signature.
std::string MakeJwt(std::string_view header, std::string_view payload, std::string_view signature);

// A key set of these JWKs, separated by commas.
std::string JwksOf(std::string_view keys);

}  // namespace livekit::token::testing
