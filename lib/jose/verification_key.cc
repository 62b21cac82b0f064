#include "jose/verification_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"

namespace livekit::token::jose {
namespace {

using KeyResult = absl::StatusOr<std::shared_ptr<const VerificationKey>>;

// Calls OpenSSL's function that frees.
template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPointer = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using BignumPointer = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using CertificatePointer = std::unique_ptr<X509, FreeWith<X509_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, FreeWith<ECDSA_SIG_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using ParamsBuilder = std::unique_ptr<OSSL_PARAM_BLD, FreeWith<OSSL_PARAM_BLD_free>>;
using ParamsPointer = std::unique_ptr<OSSL_PARAM, FreeWith<OSSL_PARAM_free>>;

// Failures leave entries in the thread's error queue, where the next user of OpenSSL, such as TLS, would find them.
class ErrorQueueGuard {
 public:
  ErrorQueueGuard() = default;
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
  ~ErrorQueueGuard() { ERR_clear_error(); }
};

struct Curve {
  KeyType type;
  const char* group;  // OpenSSL's name
  std::size_t coordinate_size;
  Algorithm algorithm;
};
constexpr std::array<Curve, 3> kCurves = {{
    {KeyType::kP256, "prime256v1", 32, Algorithm::kEs256},
    {KeyType::kP384, "secp384r1", 48, Algorithm::kEs384},
    {KeyType::kP521, "secp521r1", 66, Algorithm::kEs512},
}};

const Curve* FindCurve(KeyType type) {
  const auto curve =
      std::find_if(kCurves.begin(), kCurves.end(), [type](const Curve& candidate) { return candidate.type == type; });
  return curve == kCurves.end() ? nullptr : &*curve;
}

std::size_t EdwardsKeySize(KeyType type) { return type == KeyType::kEd25519 ? 32 : 57; }
std::size_t EdwardsSignatureSize(KeyType type) { return type == KeyType::kEd25519 ? 64 : 114; }

absl::Status Invalid(std::string_view message) { return absl::InvalidArgumentError(Sv(message)); }

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// OpenSSL's hash of `size` bytes. Fetched once: a search for it in each verification costs more than the hash.
const EVP_MD* HashOf(Algorithm algorithm) {
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const kSha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  static const EVP_MD* const kSha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  switch (HashSize(algorithm)) {
    case 32:
      return kSha256;
    case 48:
      return kSha384;
    case 64:
      return kSha512;
    default:
      return nullptr;
  }
}

// Whether an Edwards key is one of the few points of small order: such a key takes signatures that anyone can make, and
// an all-zero one is what a key that was never filled in looks like.
bool IsSmallOrder(KeyType type, std::string_view x) {
  std::string y(x);
  y.back() = static_cast<char>(y.back() & 0x7f);  // without the sign
  const auto is = [&y](unsigned char first, unsigned char middle, unsigned char last) {
    return static_cast<unsigned char>(y.front()) == first && static_cast<unsigned char>(y.back()) == last &&
           std::all_of(y.begin() + 1, y.end() - 1,
                       [middle](char c) { return static_cast<unsigned char>(c) == middle; });
  };
  if (is(0, 0, 0) || is(1, 0, 0)) return true;
  if (type == KeyType::kEd448) {
    // p - 1, where p = 2^448 - 2^224 - 1. OpenSSL refuses what is not reduced.
    std::string minus_one(57, '\xff');
    minus_one[0] = minus_one[28] = '\xfe';
    minus_one[56] = '\0';
    return y == minus_one;
  }
  // p - 1, p and p + 1, where p = 2^255 - 19.
  if (is(0xec, 0xff, 0x7f) || is(0xed, 0xff, 0x7f) || is(0xee, 0xff, 0x7f)) return true;
  // The two y of order 8.
  constexpr std::string_view kOrder8[] = {
      "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0"
      "\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
      "\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f"
      "\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
  };
  return y == kOrder8[0] || y == kOrder8[1];
}

absl::Status CheckRsa(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kMinRsaBits) return Invalid("an RSA key must have at least 2048 bits");
  if (bits > kMaxRsaBits) return Invalid("an RSA key may have at most 8192 bits");
  BIGNUM* raw_modulus = nullptr;
  BIGNUM* raw_exponent = nullptr;
  const int got_modulus = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &raw_modulus);
  const int got_exponent = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw_exponent);
  const BignumPointer modulus(raw_modulus);
  const BignumPointer exponent(raw_exponent);
  if (got_modulus != 1 || got_exponent != 1) return Invalid("an RSA key cannot be read");
  // With the exponent 1 every text is its own signature.
  if (BN_is_odd(exponent.get()) == 0 || BN_is_one(exponent.get()) == 1) {
    return Invalid("the exponent of an RSA key must be odd and at least 3");
  }
  if (BN_num_bits(exponent.get()) > 64) return Invalid("the exponent of an RSA key may have at most 64 bits");
  if (BN_is_odd(modulus.get()) == 0) return Invalid("the modulus of an RSA key must be odd");
  return absl::OkStatus();
}

