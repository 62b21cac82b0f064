// The HTTP contract: statuses, headers and bodies of every way through the handler.

#include "gateway/handler.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "handler_fixture.h"

namespace livekit::token::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class TokenHandlerTest : public HandlerTest {};

TEST_F(TokenHandlerTest, AnswersATokenWithExactlyTwoMembers) {
  const auto response = Ask(Post("{}"));
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body, R"({"server_url":"wss://acme.livekit.cloud","participant_token":"aaa.bbb.ccc"})");
  EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-store");
  EXPECT_EQ(HeaderOf(response, "Vary"), "Origin");
  EXPECT_FALSE(HeaderOf(response, "Access-Control-Allow-Origin"));
  EXPECT_FALSE(HeaderOf(response, "WWW-Authenticate"));
  EXPECT_FALSE(response.close);
}

TEST_F(TokenHandlerTest, AddsMembersOnlyWhenExtended) {
  options.extended_response = true;
  const auto json = JsonOf(Ask(Post("{}")));
  EXPECT_EQ(json.size(), 6u);
  EXPECT_EQ(json["room_name"], "standup");
  EXPECT_EQ(json["participant_identity"], "alice");
  EXPECT_EQ(json["participant_name"], "Alice \"A\"");
  EXPECT_EQ(json["expires_at"], "2026-01-02T03:04:05Z");
}

TEST_F(TokenHandlerTest, ServesEveryConfiguredPathAndNoOther) {
  auto request = Post("{}");
  request.path = "/api/token";
  EXPECT_EQ(Ask(request).status, 201);
  for (const char* path : {"/", "/gettoken", "/getToken/", "/getTokens", "/api/token2", "/x/getToken", ""}) {
    request.path = path;
    const auto response = Ask(request);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(ReasonIn(response), "NOT_FOUND") << path;
  }
  EXPECT_EQ(backend.items.size(), 1u);
}

TEST_F(TokenHandlerTest, AllowsOnlyPostAndOptions) {
  for (const char* method : {"GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "post", ""}) {
    auto request = Post("{}");
    request.method = method;
    const auto response = Ask(request);
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(HeaderOf(response, "Allow"), "POST, OPTIONS") << method;
    EXPECT_EQ(response.body.empty(), std::string(method) == "HEAD") << method;
  }
  EXPECT_TRUE(backend.items.empty());
}

TEST_F(TokenHandlerTest, AnswersHeadWithoutBody) {
  auto request = Post("");
  request.method = "HEAD";
  request.path = "/nowhere";
  const auto response = Ask(request);
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.content_type, "");
  EXPECT_EQ(response.body, "");
}

TEST_F(TokenHandlerTest, TakesJsonWithAnyParametersAndAnAbsentType) {
  for (const char* type : {"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
                           "Application/JSON", "application/json ; x=\"y;z\"", "application/json;"}) {
    EXPECT_EQ(Ask(Post("{}", {{"Content-Type", type}})).status, 201) << type;
  }
  auto request = Post("{}");
  Remove(request, "Content-Type");
  EXPECT_EQ(Ask(request).status, 201);
}

TEST_F(TokenHandlerTest, RefusesOtherMediaTypes) {
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
                           "application/jsonp", "application/json, text/plain", "json", "text/json",
                           "application/vnd.api+json", "text/plain; application/json"}) {
    const auto response = Ask(Post("{}", {{"Content-Type", type}}));
    EXPECT_EQ(response.status, 415) << type;
    EXPECT_EQ(ReasonIn(response), "UNSUPPORTED_MEDIA_TYPE") << type;
  }
  auto twice = Post("{}");
  twice.headers.push_back({"Content-Type", "application/json"});
  EXPECT_EQ(Ask(twice).status, 415);
  for (const char* encoding : {"gzip", "identity", "br"}) {
    EXPECT_EQ(Ask(Post("{}", {{"Content-Encoding", encoding}})).status, 415) << encoding;
  }
  EXPECT_TRUE(backend.items.empty());
}

