#include "jose/verification_key.h"

#include <openssl/err.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/jwt_signer.h"
#include "support/status_matchers.h"

namespace livekit::token::jose {
namespace {

using ::testing::HasSubstr;
using testing::SigningKey;

constexpr char kInput[] = "eyJhbGciOiJub25lIn0.e30";

const SigningKey& RsaPair() {
  static const auto* const pair = new SigningKey(SigningKey::Rsa());
  return *pair;
}

std::shared_ptr<const VerificationKey> KeyOf(const SigningKey& pair) {
  auto key = VerificationKey::FromPem(pair.PublicPem());
  EXPECT_OK(key);
  return key.ok() ? *key : nullptr;
}

std::string MessageOf(const absl::StatusOr<std::shared_ptr<const VerificationKey>>& result) {
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ERR_peek_error(), 0u) << "OpenSSL's queue keeps an error";
  return std::string(result.status().message());
}

// Every kind of key with each algorithm that fits it.
struct Pair {
  std::string name;
  SigningKey pair;
  std::vector<Algorithm> algorithms;
};

std::vector<Pair> Pairs() {
  std::vector<Pair> pairs;
  pairs.push_back({"RSA",
                   SigningKey::Rsa(),
                   {Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512, Algorithm::kPs256, Algorithm::kPs384,
                    Algorithm::kPs512}});
  pairs.push_back({"P-256", SigningKey::Ec("P-256"), {Algorithm::kEs256}});
  pairs.push_back({"P-384", SigningKey::Ec("P-384"), {Algorithm::kEs384}});
  pairs.push_back({"P-521", SigningKey::Ec("P-521"), {Algorithm::kEs512}});
  pairs.push_back({"Ed25519", SigningKey::Edwards("Ed25519"), {Algorithm::kEdDsa}});
  pairs.push_back({"Ed448", SigningKey::Edwards("Ed448"), {Algorithm::kEdDsa}});
  return pairs;
}

TEST(VerificationKey, VerifiesWithTheAlgorithmsThatFitItsType) {
  for (const auto& [name, pair, algorithms] : Pairs()) {
    SCOPED_TRACE(name);
    const auto key = KeyOf(pair);
    ASSERT_NE(key, nullptr);
    for (const Algorithm made_with : algorithms) {
      const std::string signature = pair.Sign(made_with, kInput);
      for (int i = 0; i < kAlgorithmCount; ++i) {
        const auto algorithm = static_cast<Algorithm>(i);
        EXPECT_EQ(key->Verify(algorithm, kInput, signature), algorithm == made_with)
            << AlgorithmName(made_with) << " as " << AlgorithmName(algorithm);
      }
      EXPECT_FALSE(key->Verify(made_with, "other", signature));
    }
    for (int i = 0; i < kAlgorithmCount; ++i) {
      const auto algorithm = static_cast<Algorithm>(i);
      EXPECT_EQ(key->Permits(algorithm),
                std::find(algorithms.begin(), algorithms.end(), algorithm) != algorithms.end());
    }
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
}

TEST(VerificationKey, RefusesEverySignatureThatDiffersInOneBitOrInLength) {
  for (const auto& [name, pair, algorithms] : Pairs()) {
    SCOPED_TRACE(name);
    const auto key = KeyOf(pair);
    const Algorithm algorithm = algorithms.back();
    const std::string good = pair.Sign(algorithm, kInput);
    ASSERT_TRUE(key->Verify(algorithm, kInput, good));
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string changed = good;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      ASSERT_FALSE(key->Verify(algorithm, kInput, changed)) << "bit " << bit;
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
      ASSERT_FALSE(key->Verify(algorithm, kInput, good.substr(0, size))) << "size " << size;
    }
    for (const std::string& longer : {good + '\0', '\0' + good, good + good}) {
      EXPECT_FALSE(key->Verify(algorithm, kInput, longer));
    }
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
}

TEST(VerificationKey, RefusesSignaturesOfAnotherKey) {
  const std::vector<Pair> pairs = Pairs();
  const std::vector<Pair> others = Pairs();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto key = KeyOf(pairs[i].pair);
    for (const Algorithm algorithm : pairs[i].algorithms) {
      EXPECT_FALSE(key->Verify(algorithm, kInput, others[i].pair.Sign(algorithm, kInput))) << AlgorithmName(algorithm);
    }
  }
}

TEST(VerificationKey, TakesEcdsaInTheFormOfJwsOnly) {
  const auto pair = SigningKey::Ec("P-256");
  const auto key = KeyOf(pair);
  const std::string order(
      "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc"
      "\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2"
      "\xfc\x63\x25\x51",
      32);
  const std::string zero(32, '\0');
  const std::string one = std::string(31, '\0') + '\1';
  const std::string good = pair.Sign(Algorithm::kEs256, kInput);
  ASSERT_TRUE(key->Verify(Algorithm::kEs256, kInput, good));
  const std::string r = good.substr(0, 32);
  const std::string s = good.substr(32);
  // Halves that are no numbers from 1 to n - 1; "psychic signatures" (CVE-2022-21449) are the first.
  for (const std::string& bad : {zero + zero, zero + s, r + zero, order + order, order + s, r + order, zero + one,
                                 one + zero, std::string(64, '\xff'), s + r, pair.SignDer(kInput, "SHA256")}) {
    EXPECT_FALSE(key->Verify(Algorithm::kEs256, kInput, bad)) << HexEncode(bad);
  }
  // Zeros in front make other texts of the same numbers.
  EXPECT_FALSE(key->Verify(Algorithm::kEs256, kInput, '\0' + r + '\0' + s));
  EXPECT_FALSE(key->Verify(Algorithm::kEs256, kInput, std::string(2, '\0') + r + s));
}

TEST(VerificationKey, TakesPssWithTheHashOfTheAlgorithmThroughoutOnly) {
  const auto key = KeyOf(RsaPair());
  const auto sign = [](const char* hash, const char* mgf1, int salt) {
    return RsaPair().SignPss(kInput, hash, mgf1, salt);
  };
  EXPECT_TRUE(key->Verify(Algorithm::kPs256, kInput, sign("SHA256", "SHA256", 32)));
  for (const int salt : {0, 20, 31, 33, 48, 222}) {
    EXPECT_FALSE(key->Verify(Algorithm::kPs256, kInput, sign("SHA256", "SHA256", salt))) << salt;
  }
  EXPECT_FALSE(key->Verify(Algorithm::kPs256, kInput, sign("SHA256", "SHA1", 32)));
  EXPECT_FALSE(key->Verify(Algorithm::kPs256, kInput, sign("SHA256", "SHA512", 32)));
  EXPECT_FALSE(key->Verify(Algorithm::kPs256, kInput, sign("SHA1", "SHA1", 20)));
  EXPECT_FALSE(key->Verify(Algorithm::kPs256, kInput, sign("SHA384", "SHA256", 32)));
}

TEST(VerificationKey, TakesRsaSignaturesBelowTheModulusOnly) {
  const auto key = KeyOf(RsaPair());
  const std::string modulus = RsaPair().Parameter("n");
  EXPECT_FALSE(key->Verify(Algorithm::kRs256, kInput, modulus));
  EXPECT_FALSE(key->Verify(Algorithm::kRs256, kInput, std::string(modulus.size(), '\0')));
  EXPECT_FALSE(key->Verify(Algorithm::kRs256, kInput, std::string(modulus.size() - 1, '\0') + '\1'));
  EXPECT_FALSE(key->Verify(Algorithm::kRs256, kInput, std::string(modulus.size(), '\xff')));
}

TEST(VerificationKey, ReadsPublicKeysAndCertificates) {
  for (const auto& [name, pair, algorithms] : Pairs()) {
    const Algorithm algorithm = algorithms.front();
    const std::string signature = pair.Sign(algorithm, kInput);
    for (const std::string& pem :
         {pair.PublicPem(), pair.CertificatePem(), "a comment\n" + pair.PublicPem() + "\n\n"}) {
      const auto key = VerificationKey::FromPem(pem);
      ASSERT_OK(key) << name;
      EXPECT_TRUE((*key)->Verify(algorithm, kInput, signature)) << name;
      EXPECT_EQ((*key)->key_id(), "");
      EXPECT_EQ((*key)->algorithm(), std::nullopt);
    }
  }
  const auto key = VerificationKey::FromPem(RsaPair().RsaPublicPem());
  ASSERT_THAT(RsaPair().RsaPublicPem(), HasSubstr("BEGIN RSA PUBLIC KEY"));
  ASSERT_OK(key);
  EXPECT_TRUE((*key)->Verify(Algorithm::kPs512, kInput, RsaPair().Sign(Algorithm::kPs512, kInput)));
}

TEST(VerificationKey, RefusesPrivateKeysInClearWords) {
  for (const auto& [name, pair, algorithms] : Pairs()) {
    EXPECT_THAT(MessageOf(VerificationKey::FromPem(pair.PrivatePem())), HasSubstr("private key")) << name;
  }
  for (const char* label : {"RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"}) {
    const std::string pem = std::string("-----BEGIN ") + label + "-----\nAAAA\n-----END " + label + "-----\n";
    EXPECT_THAT(MessageOf(VerificationKey::FromPem(pem)), HasSubstr("private key")) << label;
  }
}

TEST(VerificationKey, RefusesPemThatIsNotExactlyOneKey) {
  const std::string good = RsaPair().PublicPem();
  EXPECT_THAT(MessageOf(VerificationKey::FromPem("")), HasSubstr("no PEM block"));
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(RsaPair().Jwk())), HasSubstr("no PEM block"));
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(good + good)), HasSubstr("more than one"));
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(good + RsaPair().PrivatePem())), HasSubstr("more than one"));
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(good.substr(0, good.size() / 2))), HasSubstr("cannot be read"));
  // The key has 294 bytes, so its base64 has no padding and more can follow.
  std::string more = good;
  more.insert(more.find("-----END"), "AAAA\n");
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(more)), HasSubstr("neither"));
  for (const char* label : {"PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "CERTIFICATE REQUEST", "EC PARAMETERS"}) {
    const std::string pem = std::string("-----BEGIN ") + label + "-----\nMAA=\n-----END " + label + "-----\n";
    EXPECT_THAT(MessageOf(VerificationKey::FromPem(pem)), HasSubstr("neither")) << label;
  }
}

