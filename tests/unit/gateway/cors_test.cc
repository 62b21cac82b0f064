#include "gateway/cors.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "handler_fixture.h"

namespace livekit::token::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(ParseOrigin, BringsOriginsIntoNormalForm) {
  const auto normal = [](std::string_view text) {
    const auto origin = ParseOrigin(text);
    return origin ? origin->ToString() : "refused";
  };
  EXPECT_EQ(normal("https://app.acme.dev"), "https://app.acme.dev");
  EXPECT_EQ(normal("HTTPS://App.ACME.dev"), "https://app.acme.dev");
  EXPECT_EQ(normal("https://app.acme.dev:443"), "https://app.acme.dev");
  EXPECT_EQ(normal("http://app.acme.dev:80"), "http://app.acme.dev");
  EXPECT_EQ(normal("https://app.acme.dev:80"), "https://app.acme.dev:80");
  EXPECT_EQ(normal("http://localhost:5173"), "http://localhost:5173");
  EXPECT_EQ(normal("http://[::1]:3000"), "http://[::1]:3000");
  EXPECT_EQ(normal("http://[::1]"), "http://[::1]");
  EXPECT_EQ(normal("capacitor://localhost"), "capacitor://localhost");
  EXPECT_EQ(normal("chrome-extension://abcdef"), "chrome-extension://abcdef");
}

TEST(ParseOrigin, RefusesWhatIsNotExactlyAnOrigin) {
  for (std::string text : {"",
                           "null",
                           "*",
                           "app.acme.dev",
                           "https:app.acme.dev",
                           "https:/app.acme.dev",
                           "://app.acme.dev",
                           "https://",
                           "https://app.acme.dev/",
                           "https://app.acme.dev/x",
                           "https://app.acme.dev?x",
                           "https://app.acme.dev#x",
                           "https://user@app.acme.dev",
                           "https://a:b@app.acme.dev",
                           "https://app.acme.dev:",
                           "https://app.acme.dev:0",
                           "https://app.acme.dev:65536",
                           "https://app.acme.dev:443x",
                           "https://app.acme.dev:+443",
                           "https://app acme.dev",
                           " https://app.acme.dev",
                           "https://app.acme.dev ",
                           "https://*.acme.dev",
                           "https://app.acme.dev,https://b.dev",
                           "https://app.acme.dev https://b.dev",
                           "https://%61pp.acme.dev",
                           "https://[::1",
                           "https://::1",
                           "https://[]",
                           "https://[app]",
                           "1https://app.acme.dev",
                           "https://app.acme.dev\\@evil.com"}) {
    EXPECT_FALSE(ParseOrigin(text)) << text;
  }
  EXPECT_FALSE(ParseOrigin(std::string("https://app.acme.dev\0.evil.com", 30)));
  EXPECT_FALSE(ParseOrigin("https://" + std::string(600, 'a')));
}

TEST(CheckCors, AcceptsOriginsAndTheWildcardAlone) {
  EXPECT_THAT(CheckCors({{"https://app.acme.dev", "http://localhost:5173"}, true, {"x-api-key"}}, "cors"), IsEmpty());
  EXPECT_THAT(CheckCors({{"*"}, false, {}}, "cors"), IsEmpty());
  EXPECT_THAT(CheckCors({}, "cors"), IsEmpty());
}

TEST(CheckCors, NamesEveryProblem) {
  const auto paths = [](const CorsOptions& options) {
    std::vector<std::string> result;
    for (const auto& problem : CheckCors(options, "cors")) result.push_back(problem.path);
    return result;
  };
  EXPECT_THAT(paths({{"https://app.acme.dev/", "https://b.dev", "b.dev", "null"}, false, {}}),
              ElementsAre("cors.origins[0]", "cors.origins[2]", "cors.origins[3]"));
  EXPECT_THAT(paths({{"*"}, true, {}}), ElementsAre("cors.credentials"));
  EXPECT_THAT(paths({{"*", "https://b.dev"}, false, {}}), ElementsAre("cors.origins"));
  EXPECT_THAT(paths({{}, false, {"X-Api-Key", "a b", "", "ok", "a\r\nb"}}),
              ElementsAre("cors.headers[0]", "cors.headers[1]", "cors.headers[2]", "cors.headers[4]"));
}

