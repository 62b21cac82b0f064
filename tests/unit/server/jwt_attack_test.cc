// Tokens that attackers have sent to others, and some that they may yet think of. Each group also has the smallest
// neighbour that is accepted, so that no case is refused for a reason other than its own.
#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "gtest/gtest.h"
#include "jose/jwt.h"
#include "jwt_fixture.h"

namespace livekit::token {
namespace {

using jose::Algorithm;
using nlohmann::json;
using testing::GoodClaims;
using testing::JwksOf;
using testing::Keys;
using testing::kNowSeconds;
using testing::MakeJwt;
using testing::PublicKeyAuthenticator;
using testing::RsToken;
using testing::SeenAuthenticator;
using testing::SigningKey;

using R = JwtRejection;

struct Case {
  std::string name;
  std::string token;
  JwtRejection reason;  // kNone: accepted
};

void ExpectReasons(SeenAuthenticator& authenticator, const std::vector<Case>& cases) {
  std::set<std::string> names;
  for (const auto& [name, token, reason] : cases) {
    EXPECT_TRUE(names.insert(name).second) << "twice: " << name;
    EXPECT_EQ(JwtRejectionName(authenticator.ReasonFor(token)), JwtRejectionName(reason)) << name;
  }
}

void ExpectReasons(const std::vector<Case>& cases) {
  auto authenticator = PublicKeyAuthenticator();
  ExpectReasons(authenticator, cases);
}

SeenAuthenticator AuthenticatorOf(JwtOptions options, jose::KeySet keys) {
  return SeenAuthenticator(std::move(options), std::make_shared<StaticKeys>(std::move(keys)));
}

SeenAuthenticator HmacAuthenticator(Algorithm algorithm = Algorithm::kHs256) {
  const auto key = jose::VerificationKey::FromSecret(algorithm, testing::kHmacSecret);
  EXPECT_OK(key);
  return AuthenticatorOf(testing::OptionsWith(jose::AlgorithmSet(algorithm)), {*key});
}

std::string Payload() { return GoodClaims().dump(); }

// A token with this header and a true signature of RS256.
std::string WithHeader(const std::string& header) { return MakeJwt(header, Payload(), Keys().rsa, Algorithm::kRs256); }
// The same for a payload.
std::string WithPayload(const std::string& payload) {
  return MakeJwt(R"({"alg":"RS256","kid":"r"})", payload, Keys().rsa, Algorithm::kRs256);
}
std::string WithClaim(const char* name, json value) {
  json claims = GoodClaims();
  claims[name] = std::move(value);
  return RsToken(claims);
}
std::string WithoutClaim(const char* name) {
  json claims = GoodClaims();
  claims.erase(name);
  return RsToken(claims);
}
// The payload with one member as raw JSON text in place of `name`'s.
std::string WithRawClaim(const char* name, const std::string& value) {
  json claims = GoodClaims();
  claims.erase(name);
  std::string text = claims.dump();
  text.pop_back();
  return WithPayload(text + ",\"" + name + "\":" + value + "}");
}

std::string SigningInputOf(const std::string& token) { return token.substr(0, token.rfind('.')); }
// `token` with this signature in place of its own.
std::string WithSignature(const std::string& token, std::string_view signature) {
  return SigningInputOf(token) + "." + Base64UrlEncode(signature);
}

TEST(JwtAttack, NoSignature) {
  std::vector<Case> cases = {
      {"accepted", WithHeader(R"({"alg":"RS256"})"), R::kNone},
      {"without alg", WithHeader("{}"), R::kAlgorithm},
      {"alg null", WithHeader(R"({"alg":null})"), R::kAlgorithm},
      {"alg list", WithHeader(R"({"alg":["RS256"]})"), R::kAlgorithm},
      {"alg object", WithHeader(R"({"alg":{"RS256":true}})"), R::kAlgorithm},
      {"alg number", WithHeader(R"({"alg":256})"), R::kAlgorithm},
      {"alg empty", WithHeader(R"({"alg":""})"), R::kAlgorithm},
      {"alg with space", WithHeader(R"({"alg":"RS256 "})"), R::kAlgorithm},
      {"alg lower case", WithHeader(R"({"alg":"rs256"})"), R::kAlgorithm},
      {"alg with NUL", WithHeader(R"({"alg":"RS256\u0000"})"), R::kAlgorithm},
      {"Alg", WithHeader(R"({"Alg":"RS256"})"), R::kAlgorithm},
      {"none, empty signature", MakeJwt(R"({"alg":"none"})", Payload(), ""), R::kMalformed},
      {"none, no third part", SigningInputOf(MakeJwt(R"({"alg":"none"})", Payload(), "")), R::kMalformed},
      {"RS256, empty signature", WithSignature(RsToken(), ""), R::kMalformed},
      {"RS256, zeros", WithSignature(RsToken(), std::string(256, '\0')), R::kSignature},
      {"RS256, one zero", WithSignature(RsToken(), std::string(1, '\0')), R::kSignature},
      {"signature null", SigningInputOf(RsToken()) + "." + Base64UrlEncode("null"), R::kSignature},
  };
  // `none` in all sixteen spellings, with a true signature and with a made-up one.
  for (int bits = 0; bits < 16; ++bits) {
    std::string none = "none";
    for (std::size_t i = 0; i < none.size(); ++i) {
      if ((bits >> i & 1) != 0) none[i] = static_cast<char>(std::toupper(none[i]));
    }
    cases.push_back({none, WithHeader(R"({"alg":")" + none + "\"}"), R::kAlgorithm});
    cases.push_back({none + " made up", MakeJwt(R"({"alg":")" + none + "\"}", Payload(), "x"), R::kAlgorithm});
  }
  ExpectReasons(cases);
}

