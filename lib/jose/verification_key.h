// Keys that verify signatures of others.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "jose/algorithm.h"

struct evp_pkey_st;

namespace livekit::token::jose {

// RSA keys must have this many bits: fewer are weak (RFC 7518 section 3.3), more cost too much to verify with.
inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 8192;

// What a key is, and with it which algorithms fit it.
enum class KeyType { kHmac, kRsa, kP256, kP384, kP521, kEd25519, kEd448 };

// One key. Whoever makes it has made sure that it is sound: of a permitted size, on its curve, public.
//
// Thread safety: immutable.
class VerificationKey {
 public:
  // Reads one PEM block: a public key (SubjectPublicKeyInfo), an RSA public key (PKCS #1), or a certificate (X.509), of
  // which only the key counts: dates, names and issuer are not checked. Text around the block is ignored. Errors:
  // INVALID_ARGUMENT, in words for the operator; a private key is refused, since it has no business here.
  static absl::StatusOr<std::shared_ptr<const VerificationKey>> FromPem(std::string_view pem);

  // Makes a key for `algorithm`, which is of the HMAC family, and for no other. Errors: INVALID_ARGUMENT if the secret
  // is shorter than the hash (RFC 7518 section 3.2), or is a PEM block: a public key is known to everyone.
  static absl::StatusOr<std::shared_ptr<const VerificationKey>> FromSecret(Algorithm algorithm,
                                                                           std::string_view secret);

  // Parameters of a JWK, decoded: numbers and coordinates are big-endian (RFC 7518 section 6, RFC 8037 section 2).
  // Errors: INVALID_ARGUMENT.
  static absl::StatusOr<std::shared_ptr<const VerificationKey>> FromRsa(std::string_view modulus,
                                                                        std::string_view exponent, std::string key_id,
                                                                        std::optional<Algorithm> algorithm);
  // `type` is one of the NIST curves; the coordinates have exactly its size.
  static absl::StatusOr<std::shared_ptr<const VerificationKey>> FromEc(KeyType type, std::string_view x,
                                                                       std::string_view y, std::string key_id,
                                                                       std::optional<Algorithm> algorithm);
  // `type` is Ed25519 or Ed448.
  static absl::StatusOr<std::shared_ptr<const VerificationKey>> FromEdwards(KeyType type, std::string_view x,
                                                                            std::string key_id,
                                                                            std::optional<Algorithm> algorithm);

  VerificationKey(const VerificationKey&) = delete;
  VerificationKey& operator=(const VerificationKey&) = delete;
  ~VerificationKey();

  // Empty if the key has none.
  const std::string& key_id() const { return key_id_; }
  KeyType type() const { return type_; }
  // The only algorithm for which the key may be used, if it says so.
  std::optional<Algorithm> algorithm() const { return algorithm_; }

  // Whether the key may be used with `algorithm`: its type and curve fit, and its own algorithm if it has one.
  bool Permits(Algorithm algorithm) const;
  // Whether `signature` is this key's signature of `input`. False if the key does not permit `algorithm`.
  bool Verify(Algorithm algorithm, std::string_view input, std::string_view signature) const;

 private:
  struct FreeKey {
    void operator()(evp_pkey_st* key) const;
  };
  using KeyPointer = std::unique_ptr<evp_pkey_st, FreeKey>;

  VerificationKey(KeyType type, KeyPointer key, std::string key_id, std::optional<Algorithm> algorithm);
  // Checks what comes from outside: type, size, curve, point.
  static absl::StatusOr<std::shared_ptr<const VerificationKey>> Make(KeyPointer key, std::string key_id,
                                                                     std::optional<Algorithm> algorithm);

  KeyType type_;
  KeyPointer key_;  // null for HMAC
  Secret secret_;   // empty for all others
  std::string key_id_;
  std::optional<Algorithm> algorithm_;
};

// The keys of one issuer, at most a few dozen.
using KeySet = std::vector<std::shared_ptr<const VerificationKey>>;

}  // namespace livekit::token::jose