class CorsPolicyTest : public HandlerTest {
 protected:
  http::Response AskFrom(const std::string& origin, const std::string& host = "tokens.acme.dev") {
    auto request = Post("{}", {{"Origin", origin}, {"Host", host}});
    request.peer_address = "127.0.0.1";
    return Ask(request);
  }
  void ExpectRefused(const std::string& origin, const std::string& host = "tokens.acme.dev") {
    const std::size_t before = backend.items.size();
    const auto response = AskFrom(origin, host);
    EXPECT_EQ(response.status, 403) << origin;
    EXPECT_EQ(ReasonIn(response), "ORIGIN_NOT_ALLOWED") << origin;
    EXPECT_FALSE(HeaderOf(response, "Access-Control-Allow-Origin")) << origin;
    EXPECT_EQ(HeaderOf(response, "Vary"), "Origin") << origin;
    EXPECT_EQ(backend.items.size(), before) << origin;
  }
};

TEST_F(CorsPolicyTest, AllowsListedOriginsAndSaysSo) {
  options.cors.origins = {"https://App.acme.dev:443", "http://10.1.1.1:8080"};
  for (const char* origin : {"https://app.acme.dev", "https://app.acme.dev:443", "HTTPS://APP.acme.dev"}) {
    const auto response = AskFrom(origin);
    EXPECT_EQ(response.status, 201) << origin;
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "https://app.acme.dev");
    EXPECT_EQ(HeaderOf(response, "Vary"), "Origin");
    EXPECT_EQ(HeaderOf(response, "Access-Control-Expose-Headers"), "X-Request-Id, Retry-After");
    EXPECT_FALSE(HeaderOf(response, "Access-Control-Allow-Credentials"));
  }
  EXPECT_EQ(HeaderOf(AskFrom("http://10.1.1.1:8080"), "Access-Control-Allow-Origin"), "http://10.1.1.1:8080");
}

TEST_F(CorsPolicyTest, RefusesTwinsOfListedOrigins) {
  options.cors.origins = {"https://app.acme.dev", "https://10.com", "http://localhost"};
  for (const char* origin : {"https://app.acme.dev.evil.com",
                             "https://evilapp.acme.dev",
                             "https://xapp.acme.dev",
                             "https://acme.dev",
                             "https://app.acme.de",
                             "https://app.acme.devx",
                             "https://app.acme.dev:444",
                             "http://app.acme.dev",
                             "https://app.acme.dev.",
                             "https://sub.app.acme.dev",
                             "https://app-acme.dev",
                             "https://appxacme.dev",
                             "https://evil10.com",
                             "https://localhost.evil.com",
                             "http://localhost.evil.com",
                             "http://notlocalhost",
                             "http://localhost:3000",
                             "https://evil.com/https://app.acme.dev",
                             "https://evil.com?https://app.acme.dev",
                             "https://app.acme.dev@evil.com",
                             "https://evil.com#app.acme.dev",
                             "",
                             "null",
                             "*",
                             "https://"}) {
    ExpectRefused(origin);
  }
}

TEST_F(CorsPolicyTest, RefusesSeveralOriginHeaders) {
  options.cors.origins = {"https://app.acme.dev"};
  auto request = Post("{}", {{"Origin", "https://app.acme.dev"}});
  request.headers.push_back({"Origin", "https://app.acme.dev"});
  EXPECT_EQ(Ask(request).status, 403);
  ExpectRefused("https://app.acme.dev, https://app.acme.dev");
  ExpectRefused("https://app.acme.dev https://evil.com");
}