TEST_F(TokenHandlerTest, EchoesAGoodRequestIdAndMakesOneInPlaceOfABadOne) {
  const std::string longest(128, 'a');
  for (const std::string& id : {std::string("req-1_2.3"), longest}) {
    EXPECT_EQ(HeaderOf(Ask(Post("{}", {{"X-Request-Id", id}})), "X-Request-Id"), id);
    EXPECT_EQ(backend.items.back().request_id(), id);
  }
  for (const std::string& id : {std::string(), longest + "a", std::string("a b"), std::string("a\"b"),
                                std::string("a\r\nSet-Cookie: x"), std::string("\xc3\xa9")}) {
    const auto response = Ask(Post("{}", {{"X-Request-Id", id}}));
    const auto made = HeaderOf(response, "X-Request-Id");
    ASSERT_TRUE(made);
    EXPECT_THAT(*made, MatchesRegex("[0-9a-f-]{36}"));
    EXPECT_EQ(backend.items.back().request_id(), *made);
  }
  auto twice = Post("{}");
  twice.headers.push_back({"X-Request-Id", "one"});
  twice.headers.push_back({"x-request-id", "two"});
  EXPECT_THAT(*HeaderOf(Ask(twice), "X-Request-Id"), MatchesRegex("[0-9a-f-]{36}"));
}

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpanId[] = "00f067aa0ba902b7";
constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST_F(TokenHandlerTest, ContinuesTheTraceOfTheRequestWithASpanOfItsOwn) {
  ::testing::internal::CaptureStderr();
  auto request = Post("{}", {{"TraceParent", kTraceparent}});
  request.headers.push_back({"tracestate", "b=1"});
  request.headers.push_back({"Tracestate", "a=2, c=3"});
  ASSERT_EQ(Ask(request).status, 201);
  const auto line = nlohmann::json::parse(::testing::internal::GetCapturedStderr(), nullptr, false);
  const auto& item = backend.items.at(0);
  EXPECT_THAT(item.traceparent(), MatchesRegex(std::string("00-") + kTraceId + "-[0-9a-f]{16}-01"));
  EXPECT_THAT(item.traceparent(), Not(HasSubstr(kSpanId)));
  EXPECT_EQ(item.tracestate(), "b=1,a=2, c=3");
  EXPECT_EQ(line.value("trace_id", ""), kTraceId);
  EXPECT_EQ(line.value("span_id", ""), item.traceparent().substr(36, 16));
}

