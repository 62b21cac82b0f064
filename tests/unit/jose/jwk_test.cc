#include "jose/jwk.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/jwt_signer.h"
#include "support/status_matchers.h"

namespace livekit::token::jose {
namespace {

using ::testing::HasSubstr;
using testing::JwksOf;
using testing::SigningKey;

const SigningKey& EcPair() {
  static const auto* const pair = new SigningKey(SigningKey::Ec("P-256"));
  return *pair;
}

// What is said of a set with this key only.
std::string Complaint(const std::string& jwk) {
  const auto set = ReadJwks(JwksOf(jwk));
  EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(set.status().message());
}

TEST(ReadJwks, ReadsEveryKindOfKey) {
  const auto rsa = SigningKey::Rsa();
  const std::string text =
      JwksOf(rsa.Jwk(R"(,"kid":"r","use":"sig","alg":"RS512","x5c":["no"],"x5u":"no","x5t":1,"new":{"a":[]})") + "," +
             EcPair().Jwk(R"(,"kid":"e","key_ops":["sign","verify"])") + "," + SigningKey::Ec("P-384").Jwk() + "," +
             SigningKey::Ec("P-521").Jwk() + "," + SigningKey::Edwards("Ed25519").Jwk(R"(,"alg":"EdDSA")") + "," +
             SigningKey::Edwards("Ed448").Jwk());
  ASSERT_OK_AND_ASSIGN(const Jwks set, ReadJwks(text));
  EXPECT_TRUE(set.skipped.empty());
  std::vector<KeyType> types;
  for (const auto& key : set.keys) types.push_back(key->type());
  EXPECT_THAT(types, ::testing::ElementsAre(KeyType::kRsa, KeyType::kP256, KeyType::kP384, KeyType::kP521,
                                            KeyType::kEd25519, KeyType::kEd448));
  EXPECT_EQ(set.keys[0]->key_id(), "r");
  EXPECT_EQ(set.keys[0]->algorithm(), Algorithm::kRs512);
  EXPECT_TRUE(set.keys[0]->Verify(Algorithm::kRs512, "a", rsa.Sign(Algorithm::kRs512, "a")));
  EXPECT_TRUE(set.keys[1]->Verify(Algorithm::kEs256, "a", EcPair().Sign(Algorithm::kEs256, "a")));
  EXPECT_EQ(set.keys[2]->key_id(), "");
}

TEST(ReadJwks, LeavesOutWhatItCannotUseAndSaysWhy) {
  const std::string secret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t";
  const std::string text = JwksOf(EcPair().Jwk(R"(,"use":"enc")") + "," + SigningKey::Hmac(secret).Jwk() + "," +
                                  EcPair().Jwk(R"(,"kid":"good")") + R"(,{"kty":"new"},{},[],null,"a",1)");
  ASSERT_OK_AND_ASSIGN(const Jwks set, ReadJwks(text));
  ASSERT_EQ(set.keys.size(), 1u);
  EXPECT_EQ(set.keys[0]->key_id(), "good");
  ASSERT_EQ(set.skipped.size(), 8u);
  EXPECT_THAT(set.skipped[0], HasSubstr("keys[0]: the key is not for signatures"));
  EXPECT_THAT(set.skipped[1], HasSubstr("keys[1]: is symmetric"));
  EXPECT_THAT(set.skipped[2], HasSubstr("keys[3]: `kty` is unknown"));
  for (const auto& line : set.skipped) EXPECT_THAT(line, ::testing::Not(HasSubstr(secret)));
}

TEST(ReadJwks, LeavesOutEveryKeyThatIsNotSound) {
  const auto& pair = EcPair();
  const auto rsa = SigningKey::Rsa();
  const std::string point = pair.Jwk().substr(1);  // without the brace
  const std::string modulus = rsa.Jwk().substr(rsa.Jwk().find("\"n\""));
  ASSERT_OK(ReadJwks(JwksOf(pair.Jwk())));
  ASSERT_OK(ReadJwks(JwksOf(rsa.Jwk())));
  struct Case {
    std::string jwk;
    std::string complaint;
  };
  const std::vector<Case> cases = {
      // What it is for.
      {pair.Jwk(R"(,"use":"SIG")"), "not for signatures"},
      {pair.Jwk(R"(,"use":null)"), "not for signatures"},
      {pair.Jwk(R"(,"use":["sig"])"), "not for signatures"},
      {pair.Jwk(R"(,"key_ops":["sign"])"), "not for verification"},
      {pair.Jwk(R"(,"key_ops":[])"), "not for verification"},
      {pair.Jwk(R"(,"key_ops":["encrypt","wrapKey"])"), "not for verification"},
      {pair.Jwk(R"(,"key_ops":"verify")"), "key_ops"},
      {pair.Jwk(R"(,"key_ops":["verify",1])"), "key_ops"},
      // Algorithms.
      {pair.Jwk(R"(,"alg":"none")"), "`alg` is unknown"},
      {pair.Jwk(R"(,"alg":"ES256K")"), "`alg` is unknown"},
      {pair.Jwk(R"(,"alg":"es256")"), "`alg` is unknown"},
      {pair.Jwk(R"(,"alg":null)"), "`alg` is unknown"},
      {pair.Jwk(R"(,"alg":"RSA-OAEP")"), "`alg` is unknown"},
      {pair.Jwk(R"(,"alg":"HS256")"), "does not fit"},
      {pair.Jwk(R"(,"alg":"ES384")"), "does not fit"},
      {pair.Jwk(R"(,"alg":"RS256")"), "does not fit"},
      {rsa.Jwk(R"(,"alg":"ES256")"), "does not fit"},
      {rsa.Jwk(R"(,"alg":"HS256")"), "does not fit"},
      // Ids.
      {pair.Jwk(R"(,"kid":1)"), "kid"},
      {pair.Jwk(R"(,"kid":null)"), "kid"},
      {pair.Jwk(",\"kid\":\"" + std::string(257, 'k') + "\""), "kid"},
      // Private parts.
      {pair.Jwk(R"(,"d":"AAAA")"), "private"},
      {pair.Jwk(R"(,"d":null)"), "private"},
      {rsa.Jwk(R"(,"p":"AAAA")"), "private"},
      {rsa.Jwk(R"(,"q":"AAAA")"), "private"},
      {rsa.Jwk(R"(,"dp":"AAAA")"), "private"},
      {rsa.Jwk(R"(,"dq":"AAAA")"), "private"},
      {rsa.Jwk(R"(,"qi":"AAAA")"), "private"},
      {rsa.Jwk(R"(,"oth":[])"), "private"},
      {rsa.Jwk(R"(,"k":"AAAA")"), "private"},
      // Kinds.
      {SigningKey::Hmac(std::string(64, 'k')).Jwk(R"(,"alg":"HS256","use":"sig")"), "symmetric"},
      {"{" + modulus, "kty"},
      {"{\"kty\":\"rsa\"," + modulus, "`kty` is unknown"},
      {"{\"kty\":null," + modulus, "kty"},
      {"{\"kty\":[\"RSA\"]," + modulus, "kty"},
      {R"({"kty":"EC","x":"AAAA","y":"AAAA"})", "crv"},
      {R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})", "size"},
      {R"({"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"})", "crv"},
      {R"({"kty":"EC","crv":"Ed25519","x":"AAAA","y":"AAAA"})", "size"},
      {R"({"kty":"OKP","crv":"X25519","x":"AAAA"})", "crv"},
      {R"({"kty":"OKP","crv":"P-256","x":"AAAA"})", "size"},
      {R"({"kty":"OKP","crv":"Ed25519"})", "parameter"},
      // Parameters.
      {R"({"kty":"RSA","e":"AQAB"})", "parameter"},
      {R"({"kty":"RSA","e":"AQAB","n":1})", "parameter"},
      {R"({"kty":"RSA","e":"AQAB","n":""})", "parameter"},
      {R"({"kty":"RSA","e":"AQAB","n":"AA=="})", "parameter"},
      {R"({"kty":"RSA","e":"AQAB","n":"A+/A"})", "parameter"},
      {R"({"kty":"RSA","e":"AQAB","n":"AAAA"})", ""},
      {"{\"kty\":\"RSA\"," + modulus.substr(0, modulus.find("\"e\"")) + "\"e\":\"AQ\"}", "exponent"},
      {"{\"kty\":\"RSA\"," + modulus.substr(0, modulus.find("\"e\"")) + "\"e\":\"AA\"}", ""},
      {"{\"kty\":\"RSA\"," + modulus.substr(0, modulus.find("\"e\"")) + "\"e\":65537}", "parameter"},
      {SigningKey::Rsa(1024).Jwk(), "2048"},
      {R"({"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})", "small order"},
  };
  for (const auto& [jwk, complaint] : cases) EXPECT_THAT(Complaint(jwk), HasSubstr(complaint)) << jwk;
}

