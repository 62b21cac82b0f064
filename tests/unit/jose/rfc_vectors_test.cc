// The examples of the standards verify.
#include <string>
#include <string_view>

#include "base/text.h"
#include "gtest/gtest.h"
#include "jose/jwk.h"
#include "jose/jwt.h"
#include "jose/verification_key.h"
#include "support/jwt_signer.h"
#include "support/status_matchers.h"

namespace livekit::token::jose {
namespace {

using testing::JwksOf;

// The payload of RFC 7515 A.1 to A.3 and of RFC 7519 section 3.1, with its CR LF and two spaces.
constexpr char kJoe[] = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
constexpr char kJoePart[] =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

constexpr char kRfc7515A1Key[] =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
constexpr char kRfc7515A1Code[] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

constexpr char kRfc7515A2Modulus[] =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pC"
    "gNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6"
    "65xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW"
    "yuXpoQ";
constexpr char kRfc7515A2Signature[] =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
    "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
    "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
    "Ge77Rw";

constexpr char kRfc7517RsaModulus[] =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
    "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"
    "MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ"
    "zKnqDKgw";

constexpr char kRfc7520Modulus[] =
    "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwG"
    "U_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3u"
    "hGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHd"
    "rNP5zw";
constexpr char kRfc7520Payload[] =
    ".SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5k"
    "IGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.";
constexpr char kRfc7520RsSignature[] =
    "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA"
    "78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQ"
    "dLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18"
    "kDquDg";
constexpr char kRfc7520PsSignature[] =
    "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcb"
    "UrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8I"
    "mUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-"
    "X72Eaw";

std::string RsaJwk(const char* modulus, const std::string& more = "") {
  return std::string(R"({"kty":"RSA","e":"AQAB","n":")") + modulus + "\"" + more + "}";
}

// Whether `token` reads as a token of `algorithm` that the only key of the set has signed. Every other algorithm, and
// the signature with its last byte changed, must fail.
void ExpectVerifies(const std::string& token, Algorithm algorithm, const VerificationKey& key) {
  Jwt jwt;
  ASSERT_EQ(ParseJwt(token, jwt), JwtVerdict::kOk);
  EXPECT_EQ(jwt.algorithm, algorithm);
  for (int i = 0; i < kAlgorithmCount; ++i) {
    const auto other = static_cast<Algorithm>(i);
    EXPECT_EQ(key.Verify(other, jwt.signing_input, jwt.signature), other == algorithm) << AlgorithmName(other);
  }
  std::string changed = jwt.signature;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_FALSE(key.Verify(algorithm, jwt.signing_input, changed));
}

void ExpectVerifies(const std::string& token, Algorithm algorithm, const std::string& jwk) {
  ASSERT_OK_AND_ASSIGN(const KeySet keys, ParseJwks(JwksOf(jwk)));
  ASSERT_EQ(keys.size(), 1u);
  ExpectVerifies(token, algorithm, *keys[0]);
}

TEST(RfcVectors, Rfc7515A1AndRfc7519Section31) {
  const std::string token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + std::string(kJoePart) + "." + kRfc7515A1Code;
  ASSERT_OK_AND_ASSIGN(const auto key,
                       VerificationKey::FromSecret(Algorithm::kHs256, Base64UrlDecode(kRfc7515A1Key).value()));
  ExpectVerifies(token, Algorithm::kHs256, *key);
  Jwt jwt;
  ASSERT_EQ(ParseJwt(token, jwt), JwtVerdict::kOk);
  EXPECT_EQ(jwt.type, "jwt");
  EXPECT_EQ(jwt.payload, kJoe);
  EXPECT_EQ(PeekIssuer(token), "joe");
}

TEST(RfcVectors, Rfc7515A2) {
  ExpectVerifies("eyJhbGciOiJSUzI1NiJ9." + std::string(kJoePart) + "." + kRfc7515A2Signature, Algorithm::kRs256,
                 RsaJwk(kRfc7515A2Modulus));
}

TEST(RfcVectors, Rfc7515A3) {
  ExpectVerifies("eyJhbGciOiJFUzI1NiJ9." + std::string(kJoePart) +
                     ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
                 Algorithm::kEs256,
                 R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                 R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})");
}

TEST(RfcVectors, Rfc7515A4) {
  ExpectVerifies(
      "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-"
      "KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
      Algorithm::kEs512,
      R"({"kty":"EC","crv":"P-521",)"
      R"("x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",)"
      R"("y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"})");
}

// A.5 is a token that nobody signed.
TEST(RfcVectors, Rfc7515A5IsRefused) {
  Jwt jwt;
  EXPECT_EQ(ParseJwt("eyJhbGciOiJub25lIn0." + std::string(kJoePart) + ".", jwt), JwtVerdict::kMalformed);
}

TEST(RfcVectors, Rfc7520Section41And42) {
  ExpectVerifies(std::string("eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9") +
                     kRfc7520Payload + kRfc7520RsSignature,
                 Algorithm::kRs256, RsaJwk(kRfc7520Modulus, R"(,"use":"sig","kid":"bilbo.baggins@hobbiton.example")"));
  ExpectVerifies(std::string("eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9") +
                     kRfc7520Payload + kRfc7520PsSignature,
                 Algorithm::kPs384, RsaJwk(kRfc7520Modulus));
}

TEST(RfcVectors, Rfc8037A4) {
  ExpectVerifies(
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki"
      "4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
      Algorithm::kEdDsa, R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
}

std::string Unhex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// The first test of Ed448, of no text at all.
TEST(RfcVectors, Rfc8032Section74) {
  ASSERT_OK_AND_ASSIGN(
      const auto key,
      VerificationKey::FromEdwards(KeyType::kEd448,
                                   Unhex("5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c"
                                         "7061bd6783df1e50f6cd1fa1abeafe8256180"),
                                   "", std::nullopt));
  const std::string signature = Unhex(
      "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21"
      "bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d9580"
      "8ff2e652600");
  EXPECT_TRUE(key->Verify(Algorithm::kEdDsa, "", signature));
  EXPECT_FALSE(key->Verify(Algorithm::kEdDsa, "a", signature));
}

// A.1: a key for encryption, which is left out, and one for signatures.
TEST(RfcVectors, Rfc7517A1) {
  ASSERT_OK_AND_ASSIGN(const Jwks set,
                       ReadJwks(JwksOf(R"({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
                                       R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},)" +
                                       RsaJwk(kRfc7517RsaModulus, R"(,"alg":"RS256","kid":"2011-04-29")"))));
  ASSERT_EQ(set.keys.size(), 1u);
  EXPECT_EQ(set.keys[0]->key_id(), "2011-04-29");
  EXPECT_EQ(set.keys[0]->algorithm(), Algorithm::kRs256);
  ASSERT_EQ(set.skipped.size(), 1u);
  EXPECT_EQ(set.skipped[0], "keys[0]: the key is not for signatures");
  // Without its use the first is a sound key.
  EXPECT_OK(ParseJwks(JwksOf(R"({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
                             R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})")));
}

// A.3: symmetric keys.
TEST(RfcVectors, Rfc7517A3IsRefused) {
  EXPECT_FALSE(ParseJwks(JwksOf(std::string(R"({"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg"},)") +
                                R"({"kty":"oct","kid":"HMAC key used in JWS spec Appendix A.1 example","k":")" +
                                kRfc7515A1Key + "\"}"))
                   .ok());
}

}  // namespace
}  // namespace livekit::token::jose
