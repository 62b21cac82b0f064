// Key sets over HTTP: where they are, what is taken, and an issuer that changes its keys.
#include "server/authn/jwks_source.h"

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <string>

#include "gtest/gtest.h"
#include "key_sets.h"
#include "server/authn/jwks_fetch.h"
#include "support/status_matchers.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using absl::StatusCode;
using http::Answer;
using http::Answering;
using http::Client;
using http::ClientResponse;
using http::HasCode;
using http::RedirectTo;
using http::ScriptedServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::IsRefusal;
using ::testing::Not;

using Keys = std::shared_ptr<const jose::KeySet>;

TEST(JwksFetchTest, DiscoveryUrlHasOneSlash) {
  EXPECT_EQ(DiscoveryUrl("https://idp.example"), "https://idp.example/.well-known/openid-configuration");
  EXPECT_EQ(DiscoveryUrl("https://idp.example/"), "https://idp.example/.well-known/openid-configuration");
  EXPECT_EQ(DiscoveryUrl("https://idp.example/realms/a"),
            "https://idp.example/realms/a/.well-known/openid-configuration");
}

TEST(JwksFetchTest, DiscoveryMustNameTheIssuerExactly) {
  ASSERT_OK_AND_ASSIGN(const std::string uri,
                       ReadDiscovery(R"({"issuer":"https://a/","jwks_uri":"https://b/k","x":1})", "https://a/"));
  EXPECT_EQ(uri, "https://b/k");
  for (const char* const text : {
           R"({"issuer":"https://a","jwks_uri":"https://b/k"})",
           R"({"issuer":"https://A/","jwks_uri":"https://b/k"})",
           R"({"issuer":"https://a//","jwks_uri":"https://b/k"})",
           R"({"issuer":"https://evil/","jwks_uri":"https://b/k"})",
           R"({"issuer":["https://a/"],"jwks_uri":"https://b/k"})",
           R"({"issuer":"https://evil/","issuer":"https://a/","jwks_uri":"https://b/k"})",
           R"({"jwks_uri":"https://b/k"})",
           R"({"issuer":"https://a/"})",
           R"({"issuer":"https://a/","jwks_uri":""})",
           R"({"issuer":"https://a/","jwks_uri":["https://b/k"]})",
           R"({"issuer":"https://a/","jwks_uri":"https://b/k"} x)",
           R"([])",
           "",
           "<html>",
       }) {
    const auto result = ReadDiscovery(text, "https://a/");
    EXPECT_THAT(result, HasCode(StatusCode::kInvalidArgument, "discovery document")) << text;
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("evil")));
  }
}

TEST(JwksFetchTest, ReadsForHowLongAnAnswerIsFresh) {
  const auto fresh = [](std::vector<http::Header> headers) {
    ClientResponse response;
    response.headers = std::move(headers);
    return FreshFor(response);
  };
  EXPECT_EQ(fresh({}), std::nullopt);
  EXPECT_EQ(fresh({{"Cache-Control", "public, max-age=300, must-revalidate"}}), seconds(300));
  EXPECT_EQ(fresh({{"cache-control", " MAX-AGE=300"}}), seconds(300));
  EXPECT_EQ(fresh({{"Cache-Control", "max-age=\"300\""}}), seconds(300));
  EXPECT_EQ(fresh({{"Cache-Control", "max-age=300"}, {"Age", "100"}}), seconds(200));
  EXPECT_EQ(fresh({{"Cache-Control", "max-age=300"}, {"Age", "400"}}), seconds(0));
  EXPECT_EQ(fresh({{"Cache-Control", "max-age=300"}, {"Age", "-400"}}), seconds(300));
  EXPECT_EQ(fresh({{"Cache-Control", "max-age=300, max-age=100"}}), seconds(100));
  EXPECT_EQ(fresh({{"Cache-Control", "max-age=300"}, {"Cache-Control", "max-age=100"}}), seconds(100));
  EXPECT_EQ(fresh({{"Cache-Control", "max-age=99999999999999999999999999"}}), seconds(3'000'000'000));
  for (const char* const value : {"no-store", "max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x",
                                  "s-maxage=300", "x-max-age=300", "", ",", "max-age =300"}) {
    EXPECT_EQ(fresh({{"Cache-Control", value}}), std::nullopt) << value;
  }
}

// An issuer whose documents the test exchanges: path to answer.
class FakeIssuer {
 public:
  void Set(const std::string& path, const std::string& answer) {
    const std::lock_guard lock(mutex_);
    answers_[path] = answer;
  }
  std::string Url(const std::string& path = "") const { return server_.Url(path); }
  int requests(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return requests_[path];
  }

 private:
  std::string AnswerTo(const std::string& request) {
    const std::size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    const std::lock_guard lock(mutex_);
    ++requests_[path];
    const auto found = answers_.find(path);
    return found == answers_.end() ? Answer("404 Not Found") : found->second;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> answers_;
  std::map<std::string, int> requests_;
  ScriptedServer server_{Answering([this](const std::string& request) { return AnswerTo(request); })};
};

constexpr char kDiscovery[] = "/.well-known/openid-configuration";

std::string Discovery(const std::string& issuer, const std::string& jwks_uri) {
  return Answer("200 OK", R"({"issuer":")" + issuer + R"(","jwks_uri":")" + jwks_uri + "\"}");
}

class JwksSourceTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK_AND_ASSIGN(client_, Client::Start()); }

  JwksLocation Location(const std::string& jwks_uri = "") const {
    JwksLocation location;
    location.issuer = issuer_.Url();
    location.jwks_uri = jwks_uri;
    location.allow_http = true;
    location.timeout = seconds(60);
    return location;
  }

  absl::StatusOr<JwksDocument> Fetch(const JwksLocation& location) {
    std::promise<absl::StatusOr<JwksDocument>> promise;
    FetchJwks(*client_, location, [&](auto document) { promise.set_value(std::move(document)); });
    return promise.get_future().get();
  }

  static absl::StatusOr<Keys> Get(JwksSource& source, const std::string& kid) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<Keys>>>();
    auto answer = promise->get_future();
    source.Get(kid, Time(), [promise](absl::StatusOr<Keys> keys) { promise->set_value(std::move(keys)); });
    return answer.get();
  }

  FakeIssuer issuer_;
  FakeIssuer other_;
  std::unique_ptr<Client> client_;
};

