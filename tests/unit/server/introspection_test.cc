// Tokens about which an authorization server is asked.
#include "server/authn/introspection.h"

#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "asked_service.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server_fixture.h"
#include "support/status_matchers.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using http::Answer;
using http::Peer;
using http::ScriptedServer;
using std::chrono::seconds;
using testing::FakeClock;
using ::testing::HasSubstr;
using testing::IsRefusal;
using testing::kMarker;
using ::testing::Not;

const Time kNow = FakeClock().now;
constexpr std::int64_t kNowSeconds = 1'900'000'000;
constexpr char kToken[] = "MARKSECRET-opaque_token~1+2/3=";

std::string AtSeconds(std::int64_t offset) { return std::to_string(kNowSeconds + offset); }

// --- what an answer must say

absl::StatusOr<InquiryAnswer> Read(const std::string& body, const IntrospectionRules& rules = {}, int status = 200) {
  http::ClientResponse response;
  response.status = status;
  response.body = body;
  return ReadIntrospection("opaque", rules, response, kNow);
}

void ExpectRefused(const std::string& body, v1::ErrorReason reason, const std::string& why,
                   const IntrospectionRules& rules = {}, int status = 200) {
  const auto answer = Read(body, rules, status);
  EXPECT_THAT(answer, IsRefusal(reason)) << body;
  EXPECT_THAT(DetailOf(answer.status()), HasSubstr(why)) << body;
  EXPECT_THAT(DetailOf(answer.status()), Not(HasSubstr(kMarker)));
  EXPECT_THAT(std::string(answer.status().message()), Not(HasSubstr(kMarker)));
  // Whoever presented a bad token is told so; whoever could not be judged is not.
  EXPECT_EQ(ToError(answer.status()).credential_presented(), reason == v1::AUTHENTICATION_FAILED) << body;
}

TEST(ReadIntrospection, TakesTheSubjectAndTheClaims) {
  ASSERT_OK_AND_ASSIGN(const InquiryAnswer answer,
                       Read(R"({"active":true,"sub":"u-1","scope":"calls:join x","plan":"pro"})"));
  EXPECT_EQ(answer.principal.authenticator, "opaque");
  EXPECT_EQ(answer.principal.subject, "u-1");
  EXPECT_EQ(*answer.principal.claims.Find(*ClaimPath::Parse("plan")), "pro");
  EXPECT_EQ(answer.expires, Time::max());
  ASSERT_OK_AND_ASSIGN(const InquiryAnswer limited, Read(R"({"active":true,"sub":"u","exp":)" + AtSeconds(1) + "}"));
  EXPECT_EQ(limited.expires, kNow + seconds(1));
}

TEST(ReadIntrospection, RefusesWhatIsNotActive) {
  ExpectRefused(R"({"active":false})", v1::AUTHENTICATION_FAILED, "not active");
  ExpectRefused(R"({"active":false,"sub":"MARKSECRET"})", v1::AUTHENTICATION_FAILED, "not active");
}

// RFC 7662 section 2.2: `active` is required and a boolean. What says nothing is no refusal of the token, and no token.
TEST(ReadIntrospection, KnowsNothingFromAnswersThatSayNothing) {
  for (const char* body :
       {"", "{}", "[]", "null", "true", R"({"sub":"u"})", R"({"active":"true","sub":"u"})", R"({"active":1,"sub":"u"})",
        R"({"active":null,"sub":"u"})", R"({"active":[true],"sub":"u"})", R"({"active":true,"active":true,"sub":"u"})",
        R"({"active":false,"active":true,"sub":"u"})", R"({"active":true,"sub":"MARKSECRET"} x)",
        "<html>MARKSECRET</html>", "{\"active\":true,\"sub\":\"MARKSECRET\xff\"}", R"({'active':true,'sub':'u'})"}) {
    ExpectRefused(body, v1::UNAVAILABLE, "answer");
  }
}

TEST(ReadIntrospection, TakesOnlyStatus200) {
  for (const int status : {201, 204, 301, 302, 400, 404, 429, 500, 503}) {
    ExpectRefused(R"({"active":true,"sub":"u"})", v1::UNAVAILABLE, std::to_string(status), {}, status);
  }
  // The operator must not look for the mistake at the users.
  for (const int status : {401, 403}) {
    ExpectRefused(R"({"active":true,"sub":"u"})", v1::UNAVAILABLE, "client_id", {}, status);
  }
}

