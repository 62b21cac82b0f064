// Sessions that a web application knows.
#include "server/authn/forward_auth.h"

#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "asked_service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server_fixture.h"
#include "service/log.h"
#include "support/status_matchers.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using http::Answer;
using http::Peer;
using http::ScriptedServer;
using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::IsRefusal;
using testing::kMarker;
using ::testing::Not;

const Time kNow = testing::FakeClock().now;

ForwardAuthRules JsonRules() {
  ForwardAuthRules rules;
  rules.subject_path = ClaimPath::Parse("user.id");
  rules.claims_path = ClaimPath::Parse("user");
  return rules;
}
ForwardAuthRules HeaderRules() {
  ForwardAuthRules rules;
  rules.subject_header = "x-user-id";
  rules.claim_headers = {{"plan", "x-user-plan"}};
  return rules;
}

// --- what an answer must say

absl::StatusOr<InquiryAnswer> Read(const ForwardAuthRules& rules, const std::string& body,
                                   std::vector<http::Header> headers = {}, int status = 200) {
  http::ClientResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = body;
  return ReadForwardAuth("session", rules, response);
}

void ExpectRefused(const absl::StatusOr<InquiryAnswer>& answer, const std::string& why = "") {
  EXPECT_THAT(answer, IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_TRUE(ToError(answer.status()).credential_presented());
  EXPECT_FALSE(DetailOf(answer.status()).empty());
  EXPECT_THAT(DetailOf(answer.status()), HasSubstr(why));
  EXPECT_THAT(DetailOf(answer.status()), Not(HasSubstr(kMarker)));
}

std::string ClaimOf(const InquiryAnswer& answer, const std::string& path) {
  const auto* claim = answer.principal.claims.Find(*ClaimPath::Parse(path));
  return claim == nullptr ? "" : claim->dump();
}

TEST(ReadForwardAuth, TakesSubjectAndClaimsFromTheBody) {
  ASSERT_OK_AND_ASSIGN(const auto answer, Read(JsonRules(), R"({"user":{"id":"u-1","plan":"pro"},"csrf":"x"})"));
  EXPECT_EQ(answer.principal.authenticator, "session");
  EXPECT_EQ(answer.principal.subject, "u-1");
  EXPECT_EQ(ClaimOf(answer, "plan"), R"("pro")");
  EXPECT_EQ(ClaimOf(answer, "csrf"), "");
  ASSERT_OK_AND_ASSIGN(const auto numbered, Read(JsonRules(), R"({"user":{"id":42}})"));
  EXPECT_EQ(numbered.principal.subject, "42");
  auto whole = JsonRules();
  whole.claims_path.reset();
  whole.whole_body = true;
  ASSERT_OK_AND_ASSIGN(const auto all, Read(whole, R"({"user":{"id":"u"},"plan":"pro"})"));
  EXPECT_EQ(ClaimOf(all, "plan"), R"("pro")");
  auto none = JsonRules();
  none.claims_path.reset();
  ASSERT_OK_AND_ASSIGN(const auto bare, Read(none, R"({"user":{"id":"u"},"plan":"pro"})"));
  EXPECT_EQ(ClaimOf(bare, "plan"), "");
  EXPECT_OK(Read(JsonRules(), R"({"user":{"id":"u"}})", {}, 299));
}

TEST(ReadForwardAuth, TakesSubjectAndClaimsFromHeaders) {
  ASSERT_OK_AND_ASSIGN(const auto answer,
                       Read(HeaderRules(), "<html>", {{"X-User-Id", "u-1"}, {"x-user-plan", "pro"}}));
  EXPECT_EQ(answer.principal.subject, "u-1");
  EXPECT_EQ(ClaimOf(answer, "plan"), R"("pro")");
  ASSERT_OK_AND_ASSIGN(const auto bare, Read(HeaderRules(), "", {{"X-User-Id", "u-1"}}, 204));
  EXPECT_EQ(ClaimOf(bare, "plan"), "");
}

// Contract: no subject is 401 whatever the status, and a status of failure is one whatever the subject.
TEST(ReadForwardAuth, RefusesEveryOtherStatus) {
  for (const int status : {100, 199, 300, 302, 304, 400, 401, 403, 404, 429, 500, 502, 503}) {
    ExpectRefused(Read(JsonRules(), R"({"user":{"id":"MARKSECRET"}})", {}, status), std::to_string(status));
    ExpectRefused(Read(HeaderRules(), "", {{"x-user-id", "MARKSECRET"}}, status), std::to_string(status));
  }
}

TEST(ReadForwardAuth, RefusesBodiesWithoutSubject) {
  for (const std::string& body : {std::string(),
                                  std::string("{}"),
                                  std::string("null"),
                                  std::string("[]"),
                                  std::string("<html>MARKSECRET</html>"),
                                  std::string(R"({"user":null})"),
                                  std::string(R"({"user":"MARKSECRET"})"),
                                  std::string(R"({"user":{}})"),
                                  std::string(R"({"user":{"id":""}})"),
                                  std::string(R"({"user":{"id":null}})"),
                                  std::string(R"({"user":{"id":1.5}})"),
                                  std::string(R"({"user":{"id":true}})"),
                                  std::string(R"({"user":{"id":["MARKSECRET"]}})"),
                                  std::string(R"({"user":{"id":{"a":1}}})"),
                                  std::string(R"({"user":{"id":"a\u0000b"}})"),
                                  std::string(R"({"user":{"id":"a\nb"}})"),
                                  std::string(R"({"user":{"id":"a\u0085b"}})"),
                                  std::string(R"({"user":{"id":"a"},"user":{"id":"b"}})"),
                                  std::string(R"({"user":{"id":"a","id":"b"}})"),
                                  std::string(R"({"user":{"id":"a"}} x)"),
                                  std::string("{\"user\":{\"id\":\"\xff\"}}"),
                                  R"({"user":{"id":")" + std::string(257, 'a') + "\"}}"}) {
    SCOPED_TRACE(body.substr(0, 60));
    ExpectRefused(Read(JsonRules(), body));
  }
  EXPECT_OK(Read(JsonRules(), R"({"user":{"id":")" + std::string(256, 'a') + "\"}}"));
  // The subject is where it was configured, and nowhere else.
  ExpectRefused(Read(JsonRules(), "{}", {{"x-user-id", "u"}}));
  ExpectRefused(Read(HeaderRules(), R"({"user":{"id":"u"}})"));
}