TEST(VerificationKey, RefusesWeakAndForeignKeys) {
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(SigningKey::Rsa(1024).PublicPem())), HasSubstr("2048"));
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(SigningKey::Rsa(2047).PublicPem())), HasSubstr("2048"));
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(SigningKey::Ec("secp256k1").PublicPem())), HasSubstr("P-256"));
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(SigningKey::Ec("P-224").PublicPem())), HasSubstr("P-256"));
}

// A curve that is written out could have any generator (CVE-2020-0601), even if this one is P-256's own.
TEST(VerificationKey, RefusesCurvesThatAreWrittenOut) {
  const auto pair = SigningKey::Ec("P-256");
  EXPECT_OK(VerificationKey::FromPem(pair.PublicPem()));
  ASSERT_GT(pair.ExplicitCurvePem().size(), 2 * pair.PublicPem().size());
  EXPECT_THAT(MessageOf(VerificationKey::FromPem(pair.ExplicitCurvePem())), HasSubstr("P-256"));
}

absl::StatusOr<std::shared_ptr<const VerificationKey>> RsaWith(std::string_view modulus, std::string_view exponent) {
  return VerificationKey::FromRsa(modulus, exponent, "", std::nullopt);
}

TEST(VerificationKey, BoundsModulusAndExponent) {
  const std::string modulus = RsaPair().Parameter("n");
  EXPECT_OK(RsaWith(modulus, "\x03"));
  EXPECT_OK(RsaWith(modulus, std::string("\x01\x00\x01", 3)));
  EXPECT_OK(RsaWith('\0' + modulus, std::string("\x00\x01\x00\x01", 4)));
  EXPECT_OK(RsaWith(modulus, std::string(8, '\xff')));
  for (const std::string& exponent :
       {std::string(), std::string(1, '\0'), std::string("\x01"), std::string("\x02"), std::string("\x01\x00", 2),
        std::string(9, '\xff'), std::string(64, '\xff'), modulus}) {
    EXPECT_THAT(MessageOf(RsaWith(modulus, exponent)), ::testing::AnyOf(HasSubstr("exponent"), HasSubstr("be read")))
        << HexEncode(exponent);
  }
  std::string even = modulus;
  even.back() = static_cast<char>(even.back() & ~1);
  EXPECT_THAT(MessageOf(RsaWith(even, "\x03")), HasSubstr("odd"));
  EXPECT_THAT(MessageOf(RsaWith(modulus.substr(0, 128), "\x03")), HasSubstr("2048"));
  EXPECT_THAT(MessageOf(RsaWith("", "\x03")), ::testing::Not(HasSubstr("exponent")));
  EXPECT_OK(RsaWith(std::string(1024, '\xff'), "\x03"));
  EXPECT_THAT(MessageOf(RsaWith('\1' + std::string(1024, '\xff'), "\x03")), HasSubstr("8192"));
  EXPECT_THAT(MessageOf(RsaWith(std::string(1 << 20, '\xff'), "\x03")), HasSubstr("8192"));
}