TEST(ReadIntrospection, RefusesAnswersWithoutSubject) {
  for (const std::string& sub :
       {std::string(), std::string(R"(,"sub":"")"), std::string(R"(,"sub":7)"), std::string(R"(,"sub":null)"),
        std::string(R"(,"sub":["u"])"), std::string(R"(,"sub":{"id":"u"})"), std::string(R"(,"sub":"a\u0007b")"),
        std::string(R"(,"sub":"a\nb")"), R"(,"sub":")" + std::string(257, 'u') + "\"",
        std::string(R"(,"username":"u")")}) {
    ExpectRefused(R"({"active":true)" + sub + "}", v1::AUTHENTICATION_FAILED, "");
    EXPECT_FALSE(DetailOf(Read(R"({"active":true)" + sub + "}").status()).empty());
  }
  EXPECT_OK(Read(R"({"active":true,"sub":")" + std::string(256, 'u') + "\"}"));
  IntrospectionRules rules;
  rules.subject_claim = *ClaimPath::Parse("username");
  ASSERT_OK_AND_ASSIGN(const auto answer, Read(R"({"active":true,"sub":"s","username":"ann"})", rules));
  EXPECT_EQ(answer.principal.subject, "ann");
  ExpectRefused(R"({"active":true,"sub":"s"})", v1::AUTHENTICATION_FAILED, "", rules);
}

TEST(ReadIntrospection, ChecksTimesAlthoughTheServerShouldHave) {
  const auto body = [](const std::string& times) { return R"({"active":true,"sub":"u",)" + times + "}"; };
  EXPECT_OK(Read(body("\"exp\":" + AtSeconds(-59))));  // within the leeway
  ExpectRefused(body("\"exp\":" + AtSeconds(-60)), v1::AUTHENTICATION_FAILED, "expired");
  ExpectRefused(body("\"exp\":0"), v1::AUTHENTICATION_FAILED, "expired");
  ExpectRefused(body("\"exp\":-1e300"), v1::AUTHENTICATION_FAILED, "expired");
  ExpectRefused(body(R"("exp":")" + AtSeconds(900) + "\""), v1::AUTHENTICATION_FAILED, "");
  ExpectRefused(body(R"("exp":[])"), v1::AUTHENTICATION_FAILED, "");
  EXPECT_OK(Read(body("\"nbf\":" + AtSeconds(60))));
  ExpectRefused(body("\"nbf\":" + AtSeconds(61)), v1::AUTHENTICATION_FAILED, "");
  ExpectRefused(body("\"iat\":" + AtSeconds(61)), v1::AUTHENTICATION_FAILED, "");
}