TEST(ReadForwardAuth, RefusesHeadersThatAreNoSubject) {
  for (const std::string& value : {std::string(),
                                   std::string("a\x01"
                                               "b"),
                                   std::string("a\x7f"), std::string("\xff"), std::string(257, 'a')}) {
    ExpectRefused(Read(HeaderRules(), "", {{"x-user-id", value}}));
  }
  ExpectRefused(Read(HeaderRules(), "", {{"x-user-id", "a"}, {"X-User-Id", "b"}}));
  ExpectRefused(Read(HeaderRules(), "", {{"x_user_id", "a"}}));
}

TEST(ReadForwardAuth, RefusesClaimsThatAreUnclear) {
  auto rules = JsonRules();
  rules.claims_path = ClaimPath::Parse("claims");
  EXPECT_OK(Read(rules, R"({"user":{"id":"u"}})"));
  EXPECT_OK(Read(rules, R"({"user":{"id":"u"},"claims":null})"));
  for (const char* claims : {"[]", "\"x\"", "1", "true"}) {
    ExpectRefused(Read(rules, R"({"user":{"id":"u"},"claims":)" + std::string(claims) + "}"), "no object");
  }
  const http::Header subject = {"x-user-id", "u"};
  ExpectRefused(Read(HeaderRules(), "", {subject, {"x-user-plan", "pro"}, {"X-User-Plan", "free"}}), "claim twice");
  ExpectRefused(Read(HeaderRules(), "", {subject, {"x-user-plan", std::string(4097, 'a')}}), "4096");
  ExpectRefused(Read(HeaderRules(), "", {subject, {"x-user-plan", "\xff"}}));
  EXPECT_OK(Read(HeaderRules(), "", {subject, {"x-user-plan", std::string(4096, 'a')}}));
}