TEST(JwtAttack, AlgorithmConfusionWithPublicKeys) {
  const auto& rsa = Keys().rsa;
  const auto hs = [](const std::string& secret, Algorithm algorithm = Algorithm::kHs256) {
    return MakeJwt(R"({"alg":")" + std::string(jose::AlgorithmName(algorithm)) + R"(","kid":"r"})", Payload(),
                   SigningKey::Hmac(secret), algorithm);
  };
  const std::string pem = rsa.PublicPem();
  const std::vector<Case> cases = {
      {"HS256 with the PEM", hs(pem), R::kAlgorithm},
      {"HS256 with the PEM without its last line feed", hs(pem.substr(0, pem.size() - 1)), R::kAlgorithm},
      {"HS384 with the PEM", hs(pem, Algorithm::kHs384), R::kAlgorithm},
      {"HS512 with the PEM", hs(pem, Algorithm::kHs512), R::kAlgorithm},
      {"HS256 with the PKCS #1 PEM", hs(rsa.RsaPublicPem()), R::kAlgorithm},
      {"HS256 with the certificate", hs(rsa.CertificatePem()), R::kAlgorithm},
      {"HS256 with the JWK", hs(rsa.Jwk()), R::kAlgorithm},
      {"HS256 with the key set", hs(JwksOf(rsa.Jwk())), R::kAlgorithm},
      {"HS256 with the modulus", hs(rsa.Parameter("n")), R::kAlgorithm},
      {"HS256 with no secret", hs(""), R::kAlgorithm},
  };
  ExpectReasons(cases);
  // Even where HMAC is permitted beside public keys, which no configuration does, a public key is no secret.
  auto options = testing::PublicKeyOptions();
  options.rules.algorithms.Insert(Algorithm::kHs256);
  options.rules.algorithms.Insert(Algorithm::kHs384);
  options.rules.algorithms.Insert(Algorithm::kHs512);
  auto lax = AuthenticatorOf(options, Keys().Public());
  for (const auto& [name, token, reason] : cases) EXPECT_EQ(lax.ReasonFor(token), R::kNoKey) << name;
}

TEST(JwtAttack, AlgorithmConfusionWithSecrets) {
  const std::string header = R"({"alg":"HS256"})";
  const SigningKey& hmac = Keys().hmac;
  auto authenticator = HmacAuthenticator();
  ExpectReasons(
      authenticator,
      {
          {"accepted", MakeJwt(header, Payload(), hmac, Algorithm::kHs256), R::kNone},
          {"RS256", RsToken(), R::kAlgorithm},
          {"none", MakeJwt(R"({"alg":"none"})", Payload(), "x"), R::kAlgorithm},
          {"HS512 with the secret", MakeJwt(R"({"alg":"HS512"})", Payload(), hmac, Algorithm::kHs512), R::kAlgorithm},
          {"HS384's code", MakeJwt(header, Payload(), hmac, Algorithm::kHs384), R::kSignature},
          {"no secret", MakeJwt(header, Payload(), SigningKey::Hmac(""), Algorithm::kHs256), R::kSignature},
          {"NUL as secret", MakeJwt(header, Payload(), SigningKey::Hmac(std::string(32, '\0')), Algorithm::kHs256),
           R::kSignature},
          {"another secret", MakeJwt(header, Payload(), SigningKey::Hmac("secret"), Algorithm::kHs256), R::kSignature},
          {"half of the code",
           WithSignature(MakeJwt(header, Payload(), ""),
                         hmac.Sign(Algorithm::kHs256, SigningInputOf(MakeJwt(header, Payload(), ""))).substr(0, 16)),
           R::kSignature},
      });
}

