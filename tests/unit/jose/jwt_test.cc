#include "jose/jwt.h"

#include <string>

#include "base/text.h"
#include "gtest/gtest.h"
#include "support/jwt_signer.h"

namespace livekit::token::jose {
namespace {

using testing::MakeJwt;

JwtVerdict VerdictOn(const std::string& header) {
  Jwt jwt;
  return ParseJwt(MakeJwt(header, "{}", "sig"), jwt);
}

TEST(ParseJwt, ReadsTheHeaderAndNotThePayload) {
  const std::string token = MakeJwt(R"({"alg":"ES384","kid":"a/b","typ":"application/AT+jwt"})", "not JSON", "sig");
  Jwt jwt;
  ASSERT_EQ(ParseJwt(token, jwt), JwtVerdict::kOk);
  EXPECT_EQ(jwt.algorithm, Algorithm::kEs384);
  EXPECT_EQ(jwt.key_id, "a/b");
  EXPECT_EQ(jwt.type, "at+jwt");
  EXPECT_EQ(jwt.payload, "not JSON");
  EXPECT_EQ(jwt.signature, "sig");
  EXPECT_EQ(jwt.signing_input, token.substr(0, token.rfind('.')));
}

TEST(ParseJwt, LeavesAbsentMembersEmpty) {
  Jwt jwt;
  jwt.key_id = "old";
  ASSERT_EQ(
      ParseJwt(MakeJwt(R"({"alg":"RS256","jwk":{"kty":"oct"},"jku":"https://a","x5c":[],"x5u":1,"x5t":""})", "{}", "s"),
               jwt),
      JwtVerdict::kOk);
  EXPECT_EQ(jwt.key_id, "");
  EXPECT_EQ(jwt.type, "");
}

TEST(ParseJwt, Verdicts) {
  EXPECT_EQ(VerdictOn(R"({"alg":"HS256"})"), JwtVerdict::kOk);
  for (const char* header : {"", "{", "[]", "null", "{}x", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
                             "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", "\xef\xbb\xbf{\"alg\":\"HS256\"}",
                             "{\"alg\":\"HS256\",\"a\":\"\xff\"}"}) {
    EXPECT_EQ(VerdictOn(header), JwtVerdict::kMalformed) << header;
  }
  for (const char* header :
       {"{}", R"({"alg":null})", R"({"alg":["HS256"]})", R"({"alg":"none"})", R"({"alg":"nOnE"})", R"({"alg":""})",
        R"({"alg":"hs256"})", R"({"ALG":"HS256"})", R"({"alg":"HS256\u0000"})", R"({"alg":"dir"})"}) {
    EXPECT_EQ(VerdictOn(header), JwtVerdict::kAlgorithm) << header;
  }
  for (const char* header :
       {R"({"alg":"HS256","crit":[]})", R"({"alg":"HS256","crit":["exp"],"exp":1})", R"({"alg":"HS256","b64":false})",
        R"({"alg":"HS256","b64":true})", R"({"alg":"HS256","zip":"DEF"})", R"({"alg":"dir","enc":"A256GCM"})"}) {
    EXPECT_EQ(VerdictOn(header), JwtVerdict::kExtension) << header;
  }
  for (const char* header :
       {R"({"alg":"HS256","kid":1})", R"({"alg":"HS256","kid":null})", R"({"alg":"HS256","kid":["a"]})",
        R"({"alg":"HS256","typ":1})", R"({"alg":"HS256","typ":null})"}) {
    EXPECT_EQ(VerdictOn(header), JwtVerdict::kHeader) << header;
  }
  EXPECT_EQ(VerdictOn(R"({"alg":"HS256","kid":")" + std::string(256, 'k') + "\"}"), JwtVerdict::kOk);
  EXPECT_EQ(VerdictOn(R"({"alg":"HS256","kid":")" + std::string(257, 'k') + "\"}"), JwtVerdict::kHeader);
  EXPECT_EQ(VerdictOn(R"({"alg":"HS256","typ":")" + std::string(129, 't') + "\"}"), JwtVerdict::kHeader);
}

TEST(ParseJwt, LimitsTheSize) {
  const std::string front = Base64UrlEncode(R"({"alg":"HS256"})") + ".e30.";
  Jwt jwt;
  EXPECT_EQ(ParseJwt(front + std::string(kMaxJwtBytes - front.size(), 'A'), jwt), JwtVerdict::kOk);
  EXPECT_EQ(ParseJwt(front + std::string(kMaxJwtBytes - front.size() + 1, 'A'), jwt), JwtVerdict::kMalformed);
}

std::optional<std::string> IssuerIn(const std::string& payload) { return PeekIssuer(MakeJwt("x", payload, "y")); }

TEST(PeekIssuer, FindsTheIssuerWhereverItStands) {
  const std::string url = "https://login.acme.dev/";
  for (const std::string& payload :
       {"{\"iss\":\"" + url + "\"}", "{ \"iss\" : \"" + url + "\" , \"a\":1}",
        "{\"a\":1,\"b\":\"x\\\"iss\\\":\\\"y\",\"iss\":\"" + url + "\"}",
        "{\"a\":{\"iss\":\"inner\",\"b\":[{},[1,2,\"]}\"]]},\"iss\":\"" + url + "\"}",
        "{\"a\":[],\"b\":{},\"c\":null,\"d\":-1.5e3,\"e\":true,\n\t\"iss\":\"" + url + "\"}",
        "{\"long name\":\"" + std::string(5000, 'x') + "\",\"iss\":\"" + url + "\"}",
        std::string(R"({"iss":"https:\/\/login.acme.dev\/"})"),
        std::string(R"({"iss":"https:\u002f/login.acme.dev/"})"),
        // Only the first is looked at: whether there are more is found out when the token is verified.
        "{\"iss\":\"" + url + "\",\"iss\":\"other\"}", "{\"iss\":\"" + url + "\" garbage"}) {
    EXPECT_EQ(IssuerIn(payload), url) << payload;
  }
  EXPECT_EQ(IssuerIn(R"({"iss":""})"), "");
  EXPECT_EQ(IssuerIn(R"({"iss":"a\"b"})"), "a\"b");
}