// Items are protobuf: one string that is not UTF-8 would make the call of many users fail.
TEST_F(TokenHandlerTest, BeginsATraceAndPassesNothingOnThatIsNotWellFormed) {
  for (const std::string& bad :
       {std::string(), std::string("\xff\xfe"), std::string(kTraceparent) + "\xc3", std::string(10'240, '0'),
        std::string(kTraceparent) + "\r\nX-Api-Key: MARK", "ff" + std::string(kTraceparent).substr(2)}) {
    ASSERT_EQ(Ask(Post("{}", {{"traceparent", bad}, {"tracestate", "a=1"}})).status, 201);
    EXPECT_THAT(backend.items.back().traceparent(), MatchesRegex("00-[0-9a-f]{32}-[0-9a-f]{16}-00"));
    EXPECT_THAT(backend.items.back().traceparent(), Not(HasSubstr(kTraceId)));
    EXPECT_EQ(backend.items.back().tracestate(), "");
  }
  for (const std::string& bad : {std::string("a=\xff"), std::string("a=1\r\nX-Api-Key: MARK"), std::string(10'240, 'a'),
                                 std::string("a=\xc3\xa9"), std::string("a=1,a=2")}) {
    ASSERT_EQ(Ask(Post("{}", {{"traceparent", kTraceparent}, {"tracestate", bad}})).status, 201);
    EXPECT_THAT(backend.items.back().traceparent(), HasSubstr(kTraceId));
    EXPECT_EQ(backend.items.back().tracestate(), "");
  }
  auto twice = Post("{}", {{"traceparent", kTraceparent}});
  twice.headers.push_back({"Traceparent", kTraceparent});
  ASSERT_EQ(Ask(twice).status, 201);
  EXPECT_THAT(backend.items.back().traceparent(), Not(HasSubstr(kTraceId)));
}

TEST_F(TokenHandlerTest, NamesTheRequestOnEveryKindOfAnswer) {
  options.max_pending = 0;
  options.cors.origins = {"https://app.acme.dev"};
  const auto expect = [&](http::Request request, int status) {
    Set(request, "X-Request-Id", "r-1");
    const auto response = Ask(request);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(HeaderOf(response, "X-Request-Id"), "r-1") << status;
  };
  expect(Post("{}"), 503);
  expect(Post("["), 400);
  expect(Post("{}", {{"Content-Type", "text/plain"}}), 415);
  expect(Post("{}", {{"Origin", "https://evil.com"}}), 403);
  auto request = Post("{}", {{"Origin", "https://app.acme.dev"}});
  request.method = "OPTIONS";
  expect(request, 204);
  request.method = "HEAD";
  expect(request, 405);
  request.path = "/nowhere";
  expect(request, 404);
  handler_.reset();
  options.max_pending = 1;
  for (const auto& [reason, status] :
       {std::pair{v1::RATE_LIMITED, 429}, std::pair{v1::UNAVAILABLE, 503}, std::pair{v1::AUTHENTICATION_REQUIRED, 401},
        std::pair{v1::INTERNAL, 500}, std::pair{v1::DEADLINE_EXCEEDED, 504}}) {
    backend.answer = [reason = reason](const Backend::Item&) { return FakeBackend::Refusal(Refuse(reason)); };
    expect(Post("{}"), status);
  }
}

TEST_F(TokenHandlerTest, NamesTheRequestInTheErrorBody) {
  const auto response = Ask(Post("[", {{"X-Request-Id", "r-1"}}));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(HeaderOf(response, "X-Request-Id"), "r-1");
  EXPECT_EQ(JsonOf(response)["request_id"], "r-1");
}

TEST_F(TokenHandlerTest, PassesOnWhatTheTokenServerNeeds) {
  options.timeout = std::chrono::milliseconds(4500);
  options.max_token_bytes = 1234;
  ASSERT_EQ(Ask(Post(R"({"room_name":"r"})")).status, 201);
  const auto& item = backend.items.at(0);
  EXPECT_EQ(item.request().room_name(), "r");
  EXPECT_EQ(item.host(), "tokens.acme.dev");
  EXPECT_EQ(item.client_address(), "203.0.113.7");
  EXPECT_EQ(item.timeout().seconds(), 4);
  EXPECT_EQ(item.timeout().nanos(), 500'000'000);
  EXPECT_EQ(item.max_token_bytes(), 1234);
  EXPECT_TRUE(item.credentials().empty());
}

TEST_F(TokenHandlerTest, PassesOnOnlyAHostThatIsOne) {
  for (const char* host : {"a b", "x/y", "[::1", "h:99999", "\xff", ""}) {
    ASSERT_EQ(Ask(Post("{}", {{"Host", host}})).status, 201) << host;
    EXPECT_EQ(backend.items.back().host(), "") << host;
  }
  ASSERT_EQ(Ask(Post("{}", {{"Host", "[::1]:3000"}})).status, 201);
  EXPECT_EQ(backend.items.back().host(), "[::1]:3000");
}

TEST_F(TokenHandlerTest, RelaysConfiguredHeadersAndNothingElse) {
  ASSERT_EQ(Ask(Post("{}", {{"AUTHORIZATION", "Bearer abc"},
                            {"X-Caller-Authorization", "Bearer gateway"},
                            {"Cookie", "session=1"},
                            {"x_api_key", "underscore twin"},
                            {"X-Forwarded-For", "10.0.0.1"}}))
                .status,
            201);
  const auto& item = backend.items.at(0);
  ASSERT_EQ(item.credentials_size(), 1);
  EXPECT_EQ(item.credentials(0).header(), "authorization");
  EXPECT_EQ(item.credentials(0).value(), "Bearer abc");
  EXPECT_EQ(item.client_address(), "203.0.113.7");
}

TEST_F(TokenHandlerTest, RelaysAnEmptyCredentialForTheServerToRefuse) {
  ASSERT_EQ(Ask(Post("{}", {{"Authorization", ""}})).status, 201);
  ASSERT_EQ(backend.items.at(0).credentials_size(), 1);
}

TEST_F(TokenHandlerTest, RefusesACredentialHeaderThatOccursTwice) {
  auto request = Post("{}", {{"Authorization", "Bearer abc"}});
  request.headers.push_back({"authorization", "Bearer abc"});
  const auto response = Ask(request);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(ReasonIn(response), "AMBIGUOUS_CREDENTIALS");
  EXPECT_TRUE(backend.items.empty());
  // Two different ones are for the server to judge.
  EXPECT_EQ(Ask(Post("{}", {{"Authorization", "Bearer a"}, {"X-Api-Key", "b"}})).status, 201);
  EXPECT_EQ(backend.items.at(0).credentials_size(), 2);
}

TEST_F(TokenHandlerTest, RefusesACredentialThatIsNotUtf8) {
  const auto response = Ask(Post("{}", {{"Authorization", "Bearer \xff\xfe"}}));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(ReasonIn(response), "MALFORMED_REQUEST");
  EXPECT_TRUE(backend.items.empty());
}

TEST_F(TokenHandlerTest, AnswersEveryReasonWithItsStatusAndAShortBody) {
  for (const ReasonInfo& info : AllReasons()) {
    backend.answer = [&](const Backend::Item&) { return FakeBackend::Refusal(Refuse(info.reason)); };
    const auto response = Ask(Post("{}"));
    const std::string name = v1::ErrorReason_Name(info.reason);
    const bool hidden = info.reason == v1::CALLER_AUTHENTICATION_FAILED || info.reason == v1::METHOD_NOT_PERMITTED ||
                        info.reason == v1::BATCH_SIZE_INVALID;
    EXPECT_EQ(response.status, hidden ? 500 : info.http_status) << name;
    EXPECT_EQ(ReasonIn(response), hidden ? "INTERNAL" : name);
    EXPECT_EQ(response.content_type, "application/json") << name;
    EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-store") << name;
    EXPECT_LE(response.body.size(), 1024u) << name;
    const auto json = JsonOf(response);
    ASSERT_TRUE(json.is_object()) << name;
    EXPECT_EQ(json["error"], std::string(GetReasonInfo(hidden ? v1::INTERNAL : info.reason).sentence)) << name;
    EXPECT_FALSE(json.contains("server_url")) << name;
    EXPECT_FALSE(json.contains("participant_token")) << name;
    EXPECT_FALSE(json.contains("fields")) << name;
    EXPECT_EQ(HeaderOf(response, "WWW-Authenticate").has_value(), response.status == 401) << name;
    EXPECT_EQ(HeaderOf(response, "Allow").has_value(), response.status == 405) << name;
    EXPECT_EQ(HeaderOf(response, "Retry-After").has_value(), response.status == 429 || response.status == 503) << name;
  }
}

TEST_F(TokenHandlerTest, SaysInvalidTokenOnlyIfACredentialWasPresented) {
  backend.answer = [](const Backend::Item&) { return FakeBackend::Refusal(Refuse(v1::AUTHENTICATION_REQUIRED)); };
  EXPECT_EQ(HeaderOf(Ask(Post("{}")), "WWW-Authenticate"), "Bearer");
  backend.answer = [](const Backend::Item&) {
    return FakeBackend::Refusal(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)));
  };
  EXPECT_EQ(HeaderOf(Ask(Post("{}")), "WWW-Authenticate"), "Bearer error=\"invalid_token\"");
}