TEST(JwtAttack, OneFamilysSignatureAsAnothers) {
  const auto& rsa = Keys().rsa;
  const auto& ec = Keys().ec;
  const auto& ed = Keys().ed;
  const std::string rs = R"({"alg":"RS256"})";
  const std::string ps = R"({"alg":"PS256"})";
  const std::string es = R"({"alg":"ES256"})";
  const std::string eddsa = R"({"alg":"EdDSA"})";
  const auto pss = [&](const char* hash, const char* mgf1, int salt) {
    const std::string token = MakeJwt(ps, Payload(), "");
    return WithSignature(token, rsa.SignPss(SigningInputOf(token), hash, mgf1, salt));
  };
  ExpectReasons({
      {"RS256 accepted", MakeJwt(rs, Payload(), rsa, Algorithm::kRs256), R::kNone},
      {"PS256 accepted", MakeJwt(ps, Payload(), rsa, Algorithm::kPs256), R::kNone},
      {"ES256 accepted", MakeJwt(es, Payload(), ec, Algorithm::kEs256), R::kNone},
      {"EdDSA accepted", MakeJwt(eddsa, Payload(), ed, Algorithm::kEdDsa), R::kNone},
      {"PS256 with the right salt accepted", pss("SHA256", "SHA256", 32), R::kNone},
      {"RS256's as PS256", MakeJwt(ps, Payload(), rsa, Algorithm::kRs256), R::kSignature},
      {"PS256's as RS256", MakeJwt(rs, Payload(), rsa, Algorithm::kPs256), R::kSignature},
      {"RS512's as RS256", MakeJwt(rs, Payload(), rsa, Algorithm::kRs512), R::kSignature},
      {"RS384 is not permitted", MakeJwt(R"({"alg":"RS384"})", Payload(), rsa, Algorithm::kRs384), R::kAlgorithm},
      {"PS256, no salt", pss("SHA256", "SHA256", 0), R::kSignature},
      {"PS256, longest salt", pss("SHA256", "SHA256", 222), R::kSignature},
      {"PS256, MGF1 with SHA-1", pss("SHA256", "SHA1", 32), R::kSignature},
      {"PS256, SHA-512", pss("SHA512", "SHA512", 64), R::kSignature},
      {"RSA's as ES256", MakeJwt(es, Payload(), rsa, Algorithm::kRs256), R::kSignature},
      {"ECDSA's as RS256", MakeJwt(rs, Payload(), ec, Algorithm::kEs256), R::kSignature},
      {"ECDSA's as EdDSA", MakeJwt(eddsa, Payload(), ec, Algorithm::kEs256), R::kSignature},
      {"EdDSA's as ES256", MakeJwt(es, Payload(), ed, Algorithm::kEdDsa), R::kSignature},
      {"ES384 of another curve", MakeJwt(R"({"alg":"ES384"})", Payload(), SigningKey::Ec("P-384"), Algorithm::kEs384),
       R::kAlgorithm},
      {"ES256K", MakeJwt(R"({"alg":"ES256K"})", Payload(), ec, Algorithm::kEs256), R::kAlgorithm},
      {"RS256 with the id of the EC key", WithHeader(R"({"alg":"RS256","kid":"e"})"), R::kNoKey},
      {"ES256 with the id of the RSA key", MakeJwt(R"({"alg":"ES256","kid":"r"})", Payload(), ec, Algorithm::kEs256),
       R::kNoKey},
  });
}

TEST(JwtAttack, UnsoundEcdsaAndEdDsaSignatures) {
  const std::string es = MakeJwt(R"({"alg":"ES256"})", Payload(), Keys().ec, Algorithm::kEs256);
  const std::string raw = Base64UrlDecode(es.substr(es.rfind('.') + 1)).value();
  const std::string r = raw.substr(0, 32);
  const std::string s = raw.substr(32);
  const std::string zero(32, '\0');
  const std::string order = Base64UrlDecode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").value();
  const std::string ed = MakeJwt(R"({"alg":"EdDSA"})", Payload(), Keys().ed, Algorithm::kEdDsa);
  const std::string ed_raw = Base64UrlDecode(ed.substr(ed.rfind('.') + 1)).value();
  ExpectReasons({
      {"ES256 accepted", WithSignature(es, r + s), R::kNone},
      {"r = s = 0", WithSignature(es, zero + zero), R::kSignature},
      {"r = 0", WithSignature(es, zero + s), R::kSignature},
      {"s = 0", WithSignature(es, r + zero), R::kSignature},
      {"r = s = n", WithSignature(es, order + order), R::kSignature},
      {"r = n", WithSignature(es, order + s), R::kSignature},
      {"s = n", WithSignature(es, r + order), R::kSignature},
      {"exchanged", WithSignature(es, s + r), R::kSignature},
      {"DER", WithSignature(es, Keys().ec.SignDer(SigningInputOf(es), "SHA256")), R::kSignature},
      {"63 bytes", WithSignature(es, raw.substr(0, 63)), R::kSignature},
      {"65 bytes", WithSignature(es, raw + '\0'), R::kSignature},
      {"zeros in front of both", WithSignature(es, '\0' + r + '\0' + s), R::kSignature},
      {"a zero in front", WithSignature(es, '\0' + raw), R::kSignature},
      {"EdDSA accepted", WithSignature(ed, ed_raw), R::kNone},
      {"EdDSA, 63 bytes", WithSignature(ed, ed_raw.substr(0, 63)), R::kSignature},
      {"EdDSA, 65 bytes", WithSignature(ed, ed_raw + '\0'), R::kSignature},
      {"EdDSA, 114 bytes", WithSignature(ed, ed_raw + std::string(50, '\0')), R::kSignature},
      {"EdDSA, zeros", WithSignature(ed, std::string(64, '\0')), R::kSignature},
      {"EdDSA, S not reduced", WithSignature(ed, ed_raw.substr(0, 32) + std::string(32, '\xff')), R::kSignature},
  });
}