absl::StatusOr<KeyType> CheckEc(EVP_PKEY* key) {
  // A curve given by its parameters may look like a known one and have another generator (CVE-2020-0601).
  int is_explicit = 0;
  EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit);
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (is_explicit == 0 && EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1) {
    for (const Curve& curve : kCurves) {
      if (std::string_view(group.data(), size) != curve.group) continue;
      const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
      if (context == nullptr || EVP_PKEY_public_check(context.get()) != 1) {
        return Invalid("the point of an EC key is not on its curve");
      }
      return curve.type;
    }
  }
  return Invalid("an EC key must be on the curve P-256, P-384 or P-521");
}

absl::Status CheckEdwards(EVP_PKEY* key, KeyType type) {
  std::string x(EdwardsKeySize(type), '\0');
  std::size_t size = x.size();
  if (EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(x.data()), &size) != 1 || size != x.size()) {
    return Invalid("an EdDSA key cannot be read");
  }
  if (IsSmallOrder(type, x)) return Invalid("an EdDSA key is a point of small order");
  return absl::OkStatus();
}

absl::StatusOr<KeyType> CheckKey(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      LKT_RETURN_IF_ERROR(CheckRsa(key));
      return KeyType::kRsa;
    case EVP_PKEY_EC:
      return CheckEc(key);
    case EVP_PKEY_ED25519:
      LKT_RETURN_IF_ERROR(CheckEdwards(key, KeyType::kEd25519));
      return KeyType::kEd25519;
    case EVP_PKEY_ED448:
      LKT_RETURN_IF_ERROR(CheckEdwards(key, KeyType::kEd448));
      return KeyType::kEd448;
    default:
      return Invalid("the key is neither RSA, EC, Ed25519 nor Ed448");
  }
}

// Makes a key of OpenSSL's type `name` from parameters.
EVP_PKEY* FromParams(const char* name, OSSL_PARAM_BLD* builder) {
  const ParamsPointer params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, name, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return key;
}

// The key in the DER of a PEM block of this name; null if it holds none or more than one.
EVP_PKEY* FromDer(std::string_view name, const unsigned char* der, long size) {
  const unsigned char* at = der;
  EVP_PKEY* key = nullptr;
  if (name == PEM_STRING_PUBLIC) {
    key = d2i_PUBKEY(nullptr, &at, size);
  } else if (name == PEM_STRING_RSA_PUBLIC) {
    key = d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size);
  } else if (name == PEM_STRING_X509) {
    const CertificatePointer certificate(d2i_X509(nullptr, &at, size));
    if (certificate != nullptr) key = X509_get_pubkey(certificate.get());
  }
  if (key != nullptr && at == der + size) return key;
  EVP_PKEY_free(key);
  return nullptr;
}

// The two halves of an ECDSA signature (RFC 7518 section 3.4) in the form that OpenSSL reads. Empty on failure. OpenSSL
// refuses halves outside 1 to n - 1.
std::string EcdsaDer(std::string_view signature) {
  const std::size_t half = signature.size() / 2;
  BignumPointer r(BN_bin2bn(Bytes(signature), static_cast<int>(half), nullptr));
  BignumPointer s(BN_bin2bn(Bytes(signature) + half, static_cast<int>(half), nullptr));
  const EcdsaSignature both(ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || both == nullptr || ECDSA_SIG_set0(both.get(), r.get(), s.get()) != 1) return {};
  // They belong to the pair now.
  (void)r.release();
  (void)s.release();
  const int size = i2d_ECDSA_SIG(both.get(), nullptr);
  if (size <= 0) return {};
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* to = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(both.get(), &to);
  return der;
}