TEST(VerificationKey, RefusesPointsOffTheCurveAndCoordinatesOfAnotherSize) {
  const auto pair = SigningKey::Ec("P-256");
  const std::string x = pair.Parameter("x");
  const std::string y = pair.Parameter("y");
  const auto make = [](KeyType type, const std::string& a, const std::string& b) {
    return VerificationKey::FromEc(type, a, b, "", std::nullopt);
  };
  EXPECT_OK(make(KeyType::kP256, x, y));
  std::string off = y;
  off.back() = static_cast<char>(off.back() ^ 1);
  EXPECT_THAT(MessageOf(make(KeyType::kP256, x, off)), HasSubstr("curve"));
  EXPECT_THAT(MessageOf(make(KeyType::kP256, y, x)), HasSubstr("curve"));
  EXPECT_THAT(MessageOf(make(KeyType::kP256, std::string(32, '\0'), std::string(32, '\0'))), HasSubstr("curve"));
  EXPECT_THAT(MessageOf(make(KeyType::kP256, std::string(32, '\xff'), y)), HasSubstr("curve"));
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {'\0' + x, y}, {x, '\0' + y}, {x.substr(1), y}, {x, ""}, {"", ""}, {x + x, y}}) {
    EXPECT_THAT(MessageOf(make(KeyType::kP256, a, b)), HasSubstr("size"));
  }
  for (const KeyType type : {KeyType::kP384, KeyType::kP521, KeyType::kRsa, KeyType::kEd25519, KeyType::kHmac}) {
    EXPECT_THAT(MessageOf(make(type, x, y)), HasSubstr("size"));
  }
}

