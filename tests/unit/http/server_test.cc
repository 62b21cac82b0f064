#include "http/server.h"

#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/http/server_fixture.h"

namespace livekit::token::http {
namespace {

using testing::GetRequest;
using testing::PostRequest;
using testing::RawClient;

class ServerTest : public ServerFixture {};

TEST_F(ServerTest, BeatsUnlessAHandlerHangs) {
  using Clock = std::chrono::steady_clock;
  Heartbeats heartbeats(std::chrono::milliseconds(5), std::chrono::seconds(1));
  std::promise<void> release;
  std::promise<void> entered;
  handler_.on_request = [&, released = release.get_future().share()](const Request&, const Respond& respond) {
    entered.set_value();
    released.wait();
    respond(TextResponse(200, ""));
  };
  ServerOptions options = SmallOptions();
  options.threads = 1;
  options.heartbeats = &heartbeats;
  Start(options);
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  // `at` has not come yet, so that no real second has to pass. An idle loop beats too.
  const auto await = [&](bool late, Clock::time_point at) {
    for (int i = 0; i < 2000 && heartbeats.Late(at).empty() == late; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return heartbeats.Late(at).empty() != late;
  };
  const auto first = Clock::now() + std::chrono::milliseconds(1100);
  EXPECT_TRUE(await(false, first));
  client.Send(GetRequest("/"));
  entered.get_future().wait();
  EXPECT_TRUE(await(true, Clock::now() + std::chrono::milliseconds(1100)));
  release.set_value();
  EXPECT_TRUE(await(false, Clock::now() + std::chrono::seconds(1)));
}

TEST_F(ServerTest, HandsOverTheRequestAsSent) {
  Request seen;
  handler_.on_request = [&](Request request, Respond respond) {
    seen = std::move(request);
    respond(TextResponse(201, "made"));
  };
  Start();
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  const auto response = client.Exchange(
      PostRequest("/token?room=1", "{\"a\":1}", "X-Twice: 1\r\nx-twice: 2\r\nAuthorization: Bearer a%41%0d%0aX\r\n"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "made");
  EXPECT_EQ(response->Header("content-length"), "4");
  EXPECT_EQ(response->Header("content-type"), "text/plain");
  EXPECT_EQ(response->Header("connection"), std::nullopt);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.path, "/token");
  EXPECT_EQ(seen.body, "{\"a\":1}");
  EXPECT_EQ(seen.peer_address, "127.0.0.1");
  EXPECT_THAT(seen.HeaderValues("x-twice"), ::testing::ElementsAre("1", "2"));
  EXPECT_EQ(seen.SingleHeader("x-twice"), std::nullopt);
  EXPECT_EQ(seen.SingleHeader("authorization"), "Bearer a%41%0d%0aX");
  EXPECT_EQ(seen.SingleHeader("x-absent"), std::nullopt);
}

TEST_F(ServerTest, TakesThePeerAddressFromTheSocketOnly) {
  Request seen;
  handler_.on_request = [&](Request request, Respond respond) {
    seen = std::move(request);
    respond(TextResponse(200, ""));
  };
  Start();
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Exchange(GetRequest("/", "REMOTE_ADDR: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n")));
  EXPECT_EQ(seen.peer_address, "127.0.0.1");
  // The client's own header stays what it is, and none is added.
  EXPECT_THAT(seen.HeaderValues("remote_addr"), ::testing::ElementsAre("6.6.6.6"));
  EXPECT_THAT(seen.HeaderValues("local_addr"), ::testing::IsEmpty());
}

TEST_F(ServerTest, DecodesThePathBeforeAnyDecision) {
  Start();
  RawClient client(server_->port());
  const auto response = client.Exchange(PostRequest("/%74oken", "body"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "POST /token body");
}

TEST_F(ServerTest, HandsOverTheQueryAsSent) {
  handler_.on_request = [](const Request& request, const Respond& respond) {
    respond(TextResponse(200, request.path + " " + request.query));
  };
  const auto stopped = StoppedWithScope();
  Start();
  RawClient client(server_->port());
  EXPECT_EQ(client.Exchange(GetRequest("/a?b=%41&c?d"))->body, "/a b=%41&c?d");
  // On the same connection: nothing of an earlier request stays.
  EXPECT_EQ(client.Exchange(GetRequest("/a"))->body, "/a ");
  EXPECT_EQ(client.Exchange(GetRequest("/a?"))->body, "/a ");
  EXPECT_EQ(client.Exchange(GetRequest("http://t?b"))->body, "/ b");
}

TEST_F(ServerTest, AnswersSeveralRequestsOnOneConnection) {
  Start();
  RawClient client(server_->port());
  for (int i = 0; i < 200; ++i) {
    const std::string text = "n" + std::to_string(i);
    const auto response = client.Exchange(PostRequest("/token", text));
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->body, "POST /token " + text);
  }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  // The first answer is the slower one.
  std::promise<Respond> first;
  handler_.on_request = [&](Request request, Respond respond) {
    if (request.body == "1") {
      first.set_value(std::move(respond));
    } else {
      respond(TextResponse(200, request.body));
    }
  };
  Start();
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  client.Send(PostRequest("/token", "1") + PostRequest("/token", "2") + "\r\n" + PostRequest("/token", "3"));
  first.get_future().get()(TextResponse(200, "1"));
  for (const char* expected : {"1", "2", "3"}) {
    const auto response = client.Read();
    ASSERT_TRUE(response) << expected;
    EXPECT_EQ(response->body, expected);
  }
}

TEST_F(ServerTest, ReadsAChunkedBody) {
  Start();
  RawClient client(server_->port());
  client.Send("POST /token HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  const auto response = client.Exchange("2\r\nde\r\n0\r\n\r\n" + GetRequest("/next"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "POST /token abcde");
  const auto next = client.Read();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->body, "GET /next ");
}

TEST_F(ServerTest, AsksForABodyThatWaitsForIt) {
  Start();
  RawClient client(server_->port());
  const std::string whole = PostRequest("/token", "late", "Expect: 100-continue\r\n");
  client.Send(whole.substr(0, whole.size() - 4));
  const auto interim = client.Read(true);
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  const auto response = client.Exchange("late");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "POST /token late");
}

TEST_F(ServerTest, DoesNotAskForABodyThatItRefuses) {
  ServerOptions options = SmallOptions();
  options.max_body_bytes = 3;
  Start(options);
  const std::string whole = PostRequest("/token", "late", "Expect: 100-continue\r\n");
  ExpectRefused(whole.substr(0, whole.size() - 4), v1::BODY_TOO_LARGE);
}

TEST_F(ServerTest, AnswersHeadWithoutBody) {
  handler_.on_request = [](Request, Respond respond) { respond(TextResponse(200, "12345")); };
  Start();
  RawClient client(server_->port());
  client.Send("HEAD / HTTP/1.1\r\nHost: t\r\n\r\n");
  const auto response = client.Read(true);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Header("content-length"), "5");
  // Had a body come, it would stand before this answer.
  const auto next = client.Exchange(GetRequest("/"));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->body, "12345");
}