bool VerifyHmac(Algorithm algorithm, std::string_view secret, std::string_view input, std::string_view code) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> expected;
  unsigned int size = 0;
  if (HMAC(HashOf(algorithm), secret.data(), static_cast<int>(secret.size()), Bytes(input), input.size(),
           expected.data(), &size) == nullptr ||
      size != HashSize(algorithm)) {
    return false;
  }
  return ConstantTimeEquals({reinterpret_cast<const char*>(expected.data()), size}, code);
}

}  // namespace

void VerificationKey::FreeKey::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

VerificationKey::VerificationKey(KeyType type, KeyPointer key, std::string key_id, std::optional<Algorithm> algorithm)
    : type_(type), key_(std::move(key)), key_id_(std::move(key_id)), algorithm_(algorithm) {}

VerificationKey::~VerificationKey() = default;

KeyResult VerificationKey::Make(KeyPointer key, std::string key_id, std::optional<Algorithm> algorithm) {
  if (key == nullptr) return Invalid("the key cannot be read");
  LKT_ASSIGN_OR_RETURN(const KeyType type, CheckKey(key.get()));
  std::shared_ptr<const VerificationKey> made(new VerificationKey(type, std::move(key), std::move(key_id), algorithm));
  if (algorithm && !made->Permits(*algorithm)) return Invalid("the key's own algorithm does not fit its type");
  return made;
}

KeyResult VerificationKey::FromPem(std::string_view pem) {
  const ErrorQueueGuard guard;
  constexpr std::string_view kBegin = "-----BEGIN ";
  const std::size_t begin = pem.find(kBegin);
  if (begin == std::string_view::npos) return Invalid("there is no PEM block");
  const std::string_view rest = pem.substr(begin + kBegin.size());
  if (rest.find(kBegin) != std::string_view::npos) return Invalid("there is more than one PEM block");
  if (rest.substr(0, rest.find("-----")).find("PRIVATE KEY") != std::string_view::npos) {
    return Invalid("this is a private key; give its public key, and keep the private one where tokens are signed");
  }
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* der = nullptr;
  long size = 0;
  if (bio == nullptr || PEM_read_bio(bio.get(), &name, &header, &der, &size) != 1) {
    return Invalid("the PEM block cannot be read");
  }
  KeyPointer key(FromDer(name, der, size));
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(der);
  if (key == nullptr) return Invalid("the PEM block is neither a public key nor a certificate that can be read");
  return Make(std::move(key), "", std::nullopt);
}

KeyResult VerificationKey::FromSecret(Algorithm algorithm, std::string_view secret) {
  if (FamilyOf(algorithm) != AlgorithmFamily::kHmac) return Invalid("only HS256, HS384 and HS512 have a secret");
  if (secret.size() < HashSize(algorithm)) {
    return Invalid("the secret of " + std::string(AlgorithmName(algorithm)) + " must have at least " +
                   std::to_string(HashSize(algorithm)) + " bytes");
  }
  if (secret.size() > 4096) return Invalid("the secret may have at most 4096 bytes");
  if (secret.find("-----BEGIN ") != std::string_view::npos) {
    return Invalid("the secret is a PEM block; a public key is no secret");
  }
  std::shared_ptr<VerificationKey> made(new VerificationKey(KeyType::kHmac, nullptr, "", algorithm));
  made->secret_ = Secret::CopyOf(secret);
  return made;
}

