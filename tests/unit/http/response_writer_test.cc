#include "http/response_writer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

WriteOptions At(std::int64_t unix_seconds) {
  WriteOptions options;
  options.date = Time(std::chrono::seconds(unix_seconds));
  return options;
}

Response Json(std::string body) {
  Response response;
  response.status = 201;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

std::string Written(const Response& response, const WriteOptions& options) {
  std::string out;
  WriteResponse(response, options, out);
  return out;
}

TEST(WriteResponse, WritesEverythingOnce) {
  Response response = Json("{}");
  response.headers = {{"Cache-Control", "no-store"}, {"Vary", "Origin"}};
  EXPECT_EQ(Written(response, At(784111777)),
            "HTTP/1.1 201 Created\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Cache-Control: no-store\r\n"
            "Vary: Origin\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: 2\r\n"
            "\r\n"
            "{}");
}

TEST(WriteResponse, TellsTheDateOfEveryDay) {
  EXPECT_THAT(Written(Json(""), At(951782400)), HasSubstr("Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"));
  EXPECT_THAT(Written(Json(""), At(951782399)), HasSubstr("Date: Mon, 28 Feb 2000 23:59:59 GMT\r\n"));
}

TEST(WriteResponse, KeepsTheLengthButNotTheBodyForHead) {
  WriteOptions options = At(0);
  options.without_body = true;
  const std::string text = Written(Json("12345"), options);
  EXPECT_THAT(text, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("12345")));
}

TEST(WriteResponse, HasNoBodyWithoutContentType) {
  Response response;
  response.status = 405;
  response.body = "ignored";
  const std::string text = Written(response, At(0));
  EXPECT_THAT(text, HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("ignored")));
}

TEST(WriteResponse, HasNeitherBodyNorLengthFor204) {
  Response response = Json("ignored");
  response.status = 204;
  const std::string text = Written(response, At(0));
  EXPECT_THAT(text, Not(HasSubstr("Content-")));
  EXPECT_THAT(text, Not(HasSubstr("ignored")));
}

TEST(WriteResponse, SaysWhatBecomesOfTheConnection) {
  WriteOptions options = At(0);
  EXPECT_THAT(Written(Json(""), options), Not(HasSubstr("Connection:")));
  options.say_keep_alive = true;
  EXPECT_THAT(Written(Json(""), options), HasSubstr("Connection: keep-alive\r\n"));
  options.close = true;
  EXPECT_THAT(Written(Json(""), options), HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(Written(Json(""), options), Not(HasSubstr("keep-alive")));
}

TEST(WriteResponse, LeavesOutHeadersThatWouldBreakTheFraming) {
  Response response = Json("{}");
  response.headers = {{"X-Split", "a\r\nX-Injected: 1"}, {"X-Name\nX-Injected", "1"},
                      {"X-Nul", std::string("a\0b", 3)}, {"content-length", "999"},
                      {"Transfer-Encoding", "chunked"},  {"X-Good", "1"}};
  const std::string text = Written(response, At(0));
  EXPECT_THAT(text, Not(HasSubstr("Injected")));
  EXPECT_THAT(text, Not(HasSubstr("X-Nul")));
  EXPECT_THAT(text, Not(HasSubstr("999")));
  EXPECT_THAT(text, Not(HasSubstr("chunked")));
  EXPECT_THAT(text, HasSubstr("X-Good: 1\r\n"));
  EXPECT_THAT(text, HasSubstr("Content-Length: 2\r\n"));
}

}  // namespace
}  // namespace livekit::token::http