TEST_F(JwksSourceTest, FindsKeysByDiscovery) {
  issuer_.Set(kDiscovery, Discovery(issuer_.Url(), other_.Url("/keys")));
  other_.Set("/keys", Answer("200 OK", KeySetText({"a"}), "Cache-Control: max-age=120\r\n"));
  ASSERT_OK_AND_ASSIGN(const JwksDocument document, Fetch(Location()));
  EXPECT_EQ(document.text, KeySetText({"a"}));
  EXPECT_EQ(document.lifetime, seconds(120));
}

TEST_F(JwksSourceTest, NeedsNoDiscoveryWithAnAddress) {
  other_.Set("/keys", Answer("200 OK", KeySetText({"a"})));
  EXPECT_OK(Fetch(Location(other_.Url("/keys"))));
  EXPECT_EQ(issuer_.requests(kDiscovery), 0);
}

TEST_F(JwksSourceTest, DoesNotAskForKeysThatAnotherIssuerNames) {
  issuer_.Set(kDiscovery, Discovery(other_.Url(), other_.Url("/keys")));
  other_.Set("/keys", Answer("200 OK", KeySetText({"a"})));
  EXPECT_THAT(Fetch(Location()), HasCode(StatusCode::kInvalidArgument, "issuer is not the one"));
  EXPECT_EQ(other_.requests("/keys"), 0);
}

TEST_F(JwksSourceTest, DoesNotFollowDiscoveryEverywhere) {
  const std::pair<std::string, std::string> cases[] = {
      {"http://169.254.169.254/latest/meta-data/", "key set: the host's address is link-local"},
      {"http://[::ffff:169.254.169.254]/", "key set: the host's address is link-local"},
      {"file:///etc/passwd", "key set: the URL"},
      {"http://user:secret@127.0.0.1/", "key set: the URL"},
      {"/keys", "key set: the URL"},
  };
  for (const auto& [uri, sentence] : cases) {
    issuer_.Set(kDiscovery, Discovery(issuer_.Url(), uri));
    const auto document = Fetch(Location());
    ASSERT_FALSE(document.ok()) << uri;
    EXPECT_THAT(std::string(document.status().message()), HasSubstr(sentence));
    EXPECT_THAT(std::string(document.status().message()), Not(HasSubstr("secret")));
  }
}

TEST_F(JwksSourceTest, HttpOnlyWhereAllowed) {
  JwksLocation location = Location(other_.Url("/keys"));
  location.allow_http = false;
  EXPECT_THAT(Fetch(location), HasCode(StatusCode::kInvalidArgument, "key set: the URL has the scheme http"));
  location.jwks_uri.clear();
  EXPECT_THAT(Fetch(location),
              HasCode(StatusCode::kInvalidArgument, "discovery document: the URL has the scheme http"));
}

TEST_F(JwksSourceTest, RefusesRedirectsElsewhereAndOtherStatus) {
  other_.Set("/keys", Answer("200 OK", KeySetText({"a"})));
  issuer_.Set("/keys", RedirectTo(other_.Url("/keys")));
  EXPECT_THAT(Fetch(Location(issuer_.Url("/keys"))),
              HasCode(StatusCode::kPermissionDenied, "key set: the server redir"));
  issuer_.Set(kDiscovery, RedirectTo("http://169.254.169.254/"));
  EXPECT_THAT(Fetch(Location()), HasCode(StatusCode::kPermissionDenied, "discovery document: the server redirects"));
  EXPECT_EQ(other_.requests("/keys"), 0);
  for (const char* const status : {"201 Created", "204 No Content", "404 Not Found", "500 Internal Server Error"}) {
    issuer_.Set("/keys", Answer(status, KeySetText({"a"})));
    EXPECT_THAT(Fetch(Location(issuer_.Url("/keys"))),
                HasCode(StatusCode::kUnavailable, "status " + std::string(status).substr(0, 3)));
  }
}