TEST(ReadForwardAuth, PrefersTheClaimsOfHeadersThatHaveAValue) {
  auto rules = JsonRules();
  rules.claim_headers = {{"plan", "x-user-plan"}};
  const std::string body = R"({"user":{"id":"u","plan":"free"}})";
  ASSERT_OK_AND_ASSIGN(const auto stated, Read(rules, body, {{"x-user-plan", "pro"}}));
  EXPECT_EQ(ClaimOf(stated, "plan"), R"("pro")");
  ASSERT_OK_AND_ASSIGN(const auto empty, Read(rules, body, {{"x-user-plan", ""}}));
  EXPECT_EQ(ClaimOf(empty, "plan"), R"("free")");
  ASSERT_OK_AND_ASSIGN(const auto absent, Read(HeaderRules(), "", {{"x-user-id", "u"}, {"x-user-plan", ""}}));
  EXPECT_EQ(ClaimOf(absent, "plan"), "");
  ExpectRefused(Read(rules, body, {{"x-user-plan", ""}, {"x-user-plan", "pro"}}), "claim twice");
}

// --- what is asked

ForwardAuthOptions OptionsFor(const std::string& url, seconds timeout = seconds(60)) {
  ForwardAuthOptions options;
  options.name = "session";
  options.headers = {"authorization", "x-tenant"};
  options.cookies = {"*session*"};
  options.rules = JsonRules();
  options.request.url = url;
  options.request.allow_http = true;
  options.request.timeout = timeout;
  options.request.max_body_bytes = 65536;
  return options;
}

class ForwardAuthTest : public ::testing::Test {
 protected:
  ForwardAuthTest() : options_(OptionsFor(application_.Url("/api/session"))) {}

  absl::StatusOr<Principal> Ask(std::vector<PresentedHeader> headers, Time now = kNow) {
    if (set_ == nullptr) {
      auto client = http::Client::Start();
      EXPECT_OK(client);
      std::vector<std::unique_ptr<const Authenticator>> all;
      all.push_back(std::make_unique<ForwardAuthenticator>(std::move(options_), *std::move(client)));
      set_ = std::make_unique<AuthenticatorSet>(std::move(all), "guests");
    }
    std::promise<absl::StatusOr<Principal>> promise;
    set_->Authenticate({std::move(headers)}, now, [&](auto principal) { promise.set_value(std::move(principal)); });
    return promise.get_future().get();
  }
  std::size_t asked() const { return application_.requests().size(); }

  testing::AskedService application_{Answer("200 OK", R"({"user":{"id":"u-1"}})")};
  ForwardAuthOptions options_;
  std::unique_ptr<AuthenticatorSet> set_;
};

TEST_F(ForwardAuthTest, PassesOnWhatIsNamedAndNothingElse) {
  ASSERT_OK_AND_ASSIGN(const Principal principal,
                       Ask({{"authorization", "Bearer x"}, {"cookie", "theme=dark; __Host-session=abc; lang=en"}}));
  EXPECT_EQ(principal.subject, "u-1");
  const std::string request = application_.requests().at(0);
  EXPECT_THAT(request, HasSubstr("GET /api/session HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nauthorization: Bearer x\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nCookie: __Host-session=abc\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAccept: application/json\r\n"));
  EXPECT_THAT(request, Not(HasSubstr("theme")));
  EXPECT_THAT(request, Not(HasSubstr("x-tenant")));
}

// The application knows which of its own cookies counts.
TEST_F(ForwardAuthTest, PassesOnEveryCookieOfAName) {
  ASSERT_OK(Ask({{"cookie", "session=a; other=1; session=b"}}));
  EXPECT_THAT(application_.requests().at(0), HasSubstr("\r\nCookie: session=a; session=b\r\n"));
}

// Browsers send cookies of other applications on the host: they must not turn a guest into a failed login.
TEST_F(ForwardAuthTest, ForeignCookiesAreNoCredential) {
  ASSERT_OK_AND_ASSIGN(const Principal guest, Ask({{"cookie", "theme=dark; SESSION=abc"}}));
  EXPECT_EQ(guest.authenticator, "guests");
  EXPECT_EQ(asked(), 0U);
  // One of the own that has ended is a failed login, and no guest.
  application_.Say(Answer("200 OK", "{}"));
  EXPECT_THAT(Ask({{"cookie", "theme=dark; session=ended"}}), IsRefusal(v1::AUTHENTICATION_FAILED));
}