TEST_F(TokenHandlerTest, RoundsRetryAfterUpAndNeverSaysZero) {
  const auto retry_after = [&](std::chrono::milliseconds delay) {
    backend.answer = [=](const Backend::Item&) {
      return FakeBackend::Refusal(WithRetryDelay(Refuse(v1::RATE_LIMITED), delay));
    };
    return HeaderOf(Ask(Post("{}")), "Retry-After");
  };
  EXPECT_EQ(retry_after(std::chrono::milliseconds(0)), "1");
  EXPECT_EQ(retry_after(std::chrono::milliseconds(1)), "1");
  EXPECT_EQ(retry_after(std::chrono::milliseconds(1000)), "1");
  EXPECT_EQ(retry_after(std::chrono::milliseconds(1001)), "2");
  EXPECT_EQ(retry_after(std::chrono::milliseconds(-5000)), "1");
}

TEST_F(TokenHandlerTest, ShowsTheFieldsAtFault) {
  backend.answer = [](const Backend::Item&) {
    return FakeBackend::Refusal(
        RefuseField(v1::FIELD_NOT_PERMITTED, "participant_identity", "may not be set by the client"));
  };
  const auto response = Ask(Post("{}"));
  EXPECT_EQ(response.status, 403);
  const auto json = JsonOf(response);
  ASSERT_EQ(json["fields"].size(), 1u);
  EXPECT_EQ(json["fields"][0]["field"], "participant_identity");
  EXPECT_EQ(json["fields"][0]["message"], "may not be set by the client");
}

