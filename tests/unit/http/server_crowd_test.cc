// Many clients at once, slow ones and greedy ones: nobody keeps the others from their answers.
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/http/server_fixture.h"

namespace livekit::token::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::GetRequest;
using testing::PostRequest;
using testing::RawClient;

// Bounds in these tests are far above what is needed and far below the timeouts that would hide a failure.
constexpr seconds kSoon{3};

class ServerCrowdTest : public ServerFixture {
 protected:
  void ExpectServed() {
    const auto start = steady_clock::now();
    RawClient client(server_->port());
    const auto response = client.Exchange(GetRequest("/new"));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_LT(steady_clock::now() - start, kSoon);
  }

  // The same for one that may be refused at first.
  void ExpectServedSoon() {
    const auto start = steady_clock::now();
    int status = 0;
    while (status != 200 && steady_clock::now() - start < kSoon) {
      RawClient client(server_->port());
      const auto response = client.Exchange(GetRequest("/new"));
      if (response) status = response->status;
    }
    EXPECT_EQ(status, 200);
  }
};

TEST_F(ServerCrowdTest, ServesAnyNumberOfClientsWithOneThread) {
  ServerOptions options = SmallOptions();
  options.threads = 1;
  Start(options);
  std::vector<std::future<int>> clients;
  for (int c = 0; c < 12; ++c) {
    clients.push_back(std::async(std::launch::async, [this] {
      int good = 0;
      for (int i = 0; i < 30; ++i) {
        RawClient client(server_->port());
        const auto response = client.Exchange(PostRequest("/token", "x"));
        if (response && response->body == "POST /token x") ++good;
      }
      return good;
    }));
  }
  for (auto& client : clients) EXPECT_EQ(client.get(), 30);
}

TEST_F(ServerCrowdTest, SpreadsConnectionsOverItsThreads) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  handler_.on_request = [&](Request, Respond respond) {
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    respond(TextResponse(200, ""));
  };
  ServerOptions options = SmallOptions();
  options.threads = 3;
  Start(options);
  const auto stopped = StoppedWithScope();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_TRUE(clients.back()->Exchange(GetRequest("/")));
  }
  EXPECT_EQ(threads.size(), 3u);
}

TEST_F(ServerCrowdTest, IdleConnectionsTieNothing) {
  ServerOptions options = SmallOptions();
  options.threads = 1;
  Start(options);
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 300; ++i) {
    idle.push_back(std::make_unique<RawClient>(server_->port()));
    if (i % 3 == 1) {
      ASSERT_TRUE(idle.back()->Exchange(GetRequest("/")));
    } else if (i % 3 == 2) {
      idle.back()->Send("POST /token HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf");
    }
  }
  ExpectServed();
  // And they are all still there.
  for (int i = 1; i < 300; i += 3) ASSERT_TRUE(idle[i]->Exchange(GetRequest("/"))) << i;
  for (int i = 2; i < 300; i += 3) ASSERT_TRUE(idle[i]->Exchange(" other")) << i;
}

TEST_F(ServerCrowdTest, IdleConnectionsMakeRoomForNewOnes) {
  ServerOptions options = SmallOptions();
  options.threads = 1;
  options.max_connections = 4;
  Start(options);
  // Used ones, and ones that never say anything.
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(std::make_unique<RawClient>(server_->port()));
    if (i % 2 == 0) {
      ASSERT_TRUE(idle.back()->Exchange(GetRequest("/")));
    }
  }
  // Whoever has only just become idle keeps its place, so that the first tries may be refused.
  ExpectServedSoon();
}

TEST_F(ServerCrowdTest, RefusesConnectionsBeyondTheLimitAndRecovers) {
  std::mutex mutex;
  std::vector<Respond> waiting;
  std::promise<void> all_there;
  handler_.on_request = [&](Request request, Respond respond) {
    if (request.path == "/new") return respond(TextResponse(200, ""));
    std::lock_guard lock(mutex);
    waiting.push_back(std::move(respond));
    if (waiting.size() == 3) all_there.set_value();
  };
  ServerOptions options = SmallOptions();
  options.max_connections = 3;
  Start(options);
  const auto stopped = StoppedWithScope();
  std::vector<std::unique_ptr<RawClient>> busy;
  for (int i = 0; i < 3; ++i) {
    busy.push_back(std::make_unique<RawClient>(server_->port()));
    busy.back()->Send(GetRequest("/wait"));
  }
  all_there.get_future().get();
  // No one waits for its client, so that no one makes room.
  ExpectRefused(GetRequest("/new"), v1::UNAVAILABLE);
  ExpectRefused(PostRequest("/token", "body"), v1::UNAVAILABLE);
  {
    std::lock_guard lock(mutex);
    for (const Respond& respond : waiting) respond(TextResponse(200, "at last"));
  }
  for (const auto& client : busy) {
    const auto response = client->Read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "at last");
  }
  busy.clear();
  ExpectServedSoon();
}

TEST_F(ServerCrowdTest, ClosesWhatIsFarBeyondTheLimit) {
  handler_.on_request = [](Request, Respond) {};  // never answers
  ServerOptions options = SmallOptions();
  options.max_connections = 1;
  Start(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  int ended = 0;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
  }
  // Long before the header timeout.
  for (int i = 20; i < 40; ++i) ended += clients[i]->AtEnd() ? 1 : 0;
  EXPECT_EQ(ended, 20);
}