TEST(JwtAttack, WeakKeysOfTheIssuerDoNotCount) {
  const auto weak = SigningKey::Rsa(1024);
  const auto& rsa = Keys().rsa;
  const std::string modulus = Base64UrlEncode(rsa.Parameter("n"));
  const auto keys = jose::ParseJwks(JwksOf(
      rsa.Jwk(R"(,"kid":"r")") + "," + weak.Jwk(R"(,"kid":"weak")") + R"(,{"kty":"RSA","kid":"one","e":"AQ","n":")" +
      modulus + R"("},)" + SigningKey::Hmac(testing::kHmacSecret).Jwk(R"(,"kid":"oct")") +
      R"(,{"kty":"OKP","crv":"Ed25519","kid":"zero","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},)" +
      SigningKey::Ec("P-256").Jwk(R"(,"kid":"enc","use":"enc")")));
  ASSERT_OK(keys);
  auto options = testing::PublicKeyOptions();
  options.rules.algorithms.Insert(Algorithm::kHs256);
  auto authenticator = AuthenticatorOf(options, *keys);
  // With the exponent 1 a signature is the padded hash, which everyone can write.
  const std::string unsigned_one = MakeJwt(R"({"alg":"RS256","kid":"one"})", Payload(), "");
  const auto identity_signature = [&] {
    const std::string padding = std::string("\0\1", 2) + std::string(256 - 54, '\xff') + '\0';
    return WithSignature(unsigned_one, padding + std::string(51, 'h'));
  };
  ExpectReasons(authenticator,
                {
                    {"accepted", RsToken(), R::kNone},
                    {"RSA with 1024 bits",
                     MakeJwt(R"({"alg":"RS256","kid":"weak"})", Payload(), weak, Algorithm::kRs256), R::kNoKey},
                    {"the exponent 1", identity_signature(), R::kNoKey},
                    {"a secret in the key set",
                     MakeJwt(R"({"alg":"HS256","kid":"oct"})", Payload(), Keys().hmac, Algorithm::kHs256), R::kNoKey},
                    {"an Ed25519 key of zeros",
                     MakeJwt(R"({"alg":"EdDSA","kid":"zero"})", Payload(), std::string(64, '\0')), R::kNoKey},
                    {"a key for encryption", MakeJwt(R"({"alg":"ES256","kid":"enc"})", Payload(), std::string(64, 'x')),
                     R::kNoKey},
                });
  EXPECT_FALSE(jose::VerificationKey::FromSecret(Algorithm::kHs256, std::string(31, 's')).ok());
}