TEST_F(JwksSourceTest, RefusesHugeSets) {
  issuer_.Set("/keys", Answer("200 OK", std::string(10'000'000, ' ')));
  EXPECT_THAT(Fetch(Location(issuer_.Url("/keys"))), HasCode(StatusCode::kResourceExhausted, "too large"));
}

TEST_F(JwksSourceTest, StartsWithoutTheIssuerAndFindsItLater) {
  JwksSource source(*client_, Location());
  EXPECT_THAT(Get(source, "a"), IsRefusal(v1::UNAVAILABLE));
  EXPECT_EQ(source.state()->last_success, std::nullopt);
  EXPECT_THAT(source.state()->last_error, HasSubstr("discovery document: the server answered with status 404"));
  EXPECT_EQ(source.Current(Time()), nullptr);
  issuer_.Set(kDiscovery, Discovery(issuer_.Url(), issuer_.Url("/keys")));
  issuer_.Set("/keys", Answer("200 OK", KeySetText({"a"})));
  const Time before = SystemClock().Now() - seconds(1);
  // The schedule tries again by itself.
  while (source.Current(Time()) == nullptr) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_OK(Get(source, "a"));
  const KeySourceState state = *source.state();
  EXPECT_EQ(state.keys, 1U);
  EXPECT_EQ(state.last_error, "");
  ASSERT_TRUE(state.last_success.has_value());
  EXPECT_GE(*state.last_success, before);
  EXPECT_LE(*state.last_success, SystemClock().Now() + seconds(1));
}

TEST_F(JwksSourceTest, FollowsARotationForAToken) {
  issuer_.Set(kDiscovery, Discovery(issuer_.Url(), issuer_.Url("/keys")));
  issuer_.Set("/keys", Answer("200 OK", KeySetText({"old"})));
  JwksSource source(*client_, Location());
  ASSERT_OK_AND_ASSIGN(const Keys old_keys, Get(source, "old"));
  issuer_.Set("/keys", Answer("200 OK", KeySetText({"new"})));
  ASSERT_OK_AND_ASSIGN(const Keys new_keys, Get(source, "new"));
  EXPECT_EQ(new_keys->front()->key_id(), "new");
  EXPECT_EQ(source.Current(Time()), new_keys);
  EXPECT_EQ(old_keys->front()->key_id(), "old");
  // The cooldown is on: what comes next is answered from the set that is there.
  ASSERT_OK_AND_ASSIGN(const Keys same, Get(source, "unknown"));
  EXPECT_EQ(same, new_keys);
  EXPECT_EQ(issuer_.requests("/keys"), 2);
}

TEST_F(JwksSourceTest, FollowsARotationBySchedule) {
  issuer_.Set("/keys", Answer("200 OK", KeySetText({"old"})));
  JwksCacheOptions options;
  options.refresh_interval = milliseconds(20);
  JwksSource source(*client_, Location(issuer_.Url("/keys")), options);
  ASSERT_OK(Get(source, "old"));
  issuer_.Set("/keys", Answer("200 OK", KeySetText({"new"})));
  while (source.Current(Time())->front()->key_id() != "new") std::this_thread::sleep_for(milliseconds(5));
  // A bad answer, and then the issuer is gone: the keys stay.
  issuer_.Set("/keys", Answer("200 OK", "<html>"));
  while (source.state()->last_error.empty()) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(source.Current(Time())->front()->key_id(), "new");
}

TEST_F(JwksSourceTest, AnswersWhatWaitsAtItsEnd) {
  const ScriptedServer silent([](http::Peer& peer) { peer.AwaitEnd(); });
  auto source = std::make_unique<JwksSource>(*client_, Location(silent.Url("/keys")));
  std::promise<absl::StatusOr<Keys>> promise;
  source->Get("a", Time(), [&](absl::StatusOr<Keys> keys) { promise.set_value(std::move(keys)); });
  source.reset();
  EXPECT_THAT(promise.get_future().get(), IsRefusal(v1::UNAVAILABLE));
  client_.reset();
}

TEST_F(JwksSourceTest, ManyAskAtOnce) {
  issuer_.Set("/keys", Answer("200 OK", KeySetText({"a"})));
  JwksCacheOptions options;
  options.refresh_interval = milliseconds(5);
  options.cooldown = milliseconds(1);
  JwksSource source(*client_, Location(issuer_.Url("/keys")), options);
  std::vector<std::thread> threads;
  std::atomic<int> answered = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        if (Get(source, i % 2 == 0 ? "a" : std::to_string(t) + "-" + std::to_string(i)).ok()) ++answered;
        source.Current(Time());
        source.state();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 800);
}

}  // namespace
}  // namespace livekit::token