TEST_F(TokenHandlerTest, TellsOperatorsButNotUsersThatTheGatewaysCredentialIsBad) {
  backend.answer = [](const Backend::Item&) {
    return FakeBackend::Refusal(Refuse(v1::CALLER_AUTHENTICATION_FAILED, "the secret reason"));
  };
  ::testing::internal::CaptureStderr();
  const auto response = Ask(Post("{}"));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(ReasonIn(response), "INTERNAL");
  EXPECT_THAT(response.body, Not(HasSubstr("secret reason")));
  EXPECT_THAT(response.body, Not(HasSubstr("CALLER")));
  EXPECT_THAT(log, HasSubstr("CALLER_AUTHENTICATION_FAILED"));
}

TEST_F(TokenHandlerTest, TakesAnAnswerThatIsNoneForAFaultOfTheService) {
  std::vector<Backend::Result> bad(4);
  bad[1] = FakeBackend::Token();
  bad[1].mutable_token()->clear_participant_token();
  bad[2] = FakeBackend::Token();
  bad[2].mutable_token()->clear_server_url();
  bad[3].mutable_error()->set_reason(static_cast<v1::ErrorReason>(9999));
  bad[3].mutable_error()->set_message("from the future");
  for (const auto& result : bad) {
    backend.answer = [&](const Backend::Item&) { return result; };
    const auto response = Ask(Post("{}"));
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(ReasonIn(response), "INTERNAL");
    EXPECT_THAT(response.body, Not(HasSubstr("future")));
  }
}

TEST_F(TokenHandlerTest, AnswersOnceHoweverTheBackendBehaves) {
  backend.answer = nullptr;
  int answers = 0;
  int status = 0;
  const auto count = [&](const http::Response& response) {
    ++answers;
    status = response.status;
  };
  handler().Handle(Post("{}"), count);
  EXPECT_EQ(answers, 0);
  backend.pending.at(0)(FakeBackend::Token());
  backend.pending.at(0)(FakeBackend::Refusal(Refuse(v1::INTERNAL)));
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(status, 201);

  // Never answered: the end of the backend's callback is the end of the request.
  handler().Handle(Post("{}"), count);
  backend.pending.clear();
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(status, 500);
}