TEST(PeekIssuer, FindsNothingElsewhere) {
  for (const std::string& payload : {std::string("{}"),
                                     std::string("x"),
                                     std::string("[\"iss\"]"),
                                     std::string("\"iss\""),
                                     std::string(R"({"iss":1})"),
                                     std::string(R"({"iss":null})"),
                                     std::string(R"({"iss":["a"]})"),
                                     std::string(R"({"iss":{"iss":"a"}})"),
                                     std::string(R"({"a":{"iss":"a"}})"),
                                     std::string(R"({"a":["iss","a"]})"),
                                     std::string(R"({"ISS":"a"})"),
                                     std::string(R"({"\u0069ss":"a"})"),
                                     std::string(R"({"iss")"),
                                     std::string(R"({"iss":)"),
                                     std::string(R"({"iss":"a)"),
                                     std::string(R"({"iss":"a\)"),
                                     std::string(R"({"iss":"a\q"})"),
                                     std::string(R"({"iss":"\ud800"})"),
                                     std::string(R"({iss:"a"})"),
                                     std::string(R"({"a":1 ])"),
                                     std::string(R"({"a":1]],"iss":"a"})"),
                                     std::string(1, '\0'),
                                     std::string("{\"a\0\":1,\"iss\":\"a\"}", 19),
                                     "{\"a\":" + std::string(10'000, '['),
                                     "{\"iss\":\"" + std::string(3000, 'a') + "\"}",
                                     std::string("\xef\xbb\xbf{\"iss\":\"a\"}"),
                                     std::string(R"({"a":"b" "iss":"a"})")}) {
    EXPECT_EQ(IssuerIn(payload), std::nullopt) << payload.substr(0, 60);
  }
}

TEST(PeekIssuer, WantsThreePartsAndBase64Url) {
  const std::string payload = Base64UrlEncode(R"({"iss":"a"})");
  EXPECT_EQ(PeekIssuer("." + payload + "."), "a");
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), payload, "." + payload, "." + payload + "..",
        "a.b." + payload, "." + payload.substr(0, 7) + "=" + payload.substr(7) + ".", ". " + payload + ".",
        "." + payload + "." + std::string(kMaxJwtBytes, 'a')}) {
    EXPECT_EQ(PeekIssuer(token), std::nullopt) << token.substr(0, 60);
  }
}

// Whatever is cut off or changed, there is an end.
TEST(PeekIssuer, SurvivesEveryTruncationAndChange) {
  const std::string payload = R"({"a":{"b":["\"",{}]},"c":"\\","iss":"https:\/\/a"})";
  for (std::size_t size = 0; size < payload.size() - 1; ++size)
    EXPECT_EQ(IssuerIn(payload.substr(0, size)), std::nullopt);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = payload;
      changed[i] = static_cast<char>(c);
      const auto issuer = IssuerIn(changed);
      EXPECT_TRUE(!issuer || issuer->size() <= changed.size());
    }
  }
}

TEST(PeekSubject, FindsTheSubjectAndNothingElse) {
  const auto subject = [](const std::string& payload) { return PeekSubject(MakeJwt("x", payload, "y")); };
  EXPECT_EQ(subject(R"({"aud":["a"],"sub":"spiffe:\/\/acme.dev\/a","iss":"b"})"), "spiffe://acme.dev/a");
  EXPECT_EQ(subject(R"({"sub":")" + std::string(2046, 'a') + "\"}"), std::string(2046, 'a'));
  for (const std::string& payload :
       {std::string("{}"), std::string(R"({"iss":"a"})"), std::string(R"({"sub":["a"]})"),
        std::string(R"({"act":{"sub":"a"}})"), std::string(R"({"SUB":"a"})"), std::string(R"({"subject":"a"})"),
        "{\"sub\":\"" + std::string(3000, 'a') + "\"}"}) {
    EXPECT_EQ(subject(payload), std::nullopt) << payload.substr(0, 60);
  }
  EXPECT_EQ(PeekIssuer(MakeJwt("x", R"({"sub":"a"})", "y")), std::nullopt);
}

TEST(LooksLikeJwt, TellsTokensFromOpaqueOnes) {
  EXPECT_TRUE(LooksLikeJwt(MakeJwt(R"({"alg":"RS256"})", R"({"sub":"a"})", "sig")));
  EXPECT_TRUE(LooksLikeJwt(MakeJwt("{}", "no JSON", "sig")));
  // What another authenticator could take for its own, although it is none.
  EXPECT_TRUE(LooksLikeJwt("." + Base64UrlEncode(R"({"iss":"a"})") + "."));
  for (const std::string& text :
       {std::string(), std::string("opaque"), std::string("a.b"), std::string("a.b.c"), std::string("..."),
        MakeJwt("[]", R"({"sub":"a"})", "sig"), MakeJwt("x", R"({"sub":"a"})", "sig"),
        Base64UrlEncode(R"({"alg":"RS256"})") + "." + Base64UrlEncode(R"({"sub":"a"})"),
        Base64UrlEncode(R"({"alg":"RS256"})") + ".." + Base64UrlEncode("sig"),
        Base64UrlEncode(R"({"enc":"A256GCM"})") + ".a.b.c.d"}) {
    EXPECT_FALSE(LooksLikeJwt(text)) << text;
  }
}

}  // namespace
}  // namespace livekit::token::jose
