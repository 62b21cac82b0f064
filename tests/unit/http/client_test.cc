// What is sent, and the client's own order: threads, limits, the end.
#include "http/client.h"

#include <condition_variable>
#include <set>

#include "client_fixture.h"
#include "server_fixture.h"

namespace livekit::token::http {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

// A count that tests wait for.
class Count {
 public:
  void Add(int change) {
    const std::lock_guard lock(mutex_);
    count_ += change;
    changed_.notify_all();
  }
  void Await(int at_least) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= at_least; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

TEST_F(ClientTest, GetsFromOurOwnServer) {
  LambdaHandler handler;
  handler.on_request = [](const Request& request, const Respond& respond) {
    Response response = TextResponse(request.path == "/keys" ? 200 : 404, "the body");
    response.headers.push_back({"Cache-Control", "max-age=60"});
    response.headers.push_back({"X-Twice", "1"});
    response.headers.push_back({"X-Twice", "2"});
    respond(std::move(response));
  };
  ServerOptions options;
  options.address = "127.0.0.1:0";
  options.threads = 1;
  ASSERT_OK_AND_ASSIGN(const auto server, Server::Start(options, handler));
  const std::string base = "http://127.0.0.1:" + std::to_string(server->port());
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Ask(base + "/keys"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "the body");
  EXPECT_EQ(response.SingleHeader("cache-control"), "max-age=60");
  EXPECT_EQ(response.SingleHeader("x-none"), std::nullopt);
  EXPECT_EQ(response.SingleHeader("x-twice"), std::nullopt);
  EXPECT_EQ(response.HeaderValues("x-twice").size(), 2U);
  // Every status is an answer.
  ASSERT_OK_AND_ASSIGN(const ClientResponse missing, Ask(base + "/other"));
  EXPECT_EQ(missing.status, 404);
}

TEST_F(ClientTest, SendsWhatItIsToldAndLittleElse) {
  std::string seen;
  const ScriptedServer server(Answering([&](const std::string& request) {
    seen = request;
    return Answer("200 OK", "", "Set-Cookie: session=1; Path=/\r\n");
  }));
  ClientRequest request = Plain(server.Url("/path?query"));
  request.headers = {
      {"Authorization", "Bearer abc"}, {"X-Empty", ""}, {"X-Blank", " "}, {"Accept", "application/json"}};
  ASSERT_OK(Ask(request));
  const std::string host = "127.0.0.1:" + std::to_string(server.port());
  const std::string expected = "GET /path?query HTTP/1.1\r\nHost: " + host +
                               "\r\nUser-Agent: livekit-token-service/0.1.0\r\nAuthorization: Bearer abc\r\n"
                               "X-Empty:\r\nX-Blank:\r\nAccept: application/json\r\n\r\n";
  EXPECT_EQ(seen, expected);
  // Neither a cookie nor a header of the request before.
  ASSERT_OK(Ask(server.Url("/")));
  EXPECT_THAT(seen, Not(HasSubstr("session")));
  EXPECT_THAT(seen, Not(HasSubstr("Bearer")));
  EXPECT_THAT(seen, Not(HasSubstr("Encoding")));
}

TEST_F(ClientTest, PostsABody) {
  std::string seen;
  const ScriptedServer server(Answering([&](const std::string& request) {
    seen = request;
    return Answer("200 OK");
  }));
  ClientRequest request = Plain(server.Url());
  request.method = "POST";
  request.body = std::string("a\0b", 3) + std::string(2'000'000, 'c');
  ASSERT_OK(Ask(request));
  EXPECT_THAT(seen, HasSubstr("POST / HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Length: 2000003\r\n"));
  EXPECT_TRUE(seen.ends_with("\r\n\r\n" + request.body));
  seen.resize(seen.find("\r\n\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("Expect")));
  EXPECT_THAT(seen, Not(HasSubstr("Content-Type")));
  request.body = "token=x";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  ASSERT_OK(Ask(request));
  EXPECT_THAT(seen, HasSubstr("content-type: application/x-www-form-urlencoded\r\n"));
  request.body.clear();
  ASSERT_OK(Ask(request));
  EXPECT_THAT(seen, HasSubstr("Content-Length: 0\r\n"));
}

TEST_F(ClientTest, RefusesRequestsThatAreMoreThanOne) {
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK"); }));
  for (const Header& header : std::vector<Header>{{"X-A", "b\r\nX-C: d"},
                                                  {"X-A", "b\nX-C: d"},
                                                  {"X-A", std::string("b\0c", 3)},
                                                  {"X-A\r\nX-B", "c"},
                                                  {"X-A: b", "c"},
                                                  {"X A", "b"},
                                                  {"", "b"},
                                                  {"Host", "other.example"},
                                                  {"host", "other.example"},
                                                  {"Content-Length", "3"},
                                                  {"Transfer-Encoding", "chunked"},
                                                  {"Connection", "upgrade"},
                                                  {"Upgrade", "h2c"},
                                                  {"Accept-Encoding", "gzip"},
                                                  {"TE", "trailers"}}) {
    ClientRequest request = Plain(server.Url());
    request.headers = {header};
    EXPECT_THAT(Ask(request), HasCode(StatusCode::kInvalidArgument, "a header is")) << header.name;
  }
  for (const char* const method : {"", "get", "HEAD", "PUT", "DELETE", "CONNECT", "GET / HTTP/1.1\r\n"}) {
    ClientRequest request = Plain(server.Url());
    request.method = method;
    EXPECT_THAT(Ask(request), HasCode(StatusCode::kInvalidArgument, "method")) << method;
  }
  ClientRequest request = Plain(server.Url());
  request.body = "x";
  EXPECT_THAT(Ask(request), HasCode(StatusCode::kInvalidArgument, "method"));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ClientTest, IgnoresProxiesOfTheEnvironment) {
  const ScriptedServer proxy(Answering([](const std::string&) { return Answer("200 OK", "proxied"); }));
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK", "direct"); }));
  client_.reset();
  const std::vector<const char*> names = {"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"};
  for (const char* const name : names) ASSERT_EQ(setenv(name, proxy.Url().c_str(), 1), 0);
  Restart();
  const auto response = Ask(server.Url());
  client_.reset();
  for (const char* const name : names) unsetenv(name);
  ASSERT_OK(response);
  EXPECT_EQ(response->body, "direct");
  EXPECT_EQ(proxy.connections(), 0);
}

TEST_F(ClientTest, KeepsConnections) {
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK"); }));
  for (int i = 0; i < 5; ++i) ASSERT_OK(Ask(server.Url()));
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, CallsBackOnItsOwnThread) {
  std::promise<void> done;
  std::set<std::thread::id> threads;
  client_->Fetch(Plain("nonsense"), [&](const Result&) {
    threads.insert(std::this_thread::get_id());
    client_->Fetch(Plain("nonsense"), [&](const Result&) {
      threads.insert(std::this_thread::get_id());
      client_->After(milliseconds(0), [&] {
        threads.insert(std::this_thread::get_id());
        done.set_value();
      });
    });
  });
  done.get_future().wait();
  EXPECT_EQ(threads.size(), 1U);
  EXPECT_EQ(threads.count(std::this_thread::get_id()), 0U);
}

TEST_F(ClientTest, OutlivesCallbacksThatThrow) {
  client_->Fetch(Plain("nonsense"), [](const Result&) { throw std::runtime_error("thrown by a test"); });
  client_->After(milliseconds(0), [] { throw std::runtime_error("thrown by a test"); });
  EXPECT_THAT(Ask("nonsense"), HasCode(StatusCode::kInvalidArgument, "URL"));
}

TEST_F(ClientTest, RunsTasksInTheirOrderAndNotEarly) {
  const auto begin = std::chrono::steady_clock::now();
  std::promise<std::chrono::steady_clock::time_point> last;
  std::vector<int> order;
  client_->After(milliseconds(400), [&] {
    order.push_back(2);
    last.set_value(std::chrono::steady_clock::now());
  });
  client_->After(milliseconds(20), [&] { order.push_back(1); });
  client_->After(milliseconds(-5), [&] { order.push_back(0); });
  EXPECT_GE(last.get_future().get() - begin, milliseconds(400));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST_F(ClientTest, HasSoManyTransfersUnderWayAndNoMore) {
  ClientOptions options;
  options.max_transfers = 3;
  Restart(options);
  std::promise<void> go;
  Count arrived;
  const ScriptedServer server(Answering([&, gone = go.get_future().share()](const std::string&) {
    arrived.Add(1);
    gone.wait();
    return Answer("200 OK");
  }));
  std::vector<std::future<Result>> results;
  for (int i = 0; i < 20; ++i) results.push_back(Begin(Plain(server.Url())));
  arrived.Await(3);  // so many do come at once
  // The client goes round some more times, in which it could connect.
  for (int i = 0; i < 3; ++i) {
    std::promise<void> turn;
    client_->After(milliseconds(0), [&] { turn.set_value(); });
    turn.get_future().wait();
  }
  // What it had connected would have been accepted before this one.
  testing::RawClient last(server.port());
  ASSERT_TRUE(last.Send("GET / HTTP/1.1\r\n\r\n"));
  arrived.Await(4);
  EXPECT_EQ(server.connections(), 4);
  go.set_value();
  for (auto& result : results) EXPECT_OK(result.get());
}

TEST_F(ClientTest, RefusesWhatIsBehindTheQueue) {
  ClientOptions options;
  options.max_transfers = 1;
  options.max_waiting = 2;
  Restart(options);
  std::promise<void> go;
  const ScriptedServer server([answer = Answering([](const std::string&) { return Answer("200 OK"); }),
                               gone = go.get_future().share()](Peer& peer) {
    gone.wait();
    answer(peer);
  });
  std::vector<std::future<Result>> results;
  for (int i = 0; i < 3; ++i) results.push_back(Begin(Plain(server.Url())));
  EXPECT_THAT(Ask(server.Url()), HasCode(StatusCode::kUnavailable, "too many requests"));
  go.set_value();
  for (auto& result : results) EXPECT_OK(result.get());
  // There is room again.
  EXPECT_OK(Ask(server.Url()));
}

TEST_F(ClientTest, AnswersInTimeWhatStillWaits) {
  ClientOptions options;
  options.max_transfers = 1;
  Restart(options);
  const ScriptedServer server([](Peer& peer) { peer.AwaitEnd(); });
  auto first = Begin(Plain(server.Url()));
  EXPECT_THAT(Ask(Impatient(server.Url())), HasCode(StatusCode::kDeadlineExceeded, "too many requests"));
  client_.reset();
  EXPECT_THAT(first.get(), HasCode(StatusCode::kCancelled, "stopped"));
}

TEST_F(ClientTest, AnswersEverythingAtItsEnd) {
  ClientOptions options;
  options.max_transfers = 2;
  Restart(options);
  Count arrived;
  const ScriptedServer server([&](Peer& peer) {
    arrived.Add(1);
    peer.AwaitEnd();
  });
  std::atomic<int> answers = 0;
  bool ran = false;
  Client* const client = client_.get();  // client_ is null while it ends
  for (int i = 0; i < 10; ++i) {
    client->Fetch(Plain(server.Url()), [&](const Result& result) {
      EXPECT_THAT(result, HasCode(StatusCode::kCancelled, "stopped"));
      ++answers;
      // Even what is asked meanwhile.
      client->Fetch(Plain(server.Url()), [&](const Result& again) {
        EXPECT_THAT(again, HasCode(StatusCode::kCancelled, "stopped"));
        ++answers;
      });
    });
  }
  client_->After(std::chrono::hours(1), [&] { ran = true; });
  arrived.Await(2);
  client_.reset();
  EXPECT_EQ(answers, 20);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace livekit::token::http