TEST_F(TokenHandlerTest, AnswersAfterTheHandlerIsGone) {
  backend.answer = nullptr;
  int status = 0;
  handler().Handle(Post("{}"), [&](const http::Response& response) { status = response.status; });
  handler_.reset();
  backend.pending.at(0)(FakeBackend::Token());
  EXPECT_EQ(status, 201);
}

TEST_F(TokenHandlerTest, TurnsExceptionsIntoInternal) {
  backend.answer = [](const Backend::Item&) -> Backend::Result { throw std::runtime_error("boom"); };
  const auto response = Ask(Post("{}"));
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, Not(HasSubstr("boom")));

  backend.answer = [](const Backend::Item&) { return FakeBackend::Token(); };
  handler().Handle(Post("{}"), [](const http::Response&) { throw std::runtime_error("gone"); });
}

TEST_F(TokenHandlerTest, RefusesForTheServerInTheSameForm) {
  options.cors.origins = {"https://app.acme.dev"};
  for (v1::ErrorReason reason : {v1::MALFORMED_REQUEST, v1::REQUEST_TIMEOUT, v1::BODY_TOO_LARGE, v1::HEADERS_TOO_LARGE,
                                 v1::UNSUPPORTED_MEDIA_TYPE, v1::UNAVAILABLE}) {
    auto request = Post("", {{"Origin", "https://app.acme.dev"}, {"X-Request-Id", "r-9"}});
    const auto response = handler().Refuse(request, reason);
    EXPECT_EQ(response.status, GetReasonInfo(reason).http_status);
    EXPECT_EQ(ReasonIn(response), v1::ErrorReason_Name(reason));
    EXPECT_EQ(HeaderOf(response, "X-Request-Id"), "r-9");
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "https://app.acme.dev");
    EXPECT_EQ(HeaderOf(response, "Retry-After").has_value(), response.status == 503);
    EXPECT_TRUE(response.close);
  }
  // Of a request of which nothing could be read.
  const auto response = handler().Refuse(http::Request(), v1::MALFORMED_REQUEST);
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(HeaderOf(response, "X-Request-Id"));
}

TEST_F(TokenHandlerTest, LogsOneLineWithoutHeadersAndBodies) {
  ::testing::internal::CaptureStderr();
  Ask(Post(R"({"room_name":"MARKroom","participant_metadata":"MARKmeta"})",
           {{"Authorization", "Bearer MARKtoken"}, {"User-Agent", "MARKagent"}, {"X-Request-Id", "r-7"}}));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  for (const char* part :
       {"http_request", "\"route\":\"/getToken\"", "201", "r-7", "203.0.113.7", "duration_ms", "\"bytes_in\":58"}) {
    EXPECT_THAT(log, HasSubstr(part));
  }
  EXPECT_THAT(log, Not(HasSubstr("MARK")));
  EXPECT_THAT(log, Not(HasSubstr("aaa.bbb.ccc")));
}

TEST_F(TokenHandlerTest, LogsTheShareOfSuccessesThatItShallAndAllRefusals) {
  options.access_log_sample = 0;
  ::testing::internal::CaptureStderr();
  Ask(Post("{}", {{"X-Request-Id", "succeeds"}}));
  Ask(Post("{", {{"X-Request-Id", "is-refused"}}));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, Not(HasSubstr("succeeds")));
  EXPECT_THAT(log, HasSubstr("is-refused"));
}

TEST_F(TokenHandlerTest, TellsTheClientsAddressBehindATrustedProxyToServerAndLog) {
  options.trusted_proxies = {*Network::Parse("203.0.113.0/24")};
  ::testing::internal::CaptureStderr();
  Ask(Post("{}", {{"X-Forwarded-For", "192.0.2.66, 198.51.100.4:5000"}}));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(backend.items.back().client_address(), "198.51.100.4");
  EXPECT_THAT(log, HasSubstr("\"peer_ip\":\"198.51.100.4\""));
  EXPECT_THAT(log, Not(HasSubstr("203.0.113.7")));
  EXPECT_THAT(log, Not(HasSubstr("192.0.2.66")));
}