TEST_F(ServerCrowdTest, ASlowReaderKeepsNobodyWaitingAndGetsEverything) {
  const std::string large(8 << 20, 'x');  // more than the kernel takes for a socket
  handler_.on_request = [&](Request request, Respond respond) {
    respond(TextResponse(200, request.path == "/large" ? large : "small"));
  };
  ServerOptions options = SmallOptions();
  options.threads = 1;
  Start(options);
  const auto stopped = StoppedWithScope();
  RawClient slow(server_->port());
  slow.Send(GetRequest("/large") + GetRequest("/large"));
  ExpectServed();
  for (int i = 0; i < 2; ++i) {
    const auto response = slow.Read();
    ASSERT_TRUE(response);
    EXPECT_TRUE(response->body == large);
  }
}

TEST_F(ServerCrowdTest, AClientThatDoesNotReadIsGivenUp) {
  const std::string large(8 << 20, 'x');
  handler_.on_request = [&](Request, Respond respond) { respond(TextResponse(200, large)); };
  ServerOptions options = SmallOptions();
  options.request_timeout = milliseconds(100);
  Start(options);
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  client.Send(GetRequest("/"));
  // The drain has nothing to wait for once the connection is gone, which is long before its deadline.
  const auto start = steady_clock::now();
  EXPECT_TRUE(server_->Drain(start + seconds(10)));
  EXPECT_LT(steady_clock::now() - start, kSoon);
  EXPECT_EQ(client.Read(), std::nullopt);
}

TEST_F(ServerCrowdTest, AGreedyClientTakesTurnsWithOthers) {
  ServerOptions options = SmallOptions();
  options.threads = 1;
  Start(options);
  std::atomic<bool> stop{false};
  std::string many;
  for (int i = 0; i < 500; ++i) many += GetRequest("/");
  std::promise<void> started;
  std::thread greedy([&] {
    RawClient client(server_->port());
    for (int round = 0; !stop; ++round) {
      if (!client.Send(many)) break;
      for (int i = 0; i < 500; ++i) {
        if (!client.Read()) return;
      }
      if (round == 0) started.set_value();
    }
  });
  started.get_future().get();
  for (int i = 0; i < 20; ++i) ExpectServed();
  stop = true;
  greedy.join();
}

TEST_F(ServerCrowdTest, AnswersPreflightsAndRefusalsWhileRequestsWait) {
  std::mutex mutex;
  std::vector<Respond> waiting;
  handler_.on_request = [&](Request request, Respond respond) {
    if (request.method != "POST") return respond(TextResponse(204, ""));
    std::lock_guard lock(mutex);
    waiting.push_back(std::move(respond));
  };
  ServerOptions options = SmallOptions();
  options.threads = 1;
  Start(options);
  const auto stopped = StoppedWithScope();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    clients.back()->Send(PostRequest("/token", std::to_string(i)));
  }
  RawClient client(server_->port());
  const auto preflight = client.Exchange("OPTIONS /token HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(preflight);
  EXPECT_EQ(preflight->status, 204);
  ExpectRefused("NONSENSE\r\n\r\n", v1::MALFORMED_REQUEST);
  const auto start = steady_clock::now();
  EXPECT_FALSE(server_->Drain(start + milliseconds(50)));
  EXPECT_LT(steady_clock::now() - start, kSoon);
}

TEST_F(ServerCrowdTest, SurvivesClientsThatVanish) {
  std::mutex mutex;
  std::vector<Respond> waiting;
  handler_.on_request = [&](Request request, Respond respond) {
    if (request.path == "/new") return respond(TextResponse(200, ""));
    std::lock_guard lock(mutex);
    waiting.push_back(std::move(respond));
  };
  Start();
  const auto stopped = StoppedWithScope();
  for (int i = 0; i < 50; ++i) {
    RawClient client(server_->port());
    client.Send(i % 2 == 0 ? PostRequest("/token", "x") : "POST /token HTTP/1.1\r\nHost: t\r\nContent-Le");
  }
  ExpectServed();
  {
    std::lock_guard lock(mutex);
    for (const Respond& respond : waiting) respond(TextResponse(200, "to nobody"));
  }
  ExpectServed();
}

TEST_F(ServerCrowdTest, AnswersThatCrossTheirDeadlineAreAnsweredOnce) {
  // Given by another thread about when the deadline is.
  std::mutex mutex;
  std::vector<std::thread> threads;
  handler_.on_request = [&](Request, Respond respond) {
    std::lock_guard lock(mutex);
    threads.emplace_back([respond = std::move(respond), until = steady_clock::now() + milliseconds(5)] {
      while (steady_clock::now() < until) std::this_thread::yield();
      respond(TextResponse(200, std::string(1000, 'x')));
    });
  };
  ServerOptions options = SmallOptions();
  options.request_timeout = milliseconds(5);
  Start(options);
  const auto stopped = StoppedWithScope();
  for (int i = 0; i < 100; ++i) {
    RawClient client(server_->port());
    const auto response = client.Exchange(PostRequest("/token", "x", "Connection: close\r\n"));
    ASSERT_TRUE(response) << i;
    // 408 if the machine was so slow that the request itself took that long.
    EXPECT_THAT(response->status, ::testing::AnyOf(200, 504, 408));
    EXPECT_TRUE(client.AtEnd());
  }
  std::lock_guard lock(mutex);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace livekit::token::http