TEST(VerificationKey, RefusesEdwardsKeysOfSmallOrderOrAnotherSize) {
  const auto make = [](KeyType type, const std::string& x) {
    return VerificationKey::FromEdwards(type, x, "", std::nullopt);
  };
  EXPECT_OK(make(KeyType::kEd25519, SigningKey::Edwards("Ed25519").Parameter("x")));
  EXPECT_OK(make(KeyType::kEd448, SigningKey::Edwards("Ed448").Parameter("x")));
  for (const std::size_t size : {0, 31, 33, 57}) {
    EXPECT_THAT(MessageOf(make(KeyType::kEd25519, std::string(size, 'a'))), HasSubstr("size"));
  }
  EXPECT_THAT(MessageOf(make(KeyType::kEd448, std::string(32, 'a'))), HasSubstr("size"));
  EXPECT_THAT(MessageOf(make(KeyType::kP256, std::string(32, 'a'))), HasSubstr("size"));
  // Two of order 8 beside those of order 1, 2 and 4, some of them in a second spelling.
  const std::string order8[] = {
      Base64UrlDecode("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU").value(),
      Base64UrlDecode("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o").value(),
  };
  const std::string minus_one = '\xec' + std::string(30, '\xff') + '\x7f';
  for (std::string x : {std::string(32, '\0'), '\1' + std::string(31, '\0'), minus_one, order8[0], order8[1],
                        '\xed' + std::string(30, '\xff') + '\x7f', '\xee' + std::string(30, '\xff') + '\x7f'}) {
    EXPECT_THAT(MessageOf(make(KeyType::kEd25519, x)), HasSubstr("small order")) << HexEncode(x);
    x.back() = static_cast<char>(x.back() ^ 0x80);
    EXPECT_THAT(MessageOf(make(KeyType::kEd25519, x)), HasSubstr("small order")) << HexEncode(x);
  }
  EXPECT_THAT(MessageOf(make(KeyType::kEd448, std::string(57, '\0'))), HasSubstr("small order"));
  EXPECT_THAT(MessageOf(make(KeyType::kEd448, '\1' + std::string(56, '\0'))), HasSubstr("small order"));
  const std::string half(27, '\xff');
  EXPECT_THAT(MessageOf(make(KeyType::kEd448, '\xfe' + half + '\xfe' + half + '\0')), HasSubstr("small order"));
}