TEST_F(TokenHandlerTest, TellsThePeersAddressWhateverAnyoneElseForwards) {
  options.trusted_proxies = {*Network::Parse("203.0.113.8")};
  ::testing::internal::CaptureStderr();
  Ask(Post("{}", {{"X-Forwarded-For", "198.51.100.4"}}));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(backend.items.back().client_address(), "203.0.113.7");
  EXPECT_THAT(log, HasSubstr("\"peer_ip\":\"203.0.113.7\""));
  EXPECT_THAT(log, Not(HasSubstr("198.51.100.4")));
}

TEST_F(TokenHandlerTest, LogsTheProxyOfARequestThatTheServerRefuses) {
  options.trusted_proxies = {*Network::Parse("203.0.113.7")};
  ::testing::internal::CaptureStderr();
  handler().Refuse(Post("", {{"X-Forwarded-For", "198.51.100.4"}}), v1::HEADERS_TOO_LARGE);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("\"peer_ip\":\"203.0.113.7\""));
  EXPECT_THAT(log, Not(HasSubstr("198.51.100.4")));
}

TEST_F(TokenHandlerTest, CountsRequestsByKnownMethodsAndRoutes) {
  Ask(Post("{}"));
  auto request = Post("{}");
  request.method = "MARKMETHOD";
  request.path = "/MARKpath";
  Ask(request);
  Ask(Post(R"({"unknown":1,"other":{}})"));
  Ask(Post("["));
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("_OTHER"));
  EXPECT_THAT(text, HasSubstr("/getToken"));
  EXPECT_THAT(text, HasSubstr("INVALID_JSON"));
  EXPECT_THAT(text, HasSubstr("livekit_token_unknown_fields_total 2"));
  EXPECT_THAT(text, Not(HasSubstr("MARK")));
}

class DevHandlerTest : public HandlerTest {
 protected:
  DevHandlerTest() { options.dev = true; }

  int StatusFor(const std::string& host, const std::string& peer) {
    auto request = Post("{}", {{"Host", host}});
    request.peer_address = peer;
    const auto response = Ask(request);
    if (response.status == 403) {
      EXPECT_EQ(ReasonIn(response), "HOST_NOT_ALLOWED");
    }
    return response.status;
  }
};

TEST_F(DevHandlerTest, AnswersOnlyLoopbackAndPrivateHosts) {
  for (const char* host : {"localhost", "localhost:3000", "LOCALHOST:3000", "app.localhost:3000", "127.0.0.1:3000",
                           "[::1]:3000", "10.0.2.2:3000", "192.168.1.5:3000", "172.16.0.1"}) {
    EXPECT_EQ(StatusFor(host, "127.0.0.1"), 201) << host;
  }
  for (const char* host : {"tokens.acme.dev", "evil.com:3000", "localhost.evil.com", "8.8.8.8", "127.0.0.1.evil.com",
                           "", "0.0.0.0:3000", "localhost:3000, evil.com", "evil.com#localhost"}) {
    EXPECT_EQ(StatusFor(host, "127.0.0.1"), 403) << host;
  }
  EXPECT_EQ(backend.items.size(), 9u);
}

TEST_F(DevHandlerTest, RefusesARequestWithoutHostOrWithTwo) {
  auto request = Post("{}");
  request.peer_address = "127.0.0.1";
  Remove(request, "Host");
  EXPECT_EQ(Ask(request).status, 403);
  request.headers.push_back({"Host", "localhost"});
  EXPECT_EQ(Ask(request).status, 201);
  request.headers.push_back({"Host", "localhost"});
  EXPECT_EQ(Ask(request).status, 403);
}