TEST_F(CorsPolicyTest, AllowsTheRequestsOwnHost) {
  EXPECT_EQ(AskFrom("https://tokens.acme.dev", "tokens.acme.dev").status, 201);
  EXPECT_EQ(AskFrom("http://tokens.acme.dev", "tokens.acme.dev:80").status, 201);
  EXPECT_EQ(AskFrom("https://tokens.acme.dev", "Tokens.acme.dev:443").status, 201);
  EXPECT_EQ(AskFrom("http://tokens.acme.dev:3000", "tokens.acme.dev:3000").status, 201);
  EXPECT_EQ(AskFrom("http://[::1]:3000", "[::1]:3000").status, 201);
  ExpectRefused("https://tokens.acme.dev", "tokens.acme.dev:3000");
  ExpectRefused("https://tokens.acme.dev:444", "tokens.acme.dev");
  ExpectRefused("https://tokens.acme.dev.evil.com", "tokens.acme.dev");
  ExpectRefused("https://evil.com", "tokens.acme.dev");
  ExpectRefused("app://tokens.acme.dev", "tokens.acme.dev");
  ExpectRefused("null", "null");
  ExpectRefused("https://", "");
}

TEST_F(CorsPolicyTest, AllowsEverythingButNullWithTheWildcard) {
  options.cors.origins = {"*"};
  const auto response = AskFrom("https://anything.example");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "*");
  EXPECT_FALSE(HeaderOf(response, "Access-Control-Allow-Credentials"));
  ExpectRefused("null");
}

TEST_F(CorsPolicyTest, NeverGivesCredentialsToTheWildcard) {
  options.cors.origins = {"*"};
  options.cors.credentials = true;
  EXPECT_FALSE(HeaderOf(AskFrom("https://anything.example"), "Access-Control-Allow-Credentials"));
}

TEST_F(CorsPolicyTest, GivesCredentialsToListedOriginsWhenConfigured) {
  options.cors.origins = {"https://app.acme.dev"};
  options.cors.credentials = true;
  EXPECT_EQ(HeaderOf(AskFrom("https://app.acme.dev"), "Access-Control-Allow-Credentials"), "true");
}

TEST_F(CorsPolicyTest, AllowsLoopbackPagesOnlyInDevelopment) {
  ExpectRefused("http://localhost:5173");
  handler_.reset();
  options.cors.allow_loopback = true;
  for (const char* origin : {"http://localhost:5173", "http://localhost", "https://localhost:8443",
                             "http://127.0.0.1:8080", "http://[::1]:5173", "http://app.localhost:3000"}) {
    EXPECT_EQ(AskFrom(origin).status, 201) << origin;
  }
  for (const char* origin : {"https://localhost.evil.com", "http://127.0.0.1.evil.com", "http://192.168.1.5:5173",
                             "http://0.0.0.0:5173", "http://8.8.8.8", "null", "file://", "capacitor://localhost"}) {
    ExpectRefused(origin);
  }
}

TEST_F(CorsPolicyTest, AllowsPrivatePagesOnlyWithThePrivateNetwork) {
  options.cors.allow_loopback = true;
  options.cors.allow_private = true;
  for (const char* origin : {"http://192.168.1.5:5173", "http://10.0.0.2", "https://172.20.0.1:3000"}) {
    EXPECT_EQ(AskFrom(origin).status, 201) << origin;
  }
  for (const char* origin :
       {"http://8.8.8.8", "http://192.168.1.5.evil.com", "http://172.32.0.1", "https://evil10.com"}) {
    ExpectRefused(origin);
  }
}