TEST(VerificationKey, TakesSecretsOfAtLeastTheHashsLength) {
  const std::vector<std::pair<Algorithm, std::size_t>> cases = {
      {Algorithm::kHs256, 32}, {Algorithm::kHs384, 48}, {Algorithm::kHs512, 64}};
  for (const auto& [algorithm, size] : cases) {
    const std::string secret(size, 's');
    const auto key = VerificationKey::FromSecret(algorithm, secret);
    ASSERT_OK(key);
    const std::string code = SigningKey::Hmac(secret).Sign(algorithm, kInput);
    for (int i = 0; i < kAlgorithmCount; ++i) {
      const auto other = static_cast<Algorithm>(i);
      EXPECT_EQ((*key)->Verify(other, kInput, code), other == algorithm);
      // Not even with the right code of another HMAC: the secret is too short for it, or was not meant for it.
      if (FamilyOf(other) == AlgorithmFamily::kHmac && other != algorithm) {
        EXPECT_FALSE((*key)->Verify(other, kInput, SigningKey::Hmac(secret).Sign(other, kInput)));
      }
    }
    for (std::size_t bit = 0; bit < code.size() * 8; ++bit) {
      std::string changed = code;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE((*key)->Verify(algorithm, kInput, changed));
    }
    for (std::size_t length = 0; length < code.size(); ++length) {
      EXPECT_FALSE((*key)->Verify(algorithm, kInput, code.substr(0, length)));
    }
    EXPECT_THAT(MessageOf(VerificationKey::FromSecret(algorithm, secret.substr(1))), HasSubstr("at least"));
  }
  EXPECT_FALSE(VerificationKey::FromSecret(Algorithm::kRs256, std::string(64, 's')).ok());
  EXPECT_FALSE(VerificationKey::FromSecret(Algorithm::kHs256, std::string(4097, 's')).ok());
  EXPECT_THAT(MessageOf(VerificationKey::FromSecret(Algorithm::kHs256, RsaPair().PublicPem())), HasSubstr("PEM"));
}

TEST(VerificationKey, KeepsToItsOwnAlgorithm) {
  const auto key = VerificationKey::FromRsa(RsaPair().Parameter("n"), RsaPair().Parameter("e"), "a", Algorithm::kPs256);
  ASSERT_OK(key);
  EXPECT_EQ((*key)->key_id(), "a");
  EXPECT_EQ((*key)->algorithm(), Algorithm::kPs256);
  EXPECT_TRUE((*key)->Verify(Algorithm::kPs256, kInput, RsaPair().Sign(Algorithm::kPs256, kInput)));
  EXPECT_FALSE((*key)->Verify(Algorithm::kRs256, kInput, RsaPair().Sign(Algorithm::kRs256, kInput)));
  for (const Algorithm algorithm : {Algorithm::kHs256, Algorithm::kEs256, Algorithm::kEdDsa}) {
    EXPECT_THAT(MessageOf(VerificationKey::FromRsa(RsaPair().Parameter("n"), RsaPair().Parameter("e"), "a", algorithm)),
                HasSubstr("does not fit"));
  }
}

}  // namespace
}  // namespace livekit::token::jose