TEST(ReadJwks, TakesIdsUpTo256BytesAndKeepsTwins) {
  const std::string id(256, 'k');
  const std::string member = ",\"kid\":\"" + id + "\"";
  ASSERT_OK_AND_ASSIGN(const KeySet keys,
                       ParseJwks(JwksOf(EcPair().Jwk(member) + "," + SigningKey::Ec("P-256").Jwk(member))));
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0]->key_id(), id);
  EXPECT_EQ(keys[1]->key_id(), id);
}

TEST(ReadJwks, LimitsNumberAndSize) {
  std::string keys = EcPair().Jwk();
  for (std::size_t i = 1; i < kMaxJwksKeys; ++i) keys += "," + EcPair().Jwk();
  EXPECT_OK(ReadJwks(JwksOf(keys)));
  EXPECT_THAT(Complaint(keys + "," + EcPair().Jwk()), HasSubstr("more than 100"));
  const std::string one = JwksOf(EcPair().Jwk());
  EXPECT_OK(ReadJwks(one + std::string(kMaxJwksBytes - one.size(), ' ')));
  EXPECT_FALSE(ReadJwks(one + std::string(kMaxJwksBytes - one.size() + 1, ' ')).ok());
}

TEST(ReadJwks, RefusesWhatIsNoKeySet) {
  const std::string key = EcPair().Jwk();
  ASSERT_OK(ReadJwks("{\"other\":1,\"keys\":[" + key + "]}"));
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("null"), "[" + key + "]", key, "{\"keys\":" + key + "}",
        std::string(R"({"keys":null})"), std::string(R"({"keys":[]})"), "{\"Keys\":[" + key + "]}",
        "{\"keys\":[" + key + "],\"keys\":[" + key + "]}", "{\"keys\":[],\"k\\u0065ys\":[" + key + "]}",
        JwksOf(EcPair().Jwk(R"(,"kty":"EC")")), JwksOf(key) + "x", "\xef\xbb\xbf" + JwksOf(key), JwksOf(key + ","),
        JwksOf(EcPair().Jwk(",\"a\":\"\xff\"")), std::string("<html>"), JwksOf(key) + '\0',
        "{\"a\":" + std::string(100, '[') + std::string(100, ']') + ",\"keys\":[" + key + "]}"}) {
    EXPECT_FALSE(ReadJwks(text).ok()) << text;
  }
}

