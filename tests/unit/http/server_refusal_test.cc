// What the server refuses by itself: one answer, made by the handler, and the end of the connection.
#include <chrono>
#include <string>

#include "gtest/gtest.h"
#include "unit/http/server_fixture.h"

namespace livekit::token::http {
namespace {

using testing::GetRequest;
using testing::PostRequest;
using testing::RawClient;

class ServerRefusalTest : public ServerFixture {};

// What would be a request of its own if the server lost its place.
constexpr char kSmuggled[] = "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n";

TEST_F(ServerRefusalTest, RefusesMalformedRequestsOnce) {
  Start();
  ExpectRefused(std::string("NONSENSE\r\n\r\n") + kSmuggled, v1::MALFORMED_REQUEST);
  ExpectRefused(std::string("GET / HTTP/1.1\r\n\r\n") + kSmuggled, v1::MALFORMED_REQUEST);
  ExpectRefused("\x16\x03\x01\x02", v1::MALFORMED_REQUEST);
}

TEST_F(ServerRefusalTest, RefusesBothLengths) {
  Start();
  ExpectRefused(std::string("POST /token HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "0\r\n\r\n") +
                    kSmuggled,
                v1::MALFORMED_REQUEST);
}

TEST_F(ServerRefusalTest, RefusesABadChunkOnce) {
  Start();
  ExpectRefused(std::string("POST /token HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") + kSmuggled,
                v1::MALFORMED_REQUEST);
}

TEST_F(ServerRefusalTest, RefusesBodiesBeyondTheLimitInBothForms) {
  ServerOptions options = SmallOptions();
  options.max_body_bytes = 1000;
  Start(options);
  RawClient client(server_->port());
  const auto response = client.Exchange(PostRequest("/token", std::string(1000, 'x')));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  ExpectRefused(PostRequest("/token", std::string(1001, 'x')), v1::BODY_TOO_LARGE);
  ExpectRefused(PostRequest("/token", std::string(500'000, 'x')), v1::BODY_TOO_LARGE);
  std::string chunked = "POST /token HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 500; ++i) chunked += "3e8\r\n" + std::string(1000, 'x') + "\r\n";
  ExpectRefused(chunked + "0\r\n\r\n", v1::BODY_TOO_LARGE);
}

TEST_F(ServerRefusalTest, RefusesALargeBodyWithoutWaitingForIt) {
  Start();
  ExpectRefused("POST /token HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n", v1::BODY_TOO_LARGE);
}

TEST_F(ServerRefusalTest, RefusesEncodedBodiesWithoutWaitingForThem) {
  Start();
  ExpectRefused("POST /token HTTP/1.1\r\nHost: t\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n",
                v1::UNSUPPORTED_MEDIA_TYPE);
}

TEST_F(ServerRefusalTest, RefusesTooManyAndTooLargeHeaders) {
  Start();
  std::string lines;
  for (int i = 0; i < 99; ++i) lines += "X: 1\r\n";
  RawClient client(server_->port());
  const auto response = client.Exchange(GetRequest("/", lines));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  ExpectRefused(GetRequest("/", lines + "X: 1\r\n"), v1::HEADERS_TOO_LARGE);
  ExpectRefused(GetRequest("/", "X: " + std::string(17'000, 'x') + "\r\n"), v1::HEADERS_TOO_LARGE);
  ExpectRefused(GetRequest("/" + std::string(17'000, 'x')), v1::HEADERS_TOO_LARGE);
  // Without any line end.
  ExpectRefused(std::string(20'000, 'x'), v1::HEADERS_TOO_LARGE);
}

TEST_F(ServerRefusalTest, TakesLongHeadersWithinTheLimit) {
  Start();
  RawClient client(server_->port());
  const auto response = client.Exchange(GetRequest("/", "Authorization: Bearer " + std::string(12'000, 'x') + "\r\n"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
}

TEST_F(ServerRefusalTest, RefusesHeadersThatTakeTooLong) {
  ServerOptions options = SmallOptions();
  options.header_timeout = std::chrono::milliseconds(100);
  options.request_timeout = std::chrono::seconds(60);  // longer than a client of these tests waits
  Start(options);
  ExpectRefused("GET / HTTP/1.1\r\nHost:", v1::REQUEST_TIMEOUT);
}

TEST_F(ServerRefusalTest, RefusesHeadersThatComeByteByByteAtTheSameTime) {
  ServerOptions options = SmallOptions();
  options.header_timeout = std::chrono::milliseconds(300);
  options.request_timeout = std::chrono::seconds(60);
  Start(options);
  RawClient client(server_->port());
  const auto start = std::chrono::steady_clock::now();
  client.Send("GET / HTTP/1.1\r\nX: ");
  // Each byte arrives well within the time, all of them do not. Ends when the server stops listening to it.
  while (client.Send("x") && std::chrono::steady_clock::now() - start < std::chrono::seconds(1)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 408);
}

TEST_F(ServerRefusalTest, RefusesBodiesThatTakeTooLong) {
  ServerOptions options = SmallOptions();
  options.request_timeout = std::chrono::milliseconds(100);
  Start(options);
  ExpectRefused("POST /token HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhel", v1::REQUEST_TIMEOUT);
}

TEST_F(ServerRefusalTest, RefusesRequestsThatEndTooEarly) {
  Start();
  for (const char* bytes : {"GET / HTTP/1.1\r\nHost", "POST /token HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhel",
                            "POST /token HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
    RawClient client(server_->port());
    client.Send(bytes);
    client.EndSending();
    const auto response = client.Read();
    ASSERT_TRUE(response) << bytes;
    EXPECT_EQ(response->body, "MALFORMED_REQUEST");
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST_F(ServerRefusalTest, AnswersAWholeRequestOfAClientThatSendsNothingMore) {
  Start();
  RawClient client(server_->port());
  client.Send(GetRequest("/"));
  client.EndSending();
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ServerRefusalTest, SaysNothingToAClientThatSaysNothing) {
  ServerOptions options = SmallOptions();
  options.header_timeout = std::chrono::milliseconds(50);
  options.idle_timeout = std::chrono::milliseconds(50);
  Start(options);
  RawClient silent(server_->port());
  EXPECT_TRUE(silent.AtEnd());
  RawClient idle(server_->port());
  ASSERT_TRUE(idle.Exchange(GetRequest("/")));
  EXPECT_TRUE(idle.AtEnd());
}

TEST_F(ServerRefusalTest, TellsTheHandlerWhatItKnowsOfTheRequest) {
  Start();
  RawClient client(server_->port());
  const auto response = client.Exchange("POST /token HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Header("x-refused"), "POST /token");
}

}  // namespace
}  // namespace livekit::token::http