TEST_F(CorsPolicyTest, AnswersPreflightsBeforeAuthentication) {
  options.cors.origins = {"https://app.acme.dev"};
  options.cors.headers = {"x-api-key", "authorization"};
  auto request = Post("", {{"Origin", "https://app.acme.dev"},
                           {"Access-Control-Request-Method", "POST"},
                           {"Access-Control-Request-Headers", "authorization,x-evil"}});
  request.method = "OPTIONS";
  Remove(request, "Content-Type");
  const auto response = Ask(request);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.content_type, "");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "https://app.acme.dev");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Methods"), "POST, OPTIONS");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Headers"),
            "authorization, content-type, x-sandbox-id, traceparent, tracestate, x-request-id, x-api-key");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Max-Age"), "7200");
  EXPECT_EQ(HeaderOf(response, "Vary"), "Origin");
  EXPECT_TRUE(backend.items.empty());

  Set(request, "Origin", "https://evil.com");
  const auto refused = Ask(request);
  EXPECT_EQ(refused.status, 403);
  EXPECT_FALSE(HeaderOf(refused, "Access-Control-Allow-Methods"));
  EXPECT_FALSE(HeaderOf(refused, "Access-Control-Allow-Headers"));

  request.path = "/nowhere";
  Set(request, "Origin", "https://app.acme.dev");
  EXPECT_EQ(Ask(request).status, 404);
}

TEST_F(CorsPolicyTest, AnswersOptionsOfProgramsToo) {
  auto request = Post("");
  request.method = "OPTIONS";
  const auto response = Ask(request);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(HeaderOf(response, "Allow"), "POST, OPTIONS");
  EXPECT_FALSE(HeaderOf(response, "Access-Control-Allow-Origin"));
}

TEST_F(CorsPolicyTest, PutsItsHeadersOnErrorsToo) {
  options.cors.origins = {"https://app.acme.dev"};
  const auto check = [&](http::Request request, int status) {
    Set(request, "Origin", "https://app.acme.dev");
    const auto response = Ask(request);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "https://app.acme.dev") << status;
    EXPECT_EQ(HeaderOf(response, "Access-Control-Expose-Headers"), "X-Request-Id, Retry-After") << status;
  };
  auto request = Post("{}");
  request.path = "/nowhere";
  check(request, 404);
  request = Post("{}");
  request.method = "GET";
  check(request, 405);
  check(Post("{}", {{"Content-Type", "text/plain"}}), 415);
  check(Post("["), 400);
  backend.answer = [](const Backend::Item&) { return FakeBackend::Refusal(Refuse(v1::AUTHENTICATION_REQUIRED)); };
  check(Post("{}"), 401);
  backend.answer = [](const Backend::Item&) { return FakeBackend::Refusal(Refuse(v1::RATE_LIMITED)); };
  check(Post("{}"), 429);
}

TEST_F(CorsPolicyTest, RefusesBeforeLookingAtPathMethodOrBody) {
  auto request = Post("[", {{"Origin", "https://evil.com"}});
  request.path = "/nowhere";
  request.method = "GET";
  EXPECT_EQ(Ask(request).status, 403);
}

TEST_F(CorsPolicyTest, LogsEachRefusedOriginOnceWithTheLineToAdd) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) AskFrom("https://new.acme.dev");
  AskFrom("HTTPS://NEW.acme.dev:443");
  AskFrom("null");
  AskFrom("null");
  std::string log = ::testing::internal::GetCapturedStderr();
  const auto count = [&](const std::string& what) {
    int n = 0;
    for (std::size_t at = log.find(what); at != log.npos; at = log.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("origin_refused"), 2);
  EXPECT_THAT(log, HasSubstr("--cors_origin=https://new.acme.dev"));
  EXPECT_THAT(log, HasSubstr("cors: { origins: [https://new.acme.dev] }"));
}

TEST_F(CorsPolicyTest, KeepsTheLogOfOriginsSmallAndFreeOfForgedLines) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i) AskFrom("https://h" + std::to_string(i) + ".evil.com");
  std::string log = ::testing::internal::GetCapturedStderr();
  int lines = 0;
  for (std::size_t at = log.find("origin_refused"); at != log.npos; at = log.find("origin_refused", at + 1)) ++lines;
  EXPECT_EQ(lines, 256);
  handler_.reset();
  ::testing::internal::CaptureStderr();
  AskFrom("https://x\r\n{\"event\":\"forged\"}");
  log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, Not(HasSubstr("forged")));
}

}  // namespace
}  // namespace livekit::token::gateway
