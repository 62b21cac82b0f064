// Listening and stopping.
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
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

class ServerLifetimeTest : public ServerFixture {};

TEST_F(ServerLifetimeTest, RefusesAPortThatAnotherServerHas) {
  Start();
  EXPECT_EQ(server_->address(), "127.0.0.1:" + std::to_string(server_->port()));
  ServerOptions options = SmallOptions();
  options.address = server_->address();
  const auto second = Server::Start(options, handler_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), ::testing::HasSubstr("in use"));
  server_.reset();
  EXPECT_OK(Server::Start(options, handler_));
}

TEST_F(ServerLifetimeTest, RefusesAddressesThatAreNone) {
  for (const char* address : {"", "3000", "127.0.0.1", "::1:3000", "127.0.0.1:70000"}) {
    ServerOptions options = SmallOptions();
    options.address = address;
    EXPECT_THAT(Server::Start(options, handler_), testing::IsRefusal(v1::FIELD_INVALID)) << address;
  }
  ServerOptions options = SmallOptions();
  options.address = "192.0.2.1:0";  // documentation addresses are on no machine
  EXPECT_EQ(Server::Start(options, handler_).status().code(), absl::StatusCode::kUnavailable);
}

bool HasIpv6Loopback() {
  LambdaHandler handler;
  ServerOptions options;
  options.address = "[::1]:0";
  return Server::Start(options, handler).ok();
}

TEST_F(ServerLifetimeTest, TakesBothFamiliesOnTheUnspecifiedAddressAndOnLocalhost) {
  Request seen;
  handler_.on_request = [&](Request request, Respond respond) {
    seen = std::move(request);
    respond(TextResponse(200, ""));
  };
  for (const char* address : {"[::]:0", ":0", "localhost:0"}) {
    ServerOptions options = SmallOptions();
    options.address = address;
    Start(options);
    RawClient v4(server_->port(), "127.0.0.1");
    ASSERT_TRUE(v4.connected()) << address;
    ASSERT_TRUE(v4.Exchange(GetRequest("/")));
    EXPECT_EQ(seen.peer_address, "127.0.0.1") << address;
    if (!HasIpv6Loopback()) continue;
    RawClient v6(server_->port(), "::1");
    ASSERT_TRUE(v6.connected()) << address;
    ASSERT_TRUE(v6.Exchange(GetRequest("/")));
    EXPECT_EQ(seen.peer_address, "::1") << address;
  }
}

TEST_F(ServerLifetimeTest, DiscourageEndsEveryConnectionAfterItsAnswer) {
  Start();
  RawClient client(server_->port());
  auto response = client.Exchange(GetRequest("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Header("connection"), std::nullopt);
  server_->Discourage();
  response = client.Exchange(GetRequest("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Header("connection"), "close");
  EXPECT_TRUE(client.AtEnd());
  // New ones are still served.
  RawClient next(server_->port());
  response = next.Exchange(GetRequest("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Header("connection"), "close");
}

TEST_F(ServerLifetimeTest, DrainFinishesWhatIsInProgress) {
  std::promise<Respond> arrived;
  handler_.on_request = [&](Request, Respond respond) { arrived.set_value(std::move(respond)); };
  Start();
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  RawClient idle(server_->port());
  client.Send(PostRequest("/token", "x"));
  Respond respond = arrived.get_future().get();
  auto drained = std::async(std::launch::async, [&] { return server_->Drain(steady_clock::now() + seconds(10)); });
  EXPECT_TRUE(idle.AtEnd());  // at once, long before its timeout
  EXPECT_EQ(drained.wait_for(seconds(0)), std::future_status::timeout);
  respond(TextResponse(200, "finished"));
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "finished");
  EXPECT_EQ(response->Header("connection"), "close");
  EXPECT_TRUE(drained.get());
  EXPECT_TRUE(server_->Drain(steady_clock::now()));
  EXPECT_FALSE(RawClient(server_->port()).connected());
}

TEST_F(ServerLifetimeTest, DrainFinishesARequestThatHasOnlyBegunToArrive) {
  Start();
  RawClient client(server_->port());
  // The second request's first half is there, since the first answer is.
  ASSERT_TRUE(client.Exchange(GetRequest("/") + "GET / HTT"));
  auto drained = std::async(std::launch::async, [&] { return server_->Drain(steady_clock::now() + seconds(10)); });
  const auto response = client.Exchange("P/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_TRUE(drained.get());
}

TEST_F(ServerLifetimeTest, DrainEndsTheRestAtItsDeadline) {
  std::promise<Respond> arrived;
  handler_.on_request = [&](Request, Respond respond) { arrived.set_value(std::move(respond)); };
  Start();
  const auto stopped = StoppedWithScope();
  RawClient client(server_->port());
  client.Send(PostRequest("/token", "x"));
  Respond respond = arrived.get_future().get();
  const auto start = steady_clock::now();
  EXPECT_FALSE(server_->Drain(start + milliseconds(50)));
  EXPECT_LT(steady_clock::now() - start, seconds(5));
  EXPECT_FALSE(server_->Drain(start + seconds(10)));
  EXPECT_EQ(client.Read(), std::nullopt);
  respond(TextResponse(200, "late"));
}

TEST_F(ServerLifetimeTest, DrainGivesClientsThatJustConnectedTheTimeToAsk) {
  Start();
  RawClient fresh(server_->port());
  // By the time this is answered the other has been accepted.
  RawClient other(server_->port());
  ASSERT_TRUE(other.Exchange(GetRequest("/")));
  auto drained = std::async(std::launch::async, [&] { return server_->Drain(steady_clock::now() + seconds(10)); });
  EXPECT_TRUE(other.AtEnd());  // the drain has begun
  const auto response = fresh.Exchange(GetRequest("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->Header("connection"), "close");
  EXPECT_TRUE(drained.get());
}

TEST_F(ServerLifetimeTest, EndsWithAnswersOutstanding) {
  std::promise<Respond> arrived;
  handler_.on_request = [&](Request, Respond respond) { arrived.set_value(std::move(respond)); };
  Start();
  RawClient client(server_->port());
  client.Send(GetRequest("/"));
  const Respond respond = arrived.get_future().get();
  server_.reset();
  EXPECT_TRUE(client.AtEnd());
  respond(TextResponse(200, "nobody is there any more"));
}

}  // namespace
}  // namespace livekit::token::http