TEST(ReadIntrospection, ChecksIssuerAndAudienceWhereTheyAreConfigured) {
  IntrospectionRules rules;
  rules.issuer = "https://as.example";
  rules.audiences = {"calls", "rooms"};
  const auto body = [](const std::string& rest) { return R"({"active":true,"sub":"u")" + rest + "}"; };
  EXPECT_OK(Read(body(R"(,"iss":"https://as.example","aud":"calls")"), rules));
  EXPECT_OK(Read(body(R"(,"iss":"https://as.example","aud":["x","rooms"])"), rules));
  for (const char* iss :
       {"", R"(,"iss":"https://as.example/")", R"(,"iss":["https://as.example"])", R"(,"iss":null)"}) {
    ExpectRefused(body(std::string(iss) + R"(,"aud":"calls")"), v1::AUTHENTICATION_FAILED, "", rules);
  }
  for (const char* aud : {"", R"(,"aud":"mail")", R"(,"aud":["mail"])", R"(,"aud":[])", R"(,"aud":"Calls")",
                          R"(,"aud":[["calls"]])", R"(,"aud":{"calls":true})", R"(,"client_id":"calls")"}) {
    EXPECT_THAT(Read(body(std::string(R"(,"iss":"https://as.example")") + aud), rules),
                IsRefusal(v1::AUTHENTICATION_FAILED))
        << aud;
  }
}

// Pitfall D-9: what opens rooms proves nothing about its sender.
TEST(ReadIntrospection, RefusesLiveKitTokens) {
  IntrospectionRules rules;
  rules.livekit_keys = {"APImain"};
  ExpectRefused(R"({"active":true,"sub":"u","video":{"roomJoin":true}})", v1::AUTHENTICATION_FAILED, "LiveKit");
  ExpectRefused(R"({"active":true,"sub":"u","iss":"APImain"})", v1::AUTHENTICATION_FAILED, "LiveKit", rules);
}

// --- what is asked

class IntrospectionTest : public ::testing::Test {
 protected:
  IntrospectionTest() {
    options_.name = "opaque";
    options_.client_id = "token-service";
    options_.client_secret = Secret("MARKSECRET-of-client");
    options_.request = Request(server_.Url("/introspect"));
    options_.rules.livekit_keys = {"APImain"};
  }

  static http::ClientRequest Request(const std::string& url) {
    http::ClientRequest request;
    request.url = url;
    request.allow_http = true;
    request.timeout = seconds(60);
    request.connect_timeout = seconds(60);
    request.max_body_bytes = 65536;
    return request;
  }

  // The options are used up.
  void Make() {
    auto client = http::Client::Start();
    ASSERT_OK(client);
    authenticator_ = std::make_unique<IntrospectionAuthenticator>(std::move(options_), *std::move(client));
  }

  static Credentials Bearer(const std::string& token, const std::string& header = "authorization") {
    return {{{header, "Bearer " + token}}};
  }
  absl::StatusOr<Principal> Ask(const std::string& token = kToken, Time now = kNow) { return Ask(Bearer(token), now); }
  absl::StatusOr<Principal> Ask(const Credentials& credentials, Time now) {
    if (authenticator_ == nullptr) Make();
    EXPECT_TRUE(authenticator_->Recognizes(credentials));
    std::promise<absl::StatusOr<Principal>> promise;
    authenticator_->Authenticate(credentials, now, [&](auto principal) { promise.set_value(std::move(principal)); });
    return promise.get_future().get();
  }

  testing::AskedService server_{Answer("200 OK", R"({"active":true,"sub":"u-1"})")};
  IntrospectionOptions options_;
  std::unique_ptr<IntrospectionAuthenticator> authenticator_;
};

TEST_F(IntrospectionTest, AsksWithTheTokenInTheForm) {
  ASSERT_OK_AND_ASSIGN(const Principal principal, Ask());
  EXPECT_EQ(principal.subject, "u-1");
  ASSERT_EQ(server_.requests().size(), 1U);
  const std::string request = server_.requests()[0];
  EXPECT_THAT(request, HasSubstr("POST /introspect HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAccept: application/json\r\n"));
  const std::string body = request.substr(request.find("\r\n\r\n") + 4);
  EXPECT_EQ(body, "token=MARKSECRET-opaque_token~1%2B2%2F3%3D&token_type_hint=access_token");
  // echo -n 'token-service:MARKSECRET-of-client' | base64
  EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Basic dG9rZW4tc2VydmljZTpNQVJLU0VDUkVULW9mLWNsaWVudA==\r\n"));
}

// RFC 6749 section 2.3.1: id and secret are encoded as in a form before they are joined.
TEST_F(IntrospectionTest, EncodesItsOwnIdAndSecret) {
  options_.client_id = "a:b c";
  options_.client_secret = Secret("p%q+r:\xc3\xa9");
  ASSERT_OK(Ask());
  // echo -n 'a%3Ab+c:p%25q%2Br%3A%C3%A9' | base64
  EXPECT_THAT(server_.requests()[0], HasSubstr("\r\nAuthorization: Basic YSUzQWIrYzpwJTI1cSUyQnIlM0ElQzMlQTk=\r\n"));
}

TEST_F(IntrospectionTest, SendsItsOwnSecretInTheBodyIfToldSo) {
  options_.client_auth = ClientAuth::kPost;
  options_.client_secret = Secret("s&x=1");
  ASSERT_OK(Ask("abc"));
  const std::string request = server_.requests()[0];
  EXPECT_THAT(request,
              HasSubstr("token=abc&token_type_hint=access_token&client_id=token-service&client_secret=s%26x%3D1"));
  EXPECT_THAT(request, Not(HasSubstr("Authorization")));
}

// RFC 6750 section 2.1 has no other characters, and the header could not carry more.
TEST_F(IntrospectionTest, AsksNotAboutWhatIsNoBearerToken) {
  for (const std::string& token : {std::string("a b"), std::string("a=b"), std::string("a,b"), std::string("a\"b"),
                                   std::string("\xc3\xa9"), std::string("="), std::string(8193, 'a')}) {
    EXPECT_THAT(Ask(token), IsRefusal(v1::AUTHENTICATION_FAILED)) << token.substr(0, 8);
  }
  EXPECT_TRUE(server_.requests().empty());
  EXPECT_OK(Ask(std::string(8192, 'a')));
}

std::string UnsignedJwt(const std::string& claims) {
  return Base64UrlEncode(R"({"alg":"RS256"})") + "." + Base64UrlEncode(claims) + ".c2ln";
}

TEST_F(IntrospectionTest, LeavesJsonWebTokensToOthers) {
  Make();
  EXPECT_TRUE(authenticator_->Recognizes(Bearer("opaque")));
  EXPECT_TRUE(authenticator_->Recognizes(Bearer("a.b.c")));
  EXPECT_FALSE(authenticator_->Recognizes(Bearer(UnsignedJwt(R"({"iss":"https://as.example"})"))));
  EXPECT_FALSE(authenticator_->Recognizes(Bearer(UnsignedJwt(R"({"sub":"u"})"))));
  EXPECT_FALSE(authenticator_->Recognizes({}));
  EXPECT_FALSE(authenticator_->Recognizes({{{"authorization", "Basic abc"}}}));
  EXPECT_FALSE(authenticator_->Recognizes({{{"authorization", "Bearer "}}}));
  EXPECT_FALSE(authenticator_->Recognizes({{{"x-token", "opaque"}}}));
}

TEST_F(IntrospectionTest, AsksAboutJsonWebTokensIfToldSo) {
  options_.jwts = true;
  options_.rules.issuer = "https://as.example";
  server_.Say(Answer("200 OK", R"({"active":true,"sub":"u","iss":"https://as.example"})"));
  Make();
  EXPECT_TRUE(authenticator_->Recognizes(Bearer("opaque")));
  EXPECT_FALSE(authenticator_->Recognizes(Bearer(UnsignedJwt(R"({"iss":"https://other.example"})"))));
  EXPECT_OK(Ask(UnsignedJwt(R"({"iss":"https://as.example"})")));
  EXPECT_EQ(server_.requests().size(), 1U);
}

// It opens rooms; nobody else may see it.
TEST_F(IntrospectionTest, NeverSendsALiveKitTokenAway) {
  options_.jwts = true;
  EXPECT_THAT(Ask(UnsignedJwt(R"({"iss":"APImain","video":{}})")), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(IntrospectionTest, ReadsAHeaderOfItsOwn) {
  options_.header = "x-access-token";
  EXPECT_OK(Ask({{{"x-access-token", "abc"}}}, kNow));
  EXPECT_FALSE(authenticator_->Recognizes(Bearer("abc")));
}

// An end user's authorization server has no say about programs, unless the configuration gives it one.
TEST_F(IntrospectionTest, KnowsCallersOnlyIfServicesNameIt) {
  const Credentials caller = {{{std::string(kCallerHeader), "Bearer abc"}}};
  Make();
  EXPECT_FALSE(authenticator_->Recognizes(caller));
  options_ = {};
  options_.name = "opaque";
  options_.callers = true;
  options_.request = Request(server_.Url("/introspect"));
  Make();
  EXPECT_OK(Ask(caller, kNow));
}

// --- what is remembered

TEST_F(IntrospectionTest, RemembersForTheConfiguredTime) {
  ASSERT_OK(Ask());
  ASSERT_OK(Ask(kToken, kNow + seconds(9)));
  EXPECT_EQ(server_.requests().size(), 1U);
  ASSERT_OK(Ask(kToken, kNow + seconds(10)));
  EXPECT_EQ(server_.requests().size(), 2U);
  ASSERT_OK(Ask("another"));
  EXPECT_EQ(server_.requests().size(), 3U);
}

TEST_F(IntrospectionTest, RemembersNeverPastExpiry) {
  server_.Say(Answer("200 OK", R"({"active":true,"sub":"u","exp":)" + AtSeconds(3) + "}"));
  ASSERT_OK(Ask());
  ASSERT_OK(Ask(kToken, kNow + seconds(2)));
  EXPECT_EQ(server_.requests().size(), 1U);
  server_.Say(Answer("200 OK", R"({"active":false})"));
  EXPECT_THAT(Ask(kToken, kNow + seconds(3)), IsRefusal(v1::AUTHENTICATION_FAILED));
}

// A token in its leeway is good, but not for longer than it is asked about.
TEST_F(IntrospectionTest, RemembersNothingInTheLeeway) {
  server_.Say(Answer("200 OK", R"({"active":true,"sub":"u","exp":)" + AtSeconds(-1) + "}"));
  ASSERT_OK(Ask());
  ASSERT_OK(Ask());
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(IntrospectionTest, RemembersNothingIfToldSo) {
  options_.cache_ttl = seconds(0);
  ASSERT_OK(Ask());
  server_.Say(Answer("200 OK", R"({"active":false})"));
  EXPECT_THAT(Ask(), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(authenticator_->remembered(), 0U);
}

TEST_F(IntrospectionTest, RemembersNoRefusals) {
  server_.Say(Answer("200 OK", R"({"active":false})"));
  EXPECT_THAT(Ask(), IsRefusal(v1::AUTHENTICATION_FAILED));
  server_.Say(Answer("503 Service Unavailable"));
  EXPECT_THAT(Ask(), IsRefusal(v1::UNAVAILABLE));
  server_.Say(Answer("200 OK", R"({"active":true,"sub":"u"})"));
  EXPECT_OK(Ask());
  EXPECT_EQ(server_.requests().size(), 3U);
}

// --- servers that do harm

void ExpectNoToken(const std::string& url, seconds timeout = seconds(60)) {
  IntrospectionOptions options;
  options.name = "opaque";
  options.client_id = "c";
  options.client_secret = Secret("MARKSECRET");
  options.request.url = url;
  options.request.allow_http = true;
  options.request.timeout = timeout;
  options.request.max_body_bytes = 65536;
  auto client = http::Client::Start();
  ASSERT_OK(client);
  const IntrospectionAuthenticator authenticator(std::move(options), *std::move(client));
  std::promise<absl::StatusOr<Principal>> promise;
  authenticator.Authenticate({{{"authorization", "Bearer MARKSECRETtoken"}}}, kNow,
                             [&](auto principal) { promise.set_value(std::move(principal)); });
  const auto principal = promise.get_future().get();
  EXPECT_THAT(principal, IsRefusal(v1::UNAVAILABLE));
  EXPECT_FALSE(DetailOf(principal.status()).empty());
  EXPECT_THAT(principal.status().ToString(), Not(HasSubstr(kMarker)));
}

TEST(HostileAuthorizationServer, GivesNobodyAToken) {
  const std::string good = R"({"active":true,"sub":"u"})";
  const std::vector<std::pair<std::string, ScriptedServer::Script>> servers = {
      {"ends at once", [](Peer&) {}},
      {"speaks no HTTP", [](Peer& peer) { peer.Send("220 mail.example ESMTP\r\n"); }},
      {"garbage", [](Peer& peer) { peer.Send(std::string("\x16\x03\x01\x00\xff", 5)); }},
      {"ends in the body",
       [&](Peer& peer) {
         peer.ReadRequest();
         peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + good);
       }},
      {"ends in the header",
       [&](Peer& peer) {
         peer.ReadRequest();
         peer.Send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
       }},
      {"10 MB",
       [&](Peer& peer) {
         peer.ReadRequest();
         peer.Send(Answer("200 OK", good + std::string(10 << 20, ' ')));
       }},
      {"empty", http::Answering([](const std::string&) { return Answer("200 OK"); })},
      {"no content", http::Answering([](const std::string&) { return Answer("204 No Content"); })},
  };
  for (const auto& [name, script] : servers) {
    SCOPED_TRACE(name);
    const ScriptedServer server(script);
    ExpectNoToken(server.Url());
  }
}

TEST(HostileAuthorizationServer, ThatHangsIsGivenUp) {
  const ScriptedServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.AwaitEnd();
  });
  ExpectNoToken(server.Url(), seconds(1));
}

// A redirect would carry the token and this service's secret to whoever is named.
TEST(HostileAuthorizationServer, LeadsNobodyElsewhere) {
  const ScriptedServer other(
      http::Answering([](const std::string&) { return Answer("200 OK", R"({"active":true,"sub":"u"})"); }));
  for (const char* status : {"301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"}) {
    const ScriptedServer server(
        http::Answering([&](const std::string&) { return http::RedirectTo(other.Url(), status); }));
    ExpectNoToken(server.Url());
  }
  EXPECT_EQ(other.connections(), 0);
}

TEST(HostileAuthorizationServer, ThatIsGoneOrForbiddenIsUnavailable) {
  std::string url;
  {
    const ScriptedServer server([](Peer&) {});
    url = server.Url();
  }
  ExpectNoToken(url);
  ExpectNoToken("http://169.254.169.254/introspect");
}

// Those who wait when the configuration is replaced must be answered.
TEST(HostileAuthorizationServer, LeavesNobodyWithoutAnswer) {
  std::promise<void> asked;
  const ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    asked.set_value();
    peer.AwaitEnd();
  });
  IntrospectionOptions options;
  options.request.url = server.Url();
  options.request.allow_http = true;
  auto client = http::Client::Start();
  ASSERT_OK(client);
  auto authenticator = std::make_unique<IntrospectionAuthenticator>(std::move(options), *std::move(client));
  std::promise<absl::StatusOr<Principal>> promise;
  authenticator->Authenticate({{{"authorization", "Bearer abc"}}}, kNow,
                              [&](auto principal) { promise.set_value(std::move(principal)); });
  asked.get_future().wait();
  authenticator.reset();
  EXPECT_THAT(promise.get_future().get(), IsRefusal(v1::UNAVAILABLE));
}

}  // namespace
}  // namespace livekit::token