TEST_F(ForwardAuthTest, TwoCookieHeadersAreAmbiguous) {
  EXPECT_THAT(Ask({{"cookie", "session=a"}, {"cookie", "session=b"}}), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  EXPECT_OK(Ask({{"cookie", "session=a"}, {"cookie", "theme=dark"}}));
}

// What the application does not see must not ride along.
TEST_F(ForwardAuthTest, OtherCredentialsAreNotIgnored) {
  EXPECT_THAT(Ask({{"cookie", "session=a"}, {"x-api-key", "k"}}), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(asked(), 0U);
}

// A program has no session.
TEST_F(ForwardAuthTest, NeverKnowsCallers) {
  EXPECT_THAT(Ask({{std::string(kCallerHeader), "Bearer x"}}), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(Ask({{std::string(kCallerHeader), "Bearer x"}, {"cookie", "session=a"}}),
              IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(asked(), 0U);
}

TEST_F(ForwardAuthTest, EmptyHeadersAreNotAskedAbout) {
  EXPECT_THAT(Ask({{"x-tenant", ""}}), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(asked(), 0U);
}

// It is the request that is bad, and not the application that is down.
TEST_F(ForwardAuthTest, HeadersCannotBeBrokenOpen) {
  for (const std::string& bad :
       {std::string("a\r\nx-user: b"), std::string("a\nb"), std::string("a\rb"), std::string("a\0b", 3),
        std::string("a\x7f"), std::string("\xff"), std::string("a\tb")}) {
    EXPECT_THAT(Ask({{"x-tenant", bad}}), IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_THAT(Ask({{"cookie", "session=" + bad + "x"}}), IsRefusal(v1::AUTHENTICATION_FAILED));
  }
  EXPECT_EQ(asked(), 0U);
}

TEST_F(ForwardAuthTest, AsksNotAboutWhatIsTooLarge) {
  const std::string half(32 * 1024 - 20, 'a');
  EXPECT_THAT(Ask({{"authorization", half + half}, {"x-tenant", "12345678901234567890"}}),
              IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(asked(), 0U);
  EXPECT_OK(Ask({{"authorization", half + half}}));
}

// A quote does not hide a semicolon from every reader (RFC 6265 section 5.4 knows no quotes).
TEST_F(ForwardAuthTest, PassesCookiesOnAsTheyAre) {
  ASSERT_OK(Ask(
      {{"cookie", "session=\"a b\"; session_id==x=; =session; session; __Secure-session=\"; theme=\"x; session=y"}}));
  EXPECT_THAT(application_.requests().at(0),
              HasSubstr("\r\nCookie: session=\"a b\"; session_id==x=; __Secure-session=\"; session=y\r\n"));
}

TEST_F(ForwardAuthTest, AnEmptyCookieHeaderIsNoCredential) {
  for (const char* none : {"", " ", ";", "=", "; ;"}) {
    ASSERT_OK_AND_ASSIGN(const Principal guest, Ask({{"cookie", none}}));
    EXPECT_EQ(guest.authenticator, "guests") << none;
  }
  EXPECT_EQ(asked(), 0U);
}

// Logging out by emptying the cookie does not make a guest.
TEST_F(ForwardAuthTest, AnEmptySessionIsAFailedLogin) {
  application_.Say(Answer("200 OK", "{}"));
  EXPECT_THAT(Ask({{"cookie", "session="}}), IsRefusal(v1::AUTHENTICATION_FAILED));
}

// What is passed on and what is answered never stands in a log.
TEST_F(ForwardAuthTest, LogsNothingOfRequestsAndAnswers) {
  ASSERT_OK(SetLogLevel("debug"));
  ::testing::internal::CaptureStderr();
  const std::vector<PresentedHeader> secret = {{"authorization", "Bearer MARKSECRET"},
                                               {"cookie", "session=MARKSECRET"}};
  for (const std::string& answer :
       {Answer("200 OK", R"({"user":{"id":"MARKSECRET"}})", "X-MARKSECRET: MARKSECRET\r\n"),
        Answer("200 OK", "MARKSECRET"), Answer("200 OK", R"({"user":{"id":"MARKSECRET\n"}})"),
        Answer("500 MARKSECRET", "MARKSECRET"), http::RedirectTo("https://MARKSECRET/?MARKSECRET"),
        std::string("MARKSECRET\r\n\r\n"), std::string("HTTP/1.1 MARKSECRET\r\n\r\n")}) {
    application_.Say(answer);
    (void)Ask(secret);
  }
  (void)Ask({{"cookie", "session=MARKSECRET\n"}});
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_OK(SetLogLevel("info"));
  EXPECT_THAT(log, HasSubstr("credential_refused"));
  EXPECT_THAT(log, HasSubstr("authentication_service_failed"));
  EXPECT_THAT(log, Not(HasSubstr(kMarker)));
}

// A session that ends must be refused at once.
TEST_F(ForwardAuthTest, RemembersNothingByDefault) {
  ASSERT_OK(Ask({{"cookie", "session=a"}}));
  application_.Say(Answer("401 Unauthorized"));
  EXPECT_THAT(Ask({{"cookie", "session=a"}}), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(asked(), 2U);
}

TEST_F(ForwardAuthTest, RemembersForTheConfiguredTime) {
  options_.cache_ttl = seconds(30);
  ASSERT_OK(Ask({{"cookie", "session=a"}}));
  ASSERT_OK(Ask({{"cookie", "session=a; theme=dark"}}, kNow + seconds(29)));
  EXPECT_EQ(asked(), 1U);
  ASSERT_OK(Ask({{"cookie", "session=a"}}, kNow + seconds(30)));
  EXPECT_EQ(asked(), 2U);
}

// Contract: cache keys cover every forwarded header.
TEST_F(ForwardAuthTest, RemembersWithEverythingThatIsPassedOn) {
  options_.cache_ttl = seconds(30);
  const std::vector<std::vector<PresentedHeader>> all = {
      {{"cookie", "session=a"}},
      {{"cookie", "session=b"}},
      {{"cookie", "session=a; session=a"}},
      {{"cookie", "xsession=a"}},
      {{"cookie", "session=a"}, {"x-tenant", "1"}},
      {{"cookie", "session=a"}, {"x-tenant", "2"}},
      {{"x-tenant", "Cookie9:session=a"}},
      {{"authorization", "session=a"}},
      {{"authorization", "1"}, {"x-tenant", "2"}},
      {{"authorization", "1x-tenant2"}},
      {{"authorization", "18:x-tenant1:2"}},
  };
  for (const auto& headers : all) ASSERT_OK(Ask(headers));
  EXPECT_EQ(asked(), all.size());
  for (const auto& headers : all) ASSERT_OK(Ask(headers));
  EXPECT_EQ(asked(), all.size());
}

TEST_F(ForwardAuthTest, RemembersNoRefusals) {
  options_.cache_ttl = seconds(30);
  application_.Say(Answer("200 OK", "{}"));
  EXPECT_THAT(Ask({{"cookie", "session=a"}}), IsRefusal(v1::AUTHENTICATION_FAILED));
  application_.Say(Answer("200 OK", R"({"user":{"id":"u-1"}})"));
  EXPECT_OK(Ask({{"cookie", "session=a"}}));
}

// --- two applications

TEST(TwoApplications, EachHasItsOwnCookies) {
  const ScriptedServer application(
      http::Answering([](const std::string&) { return Answer("200 OK", R"({"user":{"id":"u"}})"); }));
  std::vector<std::unique_ptr<const Authenticator>> all;
  for (const char* name : {"a", "b"}) {
    ForwardAuthOptions options = OptionsFor(application.Url());
    options.name = name;
    options.headers.clear();
    options.cookies = {std::string(name) + "-*"};
    auto client = http::Client::Start();
    ASSERT_OK(client);
    all.push_back(std::make_unique<ForwardAuthenticator>(std::move(options), *std::move(client)));
  }
  const AuthenticatorSet set(std::move(all), "guests");
  const auto ask = [&](std::vector<PresentedHeader> headers) {
    std::promise<absl::StatusOr<Principal>> promise;
    set.Authenticate({std::move(headers)}, kNow, [&](auto principal) { promise.set_value(std::move(principal)); });
    return promise.get_future().get();
  };
  EXPECT_THAT(set.headers(), ::testing::ElementsAre("authorization", "cookie"));
  ASSERT_OK_AND_ASSIGN(const Principal a, ask({{"cookie", "a-1=x; c-1=x"}}));
  EXPECT_EQ(a.authenticator, "a");
  ASSERT_OK_AND_ASSIGN(const Principal b, ask({{"cookie", "b-1=x"}}));
  EXPECT_EQ(b.authenticator, "b");
  EXPECT_THAT(ask({{"cookie", "a-1=x; b-1=x"}}), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  // Not even an empty one rides along.
  EXPECT_THAT(ask({{"cookie", "a-1=x; b-1="}}), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  ASSERT_OK_AND_ASSIGN(const Principal guest, ask({{"cookie", "c-1=x"}}));
  EXPECT_EQ(guest.authenticator, "guests");
}

// --- applications that do harm

absl::StatusOr<Principal> AskOnce(const std::string& url, seconds timeout = seconds(60)) {
  auto client = http::Client::Start();
  EXPECT_OK(client);
  const ForwardAuthenticator authenticator(OptionsFor(url, timeout), *std::move(client));
  std::promise<absl::StatusOr<Principal>> promise;
  authenticator.Authenticate({{{"cookie", "session=MARKSECRET"}}}, kNow,
                             [&](auto principal) { promise.set_value(std::move(principal)); });
  auto principal = promise.get_future().get();
  EXPECT_THAT(principal.status().ToString(), Not(HasSubstr(kMarker)));
  return principal;
}

TEST(HostileApplication, WithoutAnswerIsUnavailable) {
  const std::vector<std::pair<std::string, ScriptedServer::Script>> applications = {
      {"ends at once", [](Peer&) {}},
      {"garbage", [](Peer& peer) { peer.Send(std::string("\x16\x03\x01\x00\xff", 5)); }},
      {"speaks no HTTP", [](Peer& peer) { peer.Send("220 mail.example ESMTP\r\n"); }},
      {"ends in the body",
       [](Peer& peer) {
         peer.ReadRequest();
         peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"user\":{\"id\":\"u\"}}");
       }},
      {"10 MB",
       [](Peer& peer) {
         peer.ReadRequest();
         peer.Send(Answer("200 OK", R"({"user":{"id":"u"}})" + std::string(10 << 20, ' ')));
       }},
  };
  for (const auto& [name, script] : applications) {
    SCOPED_TRACE(name);
    const ScriptedServer application(script);
    EXPECT_THAT(AskOnce(application.Url()), IsRefusal(v1::UNAVAILABLE));
  }
  // The time is that of the whole answer, however often a byte comes.
  const ScriptedServer drips([](Peer& peer) {
    peer.ReadRequest();
    if (!peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")) return;
    while (peer.Send(" ")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  EXPECT_THAT(AskOnce(drips.Url(), seconds(1)), IsRefusal(v1::UNAVAILABLE));
  const ScriptedServer hangs([](Peer& peer) {
    peer.ReadRequest();
    peer.AwaitEnd();
  });
  EXPECT_THAT(AskOnce(hangs.Url(), seconds(1)), IsRefusal(v1::UNAVAILABLE));
  EXPECT_THAT(AskOnce("http://169.254.169.254/latest/meta-data"), IsRefusal(v1::UNAVAILABLE));
}

TEST(HostileApplication, ThatIsDownIsUnavailable) {
  std::string url;
  {
    const ScriptedServer application([](Peer&) {});
    url = application.Url();
  }
  EXPECT_THAT(AskOnce(url), IsRefusal(v1::UNAVAILABLE));
}

// Bodies that end well and say nothing, as frameworks answer without a session.
TEST(HostileApplication, ThatNamesNobodyIsARefusal) {
  for (const std::string& answer :
       {Answer("200 OK", "{}"), Answer("200 OK", "null"), Answer("200 OK"), Answer("204 No Content"),
        Answer("200 OK", "<html>MARKSECRET</html>", "Content-Type: text/html\r\n"),
        Answer("500 Oops", R"({"user":{"id":"u"}})"), Answer("302 Found", R"({"user":{"id":"u"}})"),
        Answer("401 Unauthorized", R"({"user":{"id":"u"}})"), Answer("200 OK", R"({"user":{"id":1e3}})")}) {
    const ScriptedServer application(http::Answering([&](const std::string&) { return answer; }));
    EXPECT_THAT(AskOnce(application.Url()), IsRefusal(v1::AUTHENTICATION_FAILED)) << answer;
  }
}

// A login page, or another host that would be asked with the user's cookies.
TEST(HostileApplication, LeadsNobodyElsewhere) {
  const ScriptedServer other(
      http::Answering([](const std::string&) { return Answer("200 OK", R"({"user":{"id":"u"}})"); }));
  for (const char* status : {"301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"}) {
    const ScriptedServer application(
        http::Answering([&](const std::string&) { return http::RedirectTo(other.Url(), status); }));
    EXPECT_THAT(AskOnce(application.Url()), IsRefusal(v1::AUTHENTICATION_FAILED));
  }
  EXPECT_EQ(other.connections(), 0);
}

}  // namespace
}  // namespace livekit::token
