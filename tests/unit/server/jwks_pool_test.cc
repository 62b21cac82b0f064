// Key sources that outlive the configurations that name them.
#include "server/authn/jwks_pool.h"

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "authority_fixture.h"
#include "gtest/gtest.h"
#include "key_sets.h"
#include "support/test_issuer.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using http::Answer;
using http::Answering;
using http::ScriptedServer;
using std::chrono::seconds;
using Keys = std::shared_ptr<const jose::KeySet>;

absl::StatusOr<Keys> Get(KeySource& source, const std::string& kid) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<Keys>>>();
  auto answer = promise->get_future();
  source.Get(kid, Time(), [promise](absl::StatusOr<Keys> keys) { promise->set_value(std::move(keys)); });
  return answer.get();
}

class JwksPoolTest : public ::testing::Test {
 protected:
  JwksLocation Location() const {
    JwksLocation location;
    location.issuer = "https://issuer.example";
    location.jwks_uri = server_->Url("/keys");
    location.allow_http = true;
    location.timeout = seconds(60);
    return location;
  }

  std::atomic<int> requests_{0};
  std::optional<ScriptedServer> server_{std::in_place, Answering([this](const std::string&) {
                                          ++requests_;
                                          return Answer("200 OK", KeySetText({"a"}));
                                        })};
};

TEST_F(JwksPoolTest, TheSamePlaceIsTheSameSource) {
  JwksPool pool;
  const auto source = pool.Get(Location(), {});
  ASSERT_NE(source, nullptr);
  EXPECT_OK(Get(*source, "a"));
  EXPECT_EQ(pool.Get(Location(), {}), source);
  EXPECT_EQ(requests_, 1);
}

TEST_F(JwksPoolTest, AnyDifferenceMakesAnother) {
  JwksPool pool;
  const auto source = pool.Get(Location(), {});
  const auto expect_another = [&](auto change) {
    JwksLocation location = Location();
    JwksCacheOptions options;
    change(location, options);
    const auto other = pool.Get(location, options);
    ASSERT_NE(other, nullptr);
    EXPECT_NE(other, source);
    EXPECT_EQ(pool.Get(location, options), other);
  };
  // A token of one issuer must not be verified with the keys of another, nor fetched with other trust.
  expect_another([](auto& location, auto&) { location.issuer += "/"; });
  expect_another([](auto& location, auto&) { location.jwks_uri += "2"; });
  expect_another([](auto& location, auto&) { location.api_server = "https://api.example"; });
  expect_another([](auto& location, auto&) { location.bearer_token_file = "/nowhere"; });
  expect_another([](auto& location, auto&) { location.allow_http = false; });
  expect_another([](auto& location, auto&) { location.ca_file = "/nowhere"; });
  expect_another([](auto& location, auto&) { location.timeout += seconds(1); });
  expect_another([](auto&, auto& options) { options.use = jose::JwksUse::kJwtSvid; });
  expect_another([](auto&, auto& options) { options.refresh_interval += seconds(1); });
  expect_another([](auto&, auto& options) { options.cooldown += seconds(1); });
  expect_another([](auto&, auto& options) { options.max_stale += seconds(1); });
  EXPECT_EQ(pool.Get(Location(), {}), source);
}

TEST_F(JwksPoolTest, ASourceThatIsGoneIsMadeAnew) {
  JwksPool pool;
  auto source = pool.Get(Location(), {});
  ASSERT_OK(Get(*source, "a"));
  const std::weak_ptr<KeySource> old = source;
  source.reset();
  EXPECT_TRUE(old.expired());  // the pool keeps nobody's keys
  source = pool.Get(Location(), {});
  ASSERT_OK(Get(*source, "a"));
  EXPECT_EQ(requests_, 2);
}

TEST_F(JwksPoolTest, ASourceMayOutliveThePool) {
  auto pool = std::make_unique<JwksPool>();
  const auto source = pool->Get(Location(), {});
  pool.reset();
  EXPECT_OK(Get(*source, "a"));
}

TEST_F(JwksPoolTest, KeysStayWhileTheIssuerIsDown) {
  JwksPool pool;
  auto first = pool.Get(Location(), {});
  ASSERT_OK(Get(*first, "a"));
  const JwksLocation location = Location();
  server_.reset();
  for (int generation = 2; generation <= 3; ++generation) {
    auto next = pool.Get(location, {});
    first = std::move(next);  // the one before is gone
    EXPECT_OK(Get(*first, "a"));
    EXPECT_NE(first->Current(Time()), nullptr);
  }
}

// The same with whole configurations and a token.
class SharedKeysTest : public testing::AuthorityFixture {
 protected:
  std::unique_ptr<TokenAuthority> Generation(JwksPool& pool, const std::string& jwks_uri, const std::string& ttl) {
    BuildOptions options;
    options.environment = testing::NoEnvironment();
    options.shared.jwks = &pool;
    BuildResult built = BuildAuthorityState(testing::ServerConfigOf(testing::InDir(dir_, R"(
projects: [{ name: main, client_url: wss://main.example, keys: { file: $DIR/other.keys } }]
authenticators:
  - { name: users, jwt: { issuer: "https://issuer.example", audiences: [calls], allow_http: true, jwks_uri: ")" +
                                                                                             jwks_uri + R"(" } }
policies: [{ name: user, match: { authenticator: users }, room: { client: allow }, ttl: )" + ttl +
                                                                                             " }]\n")),
                                            options);
    EXPECT_EQ(FormatProblems("server.yaml", built.problems), "");
    if (built.state == nullptr) return nullptr;
    return std::make_unique<TokenAuthority>(built.state, clock_, metrics_);
  }
  absl::Status Ask(const TokenAuthority& authority, const std::string& token) {
    CallContext context;
    context.credentials = {{{"authorization", "Bearer " + token}}};
    v1::IssueParticipantTokenRequest request;
    *request.mutable_request() = InRoom("r");
    absl::Status status;
    // Whose owner is gone when nothing of the request is left on the thread of the client.
    std::promise<void> left;
    std::shared_ptr<void> over(nullptr, [&left](void*) { left.set_value(); });
    authority.IssueParticipantToken(context, request,
                                    [&status, over = std::move(over)](auto response) { status = response.status(); });
    left.get_future().wait();
    return status;
  }
};

TEST_F(SharedKeysTest, TheNextConfigurationNeedsNoIssuer) {
  const testing::TestIssuer issuer("key-1");
  std::optional<ScriptedServer> server(std::in_place,
                                       Answering([&](const std::string&) { return Answer("200 OK", issuer.Jwks()); }));
  const std::string uri = server->Url("/keys");
  const long now = UnixSeconds(clock_.Now());
  const std::string token = issuer.Sign(
      {{"iss", "https://issuer.example"}, {"sub", "ann"}, {"aud", "calls"}, {"iat", now}, {"exp", now + 60}});
  JwksPool pool;
  auto in_use = Generation(pool, uri, "5m");
  ASSERT_NE(in_use, nullptr);
  ASSERT_OK(Ask(*in_use, token));
  server.reset();
  for (const char* ttl : {"6m", "7m"}) {
    auto next = Generation(pool, uri, ttl);
    ASSERT_NE(next, nullptr);
    in_use = std::move(next);
    EXPECT_OK(Ask(*in_use, token));
  }
  // Without what they share nothing would be known.
  JwksPool other;
  in_use = Generation(other, uri, "5m");
  EXPECT_THAT(Ask(*in_use, token), testing::IsRefusal(v1::UNAVAILABLE));
}

}  // namespace
}  // namespace livekit::token