TEST_F(DevHandlerTest, AnswersOnlyLoopbackPeers) {
  EXPECT_EQ(StatusFor("localhost", "::1"), 201);
  EXPECT_EQ(StatusFor("localhost", "::ffff:127.0.0.1"), 201);
  EXPECT_EQ(StatusFor("localhost", "192.168.1.5"), 403);
  EXPECT_EQ(StatusFor("localhost", "8.8.8.8"), 403);
  EXPECT_EQ(StatusFor("localhost", ""), 403);
}

TEST_F(DevHandlerTest, JudgesTheSocketsPeerWhateverATrustedProxyForwards) {
  options.trusted_proxies = {*Network::Parse("127.0.0.1"), *Network::Parse("8.8.8.8")};
  const auto status_for = [this](const std::string& peer, const std::string& client) {
    auto request = Post("{}", {{"Host", "localhost"}, {"X-Forwarded-For", client}});
    request.peer_address = peer;
    return Ask(request).status;
  };
  EXPECT_EQ(status_for("8.8.8.8", "127.0.0.1"), 403);
  EXPECT_EQ(status_for("8.8.8.8", "::1"), 403);
  EXPECT_EQ(status_for("127.0.0.1", "8.8.4.4"), 201);
}

TEST_F(DevHandlerTest, AnswersPrivatePeersWithThePrivateNetworkOnly) {
  options.dev_private_network = true;
  EXPECT_EQ(StatusFor("192.168.1.2:3000", "192.168.1.5"), 201);
  EXPECT_EQ(StatusFor("192.168.1.2:3000", "::ffff:10.1.2.3"), 201);
  EXPECT_EQ(StatusFor("192.168.1.2:3000", "fd00::1"), 201);
  EXPECT_EQ(StatusFor("192.168.1.2:3000", "8.8.8.8"), 403);
  EXPECT_EQ(StatusFor("8.8.8.8", "192.168.1.5"), 403);
}

TEST_F(DevHandlerTest, RefusesTheHostBeforeAnythingElse) {
  auto request = Post("[", {{"Host", "evil.com"}, {"Origin", "http://evil.com"}});
  request.peer_address = "127.0.0.1";
  request.path = "/nowhere";
  const auto response = Ask(request);
  EXPECT_EQ(ReasonIn(response), "HOST_NOT_ALLOWED");
  request.method = "OPTIONS";
  EXPECT_EQ(Ask(request).status, 403);
}

TEST_F(TokenHandlerTest, AnswersAnyHostOutsideDevelopment) {
  EXPECT_EQ(Ask(Post("{}", {{"Host", "anything.example"}})).status, 201);
}

TEST_F(HandlerTest, RefusesWhatWouldWaitBeyondTheLimitAndNothingElse) {
  options.max_pending = 2;
  backend.answer = nullptr;
  std::vector<int> statuses;
  const auto ask = [&](const http::Request& request) {
    handler().Handle(request, [&](const http::Response& response) { statuses.push_back(response.status); });
  };
  ask(Post("{}"));
  ask(Post("{}"));
  EXPECT_TRUE(statuses.empty());
  const auto refused = Ask(Post("{}"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(ReasonIn(refused), "UNAVAILABLE");
  EXPECT_EQ(HeaderOf(refused, "Retry-After"), "1");
  EXPECT_EQ(Ask(Post("nonsense")).status, 400);
  http::Request preflight = Post("");
  preflight.method = "OPTIONS";
  EXPECT_EQ(Ask(preflight).status, 204);
  // One is answered, so that another may wait.
  std::exchange(backend.pending[0], nullptr)(FakeBackend::Token());
  EXPECT_EQ(statuses, std::vector<int>{201});
  ask(Post("{}"));
  EXPECT_EQ(backend.items.size(), 3u);
  for (std::size_t i = 1; i < 3; ++i) std::exchange(backend.pending[i], nullptr)(FakeBackend::Token());
  EXPECT_EQ(statuses, (std::vector<int>{201, 201, 201}));
}

}  // namespace
}  // namespace livekit::token::gateway
