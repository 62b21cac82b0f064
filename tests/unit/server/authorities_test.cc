// Authorities that replace one another while requests are under way.
#include "server/authorities.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using http::Answer;
using http::Peer;
using http::ScriptedServer;

class AuthoritiesTest : public testing::AuthorityFixture {
 protected:
  std::shared_ptr<const TokenAuthority> Make() {
    return std::make_shared<const TokenAuthority>(state_, clock_, metrics_);
  }
};

TEST_F(AuthoritiesTest, TheNewestIsInUse) {
  auto first = Make();
  auto second = Make();
  const void* const second_address = second.get();
  Authorities authorities(first);
  EXPECT_EQ(authorities.Current(), first);
  authorities.Replace(std::move(second));
  EXPECT_EQ(authorities.Current().get(), second_address);
  first.reset();  // the destructor would wait for it
}

TEST_F(AuthoritiesTest, ARequestKeepsTheOneThatItBeganWith) {
  Authorities authorities(Make());
  std::weak_ptr<const TokenAuthority> old = authorities.Current();
  auto request = authorities.Current();
  authorities.Replace(Make());
  EXPECT_EQ(authorities.retired(), 1U);
  authorities.Tidy();
  EXPECT_EQ(authorities.retired(), 1U);
  EXPECT_FALSE(old.expired());
  request.reset();
  // Not by the request, which may be on a thread of the authority's own.
  EXPECT_FALSE(old.expired());
  authorities.Tidy();
  EXPECT_EQ(authorities.retired(), 0U);
  EXPECT_TRUE(old.expired());
}

TEST_F(AuthoritiesTest, TidyDestroysOnlyWhatIsUnused) {
  Authorities authorities(Make());
  const std::weak_ptr<const TokenAuthority> first = authorities.Current();
  authorities.Replace(Make());
  auto request = authorities.Current();
  const std::weak_ptr<const TokenAuthority> second = request;
  authorities.Replace(Make());
  EXPECT_EQ(authorities.retired(), 2U);
  authorities.Tidy();
  EXPECT_EQ(authorities.retired(), 1U);
  EXPECT_TRUE(first.expired());
  EXPECT_FALSE(second.expired());
  EXPECT_NE(authorities.Current(), nullptr);
  request.reset();
}

TEST_F(AuthoritiesTest, TheDestructorWaitsForRequests) {
  auto authorities = std::make_unique<Authorities>(Make());
  auto request = authorities->Current();
  const std::weak_ptr<const TokenAuthority> authority = request;
  std::promise<void> begun;
  std::thread destroyer([&] {
    begun.set_value();
    authorities.reset();
  });
  begun.get_future().wait();
  std::promise<void> done;
  std::atomic<bool> ended{false};
  std::thread other([&, request = std::move(request)]() mutable {
    done.get_future().wait();
    ended = true;
    request.reset();
  });
  done.set_value();
  destroyer.join();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(authority.expired());
  other.join();
}

// The request ends on the thread of a client that its authority owns, which cannot wait for itself.
TEST_F(AuthoritiesTest, ARequestMayEndOnAThreadOfItsAuthority) {
  std::promise<void> asked;
  std::promise<void> answer;
  const ScriptedServer application([&](Peer& peer) {
    peer.ReadRequest();
    asked.set_value();
    answer.get_future().wait();
    peer.Send(Answer("200 OK", R"({"id":"ann"})"));
  });
  // Nobody but the authority has the state.
  Authorities authorities(std::make_shared<const TokenAuthority>(
      Build(R"(
projects: [{ name: main, client_url: wss://main.example, keys: { file: $DIR/other.keys } }]
authenticators:
  - { name: app, forward_auth: { url: ")" +
            application.Url("/") + R"(", allow_http: true, forward_cookies: [s], subject: { json: id } } }
policies: [{ name: user, match: { authenticator: app }, room: { client: allow } }]
)"),
      clock_, metrics_));
  std::promise<std::thread::id> ended;
  CallContext context;
  context.credentials = {{{"cookie", "s=1"}}};
  v1::IssueParticipantTokenRequest request;
  *request.mutable_request() = InRoom("r");
  auto held = authorities.Current();
  const TokenAuthority& asking = *held;
  asking.IssueParticipantToken(context, request, [&ended, held = std::move(held)](const auto& response) {
    EXPECT_OK(response);
    ended.set_value(std::this_thread::get_id());
  });
  asked.get_future().wait();
  authorities.Replace(Make());
  authorities.Tidy();
  EXPECT_EQ(authorities.retired(), 1U);
  answer.set_value();
  EXPECT_NE(ended.get_future().get(), std::this_thread::get_id());
  // The function object that holds it is destroyed somewhat later.
  while (authorities.retired() > 0) authorities.Tidy();
}

}  // namespace
}  // namespace livekit::token