// Keys and addresses of keys in a token are the attacker's.
TEST(JwtAttack, KeysInTheToken) {
  const auto mine = SigningKey::Rsa();
  const auto with = [&](const std::string& more) {
    return MakeJwt(R"({"alg":"RS256")" + more + "}", Payload(), mine, Algorithm::kRs256);
  };
  ExpectReasons({
      {"embedded jwk", with(",\"jwk\":" + mine.Jwk()), R::kSignature},
      {"embedded jwk with the issuer's id", with(",\"kid\":\"r\",\"jwk\":" + mine.Jwk(R"(,"kid":"r")")), R::kSignature},
      {"jku", with(R"(,"jku":"https://evil.example/jwks.json")"), R::kSignature},
      {"jku of the metadata service", with(R"(,"jku":"http://169.254.169.254/")"), R::kSignature},
      {"x5u", with(R"(,"x5u":"https://evil.example/cert.pem")"), R::kSignature},
      {"x5c", with(",\"x5c\":[\"" + Base64UrlEncode(mine.CertificatePem()) + "\"]"), R::kSignature},
      {"x5t", with(R"(,"x5t":"AAAA")"), R::kSignature},
      {"accepted, since they are ignored",
       WithHeader(R"({"alg":"RS256","jwk":)" + mine.Jwk() + R"(,"jku":"https://evil.example/","x5c":[1]})"), R::kNone},
  });
}

TEST(JwtAttack, KeyIds) {
  const auto with = [](const std::string& kid) { return WithHeader(R"({"alg":"RS256","kid":)" + kid + "}"); };
  ExpectReasons({
      {"accepted", with(R"("r")"), R::kNone},
      {"none accepted", WithHeader(R"({"alg":"RS256"})"), R::kNone},
      {"empty accepted, as none", with(R"("")"), R::kNone},
      {"path", with(R"("../../../../dev/null")"), R::kNoKey},
      {"file", with(R"("file:///etc/passwd")"), R::kNoKey},
      {"SQL", with(R"("r' UNION SELECT 'key")"), R::kNoKey},
      {"command", with(R"("r|/bin/true")"), R::kNoKey},
      {"NUL", with(R"("r\u0000")"), R::kNoKey},
      {"other case", with(R"("R")"), R::kNoKey},
      {"space", with(R"(" r")"), R::kNoKey},
      {"line feed", with(R"("r\n")"), R::kNoKey},
      {"256 bytes", with("\"" + std::string(256, 'k') + "\""), R::kNoKey},
      {"257 bytes", with("\"" + std::string(257, 'k') + "\""), R::kHeader},
      {"null", with("null"), R::kHeader},
      {"number", with("1"), R::kHeader},
      {"list", with(R"(["r"])"), R::kHeader},
      {"object", with(R"({"r":1})"), R::kHeader},
      {"true", with("true"), R::kHeader},
  });
}

TEST(JwtAttack, Extensions) {
  const auto with = [](const std::string& more) { return WithHeader(R"({"alg":"RS256")" + more + "}"); };
  ExpectReasons({
      {"accepted with unknown members", with(R"(,"cty":"x","nonce":"y","new":{"a":[1]})"), R::kNone},
      {"crit", with(R"(,"crit":["new"],"new":1)"), R::kExtension},
      {"crit, empty", with(R"(,"crit":[])"), R::kExtension},
      {"crit null", with(R"(,"crit":null)"), R::kExtension},
      {"crit exp", with(R"(,"crit":["exp"],"exp":1)"), R::kExtension},
      {"b64 false", with(R"(,"b64":false,"crit":["b64"])"), R::kExtension},
      {"b64 false without crit", with(R"(,"b64":false)"), R::kExtension},
      {"zip", with(R"(,"zip":"DEF")"), R::kExtension},
      {"enc", with(R"(,"enc":"A256GCM")"), R::kExtension},
  });
}

TEST(JwtAttack, Types) {
  const auto with = [](const std::string& typ) { return WithHeader(R"({"alg":"RS256","typ":)" + typ + "}"); };
  ExpectReasons({
      {"JWT accepted", with(R"("JWT")"), R::kNone},
      {"at+jwt accepted", with(R"("at+jwt")"), R::kNone},
      {"media type accepted", with(R"("application/at+JWT")"), R::kNone},
      {"empty accepted, as none", with(R"("")"), R::kNone},
      {"logout token", with(R"("logout+jwt")"), R::kType},
      {"security event", with(R"("secevent+jwt")"), R::kType},
      {"proof of possession", with(R"("dpop+jwt")"), R::kType},
      {"request object", with(R"("oauth-authz-req+jwt")"), R::kType},
      {"client's own", with(R"("client-authentication+jwt")"), R::kType},
      {"JWE", with(R"("JWE")"), R::kType},
      {"space", with(R"("JWT ")"), R::kType},
      {"null", with("null"), R::kHeader},
      {"number", with("1"), R::kHeader},
      {"list", with(R"(["JWT"])"), R::kHeader},
  });
  auto options = testing::PublicKeyOptions();
  options.rules.type = "at+jwt";
  auto access_only = AuthenticatorOf(options, Keys().Public());
  ExpectReasons(access_only, {
                                 {"access token accepted", with(R"("AT+jwt")"), R::kNone},
                                 {"media type accepted", with(R"("application/at+jwt")"), R::kNone},
                                 {"ID token", with(R"("JWT")"), R::kType},
                                 {"no type", WithHeader(R"({"alg":"RS256"})"), R::kType},
                                 {"doubled", with(R"("application/application/at+jwt")"), R::kType},
                             });
}

TEST(JwtAttack, Duplicates) {
  const std::string claims = Payload().substr(1);
  ExpectReasons({
      {"accepted", WithPayload("{" + claims), R::kNone},
      {"alg twice", WithHeader(R"({"alg":"none","alg":"RS256"})"), R::kMalformed},
      {"alg twice, the same", WithHeader(R"({"alg":"RS256","alg":"RS256"})"), R::kMalformed},
      {"alg escaped", WithHeader(R"({"alg":"RS256","\u0061lg":"none"})"), R::kMalformed},
      {"kid twice", WithHeader(R"({"alg":"RS256","kid":"r","kid":"x"})"), R::kMalformed},
      {"sub twice", WithPayload(R"({"sub":"mallory",)" + claims), R::kMalformed},
      {"sub escaped", WithPayload(R"({"s\u0075b":"mallory",)" + claims), R::kMalformed},
      {"iss twice", WithPayload(R"({"iss":"x",)" + claims), R::kMalformed},
      {"exp twice", WithPayload(R"({"exp":99999999999,)" + claims), R::kMalformed},
      {"deep inside", WithPayload(R"({"a":[{"b":1,"b":2}],)" + claims), R::kMalformed},
      {"same name at other depths accepted", WithPayload(R"({"a":{"sub":"x"},"b":[{"sub":1},{"sub":2}],)" + claims),
       R::kNone},
  });
}

TEST(JwtAttack, Issuers) {
  ExpectReasons({
      {"accepted", RsToken(), R::kNone},
      {"absent", WithoutClaim("iss"), R::kIssuer},
      {"another", WithClaim("iss", "https://login.evil.dev/"), R::kIssuer},
      {"no final slash", WithClaim("iss", "https://login.acme.dev"), R::kIssuer},
      {"more", WithClaim("iss", "https://login.acme.dev/realm"), R::kIssuer},
      {"other case", WithClaim("iss", "https://LOGIN.acme.dev/"), R::kIssuer},
      {"space", WithClaim("iss", " https://login.acme.dev/"), R::kIssuer},
      {"NUL", WithClaim("iss", std::string("https://login.acme.dev/\0", 24)), R::kIssuer},
      {"user part", WithClaim("iss", "https://login.acme.dev/@evil.dev/"), R::kIssuer},
      {"empty", WithClaim("iss", ""), R::kIssuer},
      {"list", WithClaim("iss", {testing::kIssuer}), R::kIssuer},
      {"list of two", WithClaim("iss", {"x", testing::kIssuer}), R::kIssuer},
      {"object", WithClaim("iss", {{"url", testing::kIssuer}}), R::kIssuer},
      {"null", WithClaim("iss", nullptr), R::kIssuer},
      {"number", WithClaim("iss", 1), R::kIssuer},
      {"true", WithClaim("iss", true), R::kIssuer},
  });
}

TEST(JwtAttack, Audiences) {
  ExpectReasons({
      {"accepted", WithClaim("aud", testing::kAudience), R::kNone},
      {"other configured one accepted", WithClaim("aud", "other"), R::kNone},
      {"list accepted", WithClaim("aud", json::array({"x", testing::kAudience})), R::kNone},
      {"absent", WithoutClaim("aud"), R::kAudience},
      {"an ID token of another client", WithClaim("aud", "webmail"), R::kAudience},
      {"prefix", WithClaim("aud", "call"), R::kAudience},
      {"more", WithClaim("aud", "calls2"), R::kAudience},
      {"both in one text", WithClaim("aud", "x calls"), R::kAudience},
      {"glob", WithClaim("aud", "*"), R::kAudience},
      {"empty", WithClaim("aud", ""), R::kAudience},
      {"empty list", WithClaim("aud", json::array()), R::kAudience},
      {"list of others", WithClaim("aud", json::array({"x", "y"})), R::kAudience},
      {"list in a list", WithClaim("aud", json::array({json::array({testing::kAudience})})), R::kAudience},
      {"list with a number", WithClaim("aud", json::array({testing::kAudience, 1})), R::kAudience},
      {"list with null", WithClaim("aud", json::array({nullptr, testing::kAudience})), R::kAudience},
      {"object", WithClaim("aud", {{testing::kAudience, true}}), R::kAudience},
      {"null", WithClaim("aud", nullptr), R::kAudience},
      {"number", WithClaim("aud", 1), R::kAudience},
      {"azp in its place", WithRawClaim("aud", R"("x","azp":"calls")"), R::kAudience},
  });
  auto options = testing::PublicKeyOptions();
  options.rules.audience_claim = "azp";
  auto by_party = AuthenticatorOf(options, Keys().Public());
  ExpectReasons(by_party, {
                              {"azp accepted", WithClaim("azp", "calls"), R::kNone},
                              {"only aud", RsToken(), R::kAudience},
                              {"another party", WithClaim("azp", "webmail"), R::kAudience},
                          });
}

TEST(JwtAttack, Times) {
  ExpectReasons({
      {"accepted", WithClaim("exp", kNowSeconds + 1), R::kNone},
      {"within the leeway accepted", WithClaim("exp", kNowSeconds - 59), R::kNone},
      {"fraction accepted", WithClaim("exp", static_cast<double>(kNowSeconds) + 0.5), R::kNone},
      {"huge accepted", WithRawClaim("exp", "1e300"), R::kNone},
      {"2^64 accepted", WithRawClaim("exp", "18446744073709551616"), R::kNone},
      {"nbf in the past accepted", WithClaim("nbf", kNowSeconds - 1000), R::kNone},
      {"nbf within the leeway accepted", WithClaim("nbf", kNowSeconds + 60), R::kNone},
      {"nbf of -1e300 accepted", WithRawClaim("nbf", "-1e300"), R::kNone},
      {"iat within the leeway accepted", WithClaim("iat", kNowSeconds + 60), R::kNone},
      {"exp absent", WithoutClaim("exp"), R::kTime},
      {"exp text", WithClaim("exp", std::to_string(kNowSeconds + 300)), R::kTime},
      {"exp null", WithClaim("exp", nullptr), R::kTime},
      {"exp list", WithClaim("exp", json::array({kNowSeconds + 300})), R::kTime},
      {"exp true", WithClaim("exp", true), R::kTime},
      {"exp object", WithClaim("exp", json::object()), R::kTime},
      {"exp at the leeway's end", WithClaim("exp", kNowSeconds - 60), R::kExpired},
      {"exp long ago", WithClaim("exp", 1), R::kExpired},
      {"exp zero", WithClaim("exp", 0), R::kExpired},
      {"exp negative", WithClaim("exp", -kNowSeconds), R::kExpired},
      {"exp the least integer", WithRawClaim("exp", "-9223372036854775808"), R::kExpired},
      {"exp -1e300", WithRawClaim("exp", "-1e300"), R::kExpired},
      {"exp 1e400", WithRawClaim("exp", "1e400"), R::kMalformed},
      {"exp -1e400", WithRawClaim("exp", "-1e400"), R::kMalformed},
      {"exp NaN", WithRawClaim("exp", "NaN"), R::kMalformed},
      {"exp Infinity", WithRawClaim("exp", "Infinity"), R::kMalformed},
      {"exp hexadecimal", WithRawClaim("exp", "0x7fffffff"), R::kMalformed},
      {"exp with a leading zero", WithRawClaim("exp", "01900000300"), R::kMalformed},
      {"nbf beyond the leeway", WithClaim("nbf", kNowSeconds + 61), R::kNotYetValid},
      {"nbf huge", WithRawClaim("nbf", "1e300"), R::kNotYetValid},
      {"nbf 2^63", WithRawClaim("nbf", "9223372036854775808"), R::kNotYetValid},
      {"nbf text", WithClaim("nbf", "0"), R::kTime},
      {"nbf null", WithClaim("nbf", nullptr), R::kTime},
      {"iat beyond the leeway", WithClaim("iat", kNowSeconds + 61), R::kNotYetValid},
      {"iat text", WithClaim("iat", "yesterday"), R::kTime},
      {"iat null", WithClaim("iat", nullptr), R::kTime},
  });
}

TEST(JwtAttack, Subjects) {
  ExpectReasons({
      {"accepted", WithClaim("sub", "a"), R::kNone},
      {"256 bytes accepted", WithClaim("sub", std::string(256, 'a')), R::kNone},
      {"UTF-8 accepted", WithClaim("sub", "J\u00fcrgen \u00a0|\u4e2d"), R::kNone},
      {"absent", WithoutClaim("sub"), R::kSubject},
      {"empty", WithClaim("sub", ""), R::kSubject},
      {"257 bytes", WithClaim("sub", std::string(257, 'a')), R::kSubject},
      {"null", WithClaim("sub", nullptr), R::kSubject},
      {"number", WithClaim("sub", 1), R::kSubject},
      {"true", WithClaim("sub", true), R::kSubject},
      {"list", WithClaim("sub", json::array({"alice"})), R::kSubject},
      {"object", WithClaim("sub", {{"id", "alice"}}), R::kSubject},
      {"NUL", WithClaim("sub", std::string("alice\0bob", 9)), R::kSubject},
      {"line feed", WithClaim("sub", "alice\n"), R::kSubject},
      {"tab", WithClaim("sub", "\talice"), R::kSubject},
      {"DEL", WithClaim("sub", "alice\x7f"), R::kSubject},
      {"next line", WithClaim("sub", "alice\u0085"), R::kSubject},
      {"escape of C1", WithClaim("sub", "\u009b31m"), R::kSubject},
  });
}

TEST(JwtAttack, TokensOfOtherKinds) {
  json join = GoodClaims();
  join["video"] = {{"roomJoin", true}, {"room", "r"}};
  json livekit = join;
  livekit["iss"] = testing::kLiveKitKey;
  const auto hs = [](const json& claims) {
    return MakeJwt(R"({"alg":"HS256","typ":"JWT"})", claims.dump(), Keys().hmac, Algorithm::kHs256);
  };
  const std::string token = RsToken();
  const std::string signature = token.substr(token.rfind('.') + 1);
  const std::string payload = token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1);
  const std::string header = token.substr(0, token.find('.'));
  ExpectReasons({
      {"video claim", RsToken(join), R::kLiveKitToken},
      {"video claim, empty", WithClaim("video", json::object()), R::kLiveKitToken},
      {"video claim, null", WithClaim("video", nullptr), R::kLiveKitToken},
      {"a LiveKit token", hs(livekit), R::kAlgorithm},
      {"a LiveKit token, signed again", RsToken(livekit), R::kLiveKitToken},
      {"issuer is an API key", WithClaim("iss", testing::kLiveKitKey), R::kLiveKitToken},
      {"nested token", MakeJwt(R"({"alg":"RS256","cty":"JWT"})", token, Keys().rsa, Algorithm::kRs256), R::kMalformed},
      {"JWE", "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a2V5.aXY.Y2lwaGVydGV4dA.dGFn", R::kMalformed},
      {"JWE without key", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVydGV4dA.dGFn", R::kMalformed},
      {"JSON form",
       R"({"payload":")" + payload + R"(","protected":")" + header + R"(","signature":")" + signature + "\"}",
       R::kMalformed},
      {"JSON form in a part", Base64UrlEncode("{\"signatures\":[]}") + "." + payload + "." + signature, R::kAlgorithm},
      {"payload null", WithPayload("null"), R::kMalformed},
      {"payload list", WithPayload("[" + Payload() + "]"), R::kMalformed},
      {"payload text", WithPayload("\"" + std::string("alice") + "\""), R::kMalformed},
      {"payload empty object", WithPayload("{}"), R::kIssuer},
      {"an unsigned change of the payload",
       header + "." + Base64UrlEncode(json({{"iss", testing::kIssuer}, {"sub", "root"}}).dump()) + "." + signature,
       R::kSignature},
      {"another token's header", Base64UrlEncode(R"({"alg":"RS256"})") + "." + payload + "." + signature,
       R::kSignature},
  });
  // Where HMAC is used at all, with the very secret of LiveKit: the claims still tell.
  auto with_secret = HmacAuthenticator();
  ExpectReasons(with_secret, {{"accepted", hs(GoodClaims()), R::kNone},
                              {"join token", hs(livekit), R::kLiveKitToken},
                              {"join token of the issuer", hs(join), R::kLiveKitToken}});
}

TEST(JwtAttack, Encodings) {
  const std::string token = RsToken();
  const std::string front = SigningInputOf(token);
  const std::string signature = token.substr(token.rfind('.') + 1);
  ASSERT_EQ(signature.size() % 4, 2u);  // 256 bytes: four bits of the last character are unused
  std::string sloppy = token;
  sloppy.back() = static_cast<char>(sloppy.back() + 1);
  std::string standard = token;
  standard[token.size() - 10] = '+';
  ExpectReasons({
      {"accepted", token, R::kNone},
      {"padding", token + "==", R::kMalformed},
      {"one padding", token + "=", R::kMalformed},
      {"unused bits", sloppy, R::kMalformed},
      {"the other alphabet", standard, R::kMalformed},
      {"line feed inside", front + ".\n" + signature, R::kMalformed},
      {"tab at the end", token + "\t", R::kMalformed},
      {"NUL at the end", token + '\0', R::kMalformed},
      {"dot at the end", token + ".", R::kMalformed},
      {"dot in front", "." + token, R::kMalformed},
      {"four parts", token + "." + signature, R::kMalformed},
      {"two tokens", token + "," + token, R::kMalformed},
      {"quotes", "\"" + token + "\"", R::kMalformed},
      {"Bearer twice", "Bearer " + token, R::kMalformed},
      {"percent encoding", front + "%2e" + signature, R::kMalformed},
      {"no header", token.substr(token.find('.')), R::kMalformed},
      {"only dots", "..", R::kMalformed},
      {"nothing", "", R::kMalformed},
      {"BOM before the header", WithHeader("\xef\xbb\xbf{\"alg\":\"RS256\"}"), R::kMalformed},
      {"BOM before the payload", WithPayload("\xef\xbb\xbf" + Payload()), R::kMalformed},
      {"UTF-16 header", WithHeader(std::string("{\0\"\0a\0", 6)), R::kMalformed},
      {"trailing text after the header", WithHeader(R"({"alg":"RS256"}x)"), R::kMalformed},
      {"two objects in the payload", WithPayload(Payload() + Payload()), R::kMalformed},
      {"NUL after the payload", WithPayload(Payload() + '\0'), R::kMalformed},
      {"comment", WithPayload("/**/" + Payload()), R::kMalformed},
      {"trailing comma", WithRawClaim("a", "1,"), R::kMalformed},
      {"UTF-8 cut off", WithRawClaim("a", "\"\xc3\""), R::kMalformed},
      {"overlong UTF-8", WithRawClaim("a", "\"\xc0\xaf\""), R::kMalformed},
      {"surrogate in UTF-8", WithRawClaim("a", "\"\xed\xa0\x80\""), R::kMalformed},
      {"lone surrogate", WithRawClaim("a", R"("\ud800")"), R::kMalformed},
      {"control character", WithRawClaim("a", "\"\n\""), R::kMalformed},
      {"white space around the payload accepted", WithPayload(" \r\n\t" + Payload() + "\n"), R::kNone},
  });
}

TEST(JwtAttack, DepthAndSize) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  const std::string small = WithRawClaim("a", "\"\"");
  // Four characters stand for three bytes.
  const std::size_t room = (jose::kMaxJwtBytes - small.size()) / 4 * 3 - 3;
  ExpectReasons({
      {"31 levels below the top accepted", WithRawClaim("a", nested(31)), R::kNone},
      {"32 levels below the top", WithRawClaim("a", nested(32)), R::kMalformed},
      {"4000 levels", WithRawClaim("a", nested(4000)), R::kMalformed},
      {"4000 levels that do not end", WithRawClaim("a", std::string(4000, '[')), R::kMalformed},
      {"a deep header", WithHeader(R"({"alg":"RS256","a":)" + nested(100) + "}"), R::kMalformed},
      {"nearly 16 KiB accepted", WithRawClaim("a", "\"" + std::string(room, 'a') + "\""), R::kNone},
      {"more than 16 KiB", WithRawClaim("a", "\"" + std::string(room + 10, 'a') + "\""), R::kMalformed},
      {"1 MiB", WithRawClaim("a", "\"" + std::string(1 << 20, 'a') + "\""), R::kMalformed},
      {"1 MiB of dots", std::string(1 << 20, '.'), R::kMalformed},
      {"many members accepted",
       WithRawClaim("a",
                    [] {
                      std::string object = "{";
                      for (int i = 0; i < 1000; ++i) object += "\"" + std::to_string(i) + "\":0,";
                      return object + "\"x\":0}";
                    }()),
       R::kNone},
  });
}

TEST(JwtAttack, EveryBitOfEverySignatureCounts) {
  const std::vector<std::string> tokens = {RsToken(),
                                           MakeJwt(R"({"alg":"PS256"})", Payload(), Keys().rsa, Algorithm::kPs256),
                                           MakeJwt(R"({"alg":"ES256"})", Payload(), Keys().ec, Algorithm::kEs256),
                                           MakeJwt(R"({"alg":"EdDSA"})", Payload(), Keys().ed, Algorithm::kEdDsa)};
  auto authenticator = PublicKeyAuthenticator();
  for (const std::string& token : tokens) {
    const std::string raw = Base64UrlDecode(token.substr(token.rfind('.') + 1)).value();
    for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
      std::string changed = raw;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      ASSERT_EQ(authenticator.ReasonFor(WithSignature(token, changed)), R::kSignature) << "bit " << bit;
    }
    EXPECT_EQ(authenticator.ReasonFor(token), R::kNone);
  }
}

// Also once the whole token is known and cached.
TEST(JwtAttack, EveryTruncationAndEveryChangedCharacterIsRefused) {
  const std::string token = MakeJwt(R"({"alg":"EdDSA"})", Payload(), Keys().ed, Algorithm::kEdDsa);
  auto authenticator = PublicKeyAuthenticator();
  ASSERT_EQ(authenticator.ReasonFor(token), R::kNone);
  ASSERT_EQ(authenticator->cached_tokens(), 1u);
  for (std::size_t size = 0; size < token.size(); ++size) {
    ASSERT_NE(authenticator.ReasonFor(token.substr(0, size)), R::kNone) << size;
  }
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    ASSERT_NE(authenticator.ReasonFor(changed), R::kNone) << i;
  }
  EXPECT_EQ(authenticator->cached_tokens(), 1u);
  EXPECT_EQ(authenticator.ReasonFor(token), R::kNone);
}

}  // namespace
}  // namespace livekit::token