KeyResult VerificationKey::FromRsa(std::string_view modulus, std::string_view exponent, std::string key_id,
                                   std::optional<Algorithm> algorithm) {
  const ErrorQueueGuard guard;
  // One byte more, since some software writes a leading zero.
  if (modulus.size() > kMaxRsaBits / 8 + 1) return Invalid("an RSA key may have at most 8192 bits");
  if (exponent.size() > 9) return Invalid("the exponent of an RSA key may have at most 64 bits");
  const BignumPointer n(BN_bin2bn(Bytes(modulus), static_cast<int>(modulus.size()), nullptr));
  const BignumPointer e(BN_bin2bn(Bytes(exponent), static_cast<int>(exponent.size()), nullptr));
  const ParamsBuilder builder(OSSL_PARAM_BLD_new());
  if (n == nullptr || e == nullptr || builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return Invalid("the key cannot be read");
  }
  return Make(KeyPointer(FromParams("RSA", builder.get())), std::move(key_id), algorithm);
}

KeyResult VerificationKey::FromEc(KeyType type, std::string_view x, std::string_view y, std::string key_id,
                                  std::optional<Algorithm> algorithm) {
  const ErrorQueueGuard guard;
  const Curve* const curve = FindCurve(type);
  if (curve == nullptr || x.size() != curve->coordinate_size || y.size() != curve->coordinate_size) {
    return Invalid("the coordinates of an EC key do not have the size of its curve");
  }
  std::string point = "\x04";  // not compressed
  point.append(x).append(y);
  const ParamsBuilder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return Invalid("the key cannot be read");
  }
  KeyPointer key(FromParams("EC", builder.get()));
  if (key == nullptr) return Invalid("the point of an EC key is not on its curve");
  return Make(std::move(key), std::move(key_id), algorithm);
}

KeyResult VerificationKey::FromEdwards(KeyType type, std::string_view x, std::string key_id,
                                       std::optional<Algorithm> algorithm) {
  const ErrorQueueGuard guard;
  if ((type != KeyType::kEd25519 && type != KeyType::kEd448) || x.size() != EdwardsKeySize(type)) {
    return Invalid("an EdDSA key does not have the size of its curve");
  }
  const int id = type == KeyType::kEd25519 ? EVP_PKEY_ED25519 : EVP_PKEY_ED448;
  return Make(KeyPointer(EVP_PKEY_new_raw_public_key(id, nullptr, Bytes(x), x.size())), std::move(key_id), algorithm);
}

bool VerificationKey::Permits(Algorithm algorithm) const {
  if (algorithm_ && *algorithm_ != algorithm) return false;
  switch (FamilyOf(algorithm)) {
    case AlgorithmFamily::kHmac:
      // Only the algorithm that it was made for.
      return type_ == KeyType::kHmac && algorithm_ == algorithm;
    case AlgorithmFamily::kRsa:
    case AlgorithmFamily::kRsaPss:
      return type_ == KeyType::kRsa;
    case AlgorithmFamily::kEcdsa: {
      const Curve* const curve = FindCurve(type_);
      return curve != nullptr && curve->algorithm == algorithm;
    }
    case AlgorithmFamily::kEdDsa:
      return type_ == KeyType::kEd25519 || type_ == KeyType::kEd448;
  }
  return false;
}

bool VerificationKey::Verify(Algorithm algorithm, std::string_view input, std::string_view signature) const {
  if (!Permits(algorithm)) return false;
  if (type_ == KeyType::kHmac) return VerifyHmac(algorithm, secret_.Reveal(), input, signature);

  const ErrorQueueGuard guard;
  std::string der;
  if (const Curve* const curve = FindCurve(type_)) {
    if (signature.size() != 2 * curve->coordinate_size) return false;
    der = EcdsaDer(signature);
    if (der.empty()) return false;
    signature = der;
  } else if (type_ == KeyType::kRsa) {
    if (signature.size() != static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()))) return false;
  } else if (signature.size() != EdwardsSignatureSize(type_)) {
    return false;
  }
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;  // belongs to `context`
  if (context == nullptr ||
      EVP_DigestVerifyInit(context.get(), &parameters, HashOf(algorithm), nullptr, key_.get()) != 1) {
    return false;
  }
  if (FamilyOf(algorithm) == AlgorithmFamily::kRsaPss &&
      (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, HashOf(algorithm)) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(input), input.size()) == 1;
}

}  // namespace livekit::token::jose