// --- bundles of SPIFFE trust domains

std::string BundleKey(const std::string& kid, const std::string& more = "") {
  return EcPair().Jwk(R"(,"use":"jwt-svid","kid":")" + kid + "\"" + more);
}

// The SPIFFE Trust Domain and Bundle, section 4.2.2: a key counts only for what it states, in exactly these letters.
TEST(ReadBundle, TakesOnlyKeysForJwtSvids) {
  ASSERT_OK_AND_ASSIGN(
      const Jwks bundle,
      ReadJwks(JwksOf(EcPair().Jwk(R"(,"kid":"x","use":"x509-svid","x5c":["AAAA"])") + "," +
                      EcPair().Jwk(R"(,"kid":"s","use":"sig")") + "," + EcPair().Jwk(R"(,"kid":"n")") + "," +
                      EcPair().Jwk(R"(,"kid":"u","use":"JWT-SVID")") + "," +
                      EcPair().Jwk(R"(,"kid":"l","use":["jwt-svid"])") + R"(,null,"jwt-svid",[],)" + BundleKey("good")),
               JwksUse::kJwtSvid));
  ASSERT_EQ(bundle.keys.size(), 1u);
  EXPECT_EQ(bundle.keys[0]->key_id(), "good");
  EXPECT_TRUE(bundle.skipped.empty());  // keys for other uses are no mistake
  // The other way round, they are no keys of an issuer.
  EXPECT_THAT(Complaint(BundleKey("good")), HasSubstr("not for signatures"));
}

TEST(ReadBundle, LeavesOutKeysForJwtSvidsThatCannotBeUsed) {
  for (const auto& [jwk, complaint] : std::vector<std::pair<std::string, std::string>>{
           {EcPair().Jwk(R"(,"use":"jwt-svid")"), "`kid` is missing"},
           {BundleKey(""), "`kid` is missing"},
           {EcPair().Jwk(R"(,"use":"jwt-svid","kid":1)"), "`kid` is not a text"},
           {BundleKey("a", R"(,"d":"AAAA")"), "private"},
           {BundleKey("a", R"(,"key_ops":["sign"])"), "not for verification"},
           {SigningKey::Hmac(std::string(64, 'k')).Jwk(R"(,"use":"jwt-svid","kid":"a")"), "symmetric"}}) {
    const auto bundle = ReadJwks(JwksOf(jwk), JwksUse::kJwtSvid);
    ASSERT_FALSE(bundle.ok()) << jwk;
    EXPECT_THAT(std::string(bundle.status().message()), HasSubstr("no key for JWT-SVIDs"));
    EXPECT_THAT(std::string(bundle.status().message()), HasSubstr(complaint));
  }
}

TEST(ReadBundle, AKeySetOfAnIssuerHasNoRefreshHint) {
  ASSERT_OK_AND_ASSIGN(const Jwks set, ReadJwks("{\"keys\":[" + EcPair().Jwk() + "],\"spiffe_refresh_hint\":300}"));
  EXPECT_EQ(set.refresh_hint, std::nullopt);
}

}  // namespace
}  // namespace livekit::token::jose