TEST_F(ServerTest, HandlesOtherPathsAndMethodsBeforeTheirBodyAndEndsTheConnection) {
  Start();
  for (const char* start : {"POST /other", "GET /token", "DELETE /token", "FOO /token"}) {
    RawClient client(server_->port());
    const auto response =
        client.Exchange(std::string(start) + " HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\nGET /smuggled ");
    ASSERT_TRUE(response) << start;
    EXPECT_EQ(response->body, std::string(start) + " ");
    EXPECT_EQ(response->Header("connection"), "close");
    EXPECT_TRUE(client.AtEnd()) << start;
  }
}

TEST_F(ServerTest, KeepsTheConnectionAfterAPostWithoutBodyToAnotherPath) {
  Start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Exchange("POST /other HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(client.Exchange(GetRequest("/")));
}

TEST_F(ServerTest, LeavesTheBodyAloneWhateverTheClientWouldAccept) {
  const std::string text(5000, 'a');
  handler_.on_request = [&](Request, Respond respond) {
    Response response = TextResponse(201, text);
    response.content_type = "application/json";
    respond(std::move(response));
  };
  Start();
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  for (const char* header : {"Accept-Encoding: gzip, br\r\n", "Range: bytes=0-9\r\n", "Range: nonsense\r\n"}) {
    const auto response = client.Exchange(PostRequest("/token", "{}", header));
    ASSERT_TRUE(response) << header;
    EXPECT_EQ(response->status, 201) << header;
    EXPECT_EQ(response->body, text) << header;
    EXPECT_EQ(response->Header("content-encoding"), std::nullopt);
  }
}

TEST_F(ServerTest, AcceptsAnAnswerFromAnotherThread) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  handler_.on_request = [&](Request request, Respond respond) {
    std::lock_guard lock(mutex);
    threads.emplace_back([text = request.body, respond = std::move(respond)] { respond(TextResponse(200, text)); });
  };
  Start();
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  for (const char* text : {"one", "two"}) {
    const auto response = client.Exchange(PostRequest("/token", text));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, text);
  }
  std::lock_guard lock(mutex);
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ServerTest, IgnoresALateAnswerAndASecondOne) {
  Respond late;
  handler_.on_request = [&](Request request, Respond respond) {
    if (request.body == "slow") {
      late = std::move(respond);
      return;
    }
    late(TextResponse(200, "late"));
    respond(TextResponse(200, "first"));
    respond(TextResponse(200, "second"));
  };
  ServerOptions options = SmallOptions();
  options.request_timeout = std::chrono::milliseconds(100);
  Start(options);
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  auto response = client.Exchange(PostRequest("/token", "slow"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 504);
  EXPECT_EQ(response->body, "DEADLINE_EXCEEDED");
  EXPECT_EQ(response->Header("x-refused"), "POST /token");
  response = client.Exchange(PostRequest("/token", "quick"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "first");
  response = client.Exchange(PostRequest("/token", "quick"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "first");
  server_.reset();
  late(TextResponse(200, "after the end"));
}

TEST_F(ServerTest, AnswersWhenTheHandlerThrows) {
  handler_.on_request = [](Request, Respond) { throw 1; };
  Start();
  RawClient client(server_->port());
  const auto response = client.Exchange(GetRequest("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 500);
  EXPECT_EQ(response->body, "INTERNAL");
}

TEST_F(ServerTest, EndsTheConnectionWhenAskedTo) {
  handler_.on_request = [](Request request, Respond respond) {
    Response response = TextResponse(200, "");
    response.close = request.path == "/close";
    respond(std::move(response));
  };
  Start();
  for (const std::string& bytes :
       {GetRequest("/close"), GetRequest("/", "Connection: close\r\n"), std::string("GET / HTTP/1.0\r\n\r\n")}) {
    RawClient client(server_->port());
    const auto response = client.Exchange(bytes);
    ASSERT_TRUE(response) << bytes;
    EXPECT_EQ(response->Header("connection"), "close");
    EXPECT_TRUE(client.AtEnd()) << bytes;
  }
  RawClient old_client(server_->port());
  for (int i = 0; i < 2; ++i) {
    const auto response = old_client.Exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->Header("connection"), "keep-alive");
  }
}

TEST_F(ServerTest, TakesAbsoluteFormAndAsterisk) {
  Start();
  RawClient client(server_->port());
  auto response = client.Exchange("POST http://t/token HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "POST /token x");
  response = client.Exchange("OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "OPTIONS * ");
}

}  // namespace
}  // namespace livekit::token::http
