#include "http/admin.h"

#include <atomic>

#include "base/address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/raw_client.h"
#include "support/status_matchers.h"

namespace livekit::token::http {
namespace {

using testing::GetRequest;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawClient;
using testing::RawResponse;

class AdminTest : public ::testing::Test {
 protected:
  void SetUp() override {
    AdminOptions options = Options();
    options.address = "127.0.0.1:0";
    ASSERT_OK_AND_ASSIGN(admin_, Admin::Start(std::move(options)));
    ASSERT_OK_AND_ASSIGN(const HostPort address, ParseHostPort(admin_->address()));
    port_ = address.port;
  }

  AdminOptions Options() {
    return {"", metrics_, lifecycle_, heartbeats_, {{"/debug/keys", [] {
                                                       return AdminPage{"application/json", "[1]"};
                                                     }}}};
  }

  // What a client with this address, who calls the listener `host`, is answered.
  Response AnswerTo(const std::string& peer, const std::string& path, const std::string& query = "",
                    const std::string& host = "localhost:9464") {
    Request request;
    request.method = "GET";
    request.path = path;
    request.query = query;
    request.headers.push_back({"Host", host});
    request.peer_address = peer;
    Response response;
    MakeAdminHandler(Options())->Handle(request, [&response](Response given) { response = std::move(given); });
    return response;
  }

  RawResponse Send(std::string_view bytes) {
    RawClient client(port_);
    client.Send(bytes);
    return client.Read(bytes.substr(0, 5) == "HEAD ").value_or(RawResponse{});
  }
  int StatusOf(std::string_view path) { return Send(GetRequest(path)).status; }

  Metrics metrics_;
  std::atomic<bool> is_ready_{true};
  Heartbeats heartbeats_;
  Lifecycle lifecycle_{[this]() -> std::vector<Check> { return {{"numbers", is_ready_, "there are none"}}; }};
  std::unique_ptr<Admin> admin_;
  int port_ = 0;
};

TEST_F(AdminTest, ProbesFollowTheLifecycle) {
  EXPECT_EQ(StatusOf("/livez"), 200);
  EXPECT_EQ(StatusOf("/startupz"), 503);
  EXPECT_EQ(StatusOf("/readyz"), 503);
  lifecycle_.SetStarted();
  EXPECT_EQ(StatusOf("/startupz"), 200);
  EXPECT_EQ(StatusOf("/readyz"), 200);
  is_ready_ = false;
  EXPECT_EQ(StatusOf("/readyz"), 503);
  EXPECT_EQ(StatusOf("/livez"), 200);
  is_ready_ = true;
  lifecycle_.SetDraining();
  EXPECT_EQ(StatusOf("/readyz"), 503);
  EXPECT_EQ(StatusOf("/livez"), 200);
  EXPECT_EQ(StatusOf("/startupz"), 200);
}

TEST_F(AdminTest, IsAliveAsLongAsNothingIsStuck) {
  const auto now = std::chrono::steady_clock::now();
  const auto heart = heartbeats_.Add("loop", now - std::chrono::seconds(11));
  EXPECT_EQ(StatusOf("/livez"), 503);
  lifecycle_.SetStarted();
  EXPECT_EQ(StatusOf("/readyz"), 200);
  heart->Beat(now);
  EXPECT_EQ(StatusOf("/livez"), 200);
}

TEST_F(AdminTest, TellsClientsOnThisMachineWhatReadinessDependsOn) {
  for (const char* peer : {"127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(AnswerTo(peer, "/readyz", "verbose").body,
              "unready\nstarted: something does not serve yet\ndraining: ok\nnumbers: ok\n")
        << peer;
  }
  lifecycle_.SetStarted();
  is_ready_ = false;
  EXPECT_EQ(AnswerTo("::1", "/readyz", "a&verbose=1").body,
            "unready\nstarted: ok\ndraining: ok\nnumbers: there are none\n");
  lifecycle_.SetDraining();
  EXPECT_EQ(AnswerTo("::1", "/readyz", "verbose").body,
            "draining\nstarted: ok\ndraining: the process is stopping\nnumbers: there are none\n");
  EXPECT_EQ(AnswerTo("::1", "/readyz", "verbosely").body, "draining\n");
  EXPECT_EQ(AnswerTo("::1", "/readyz", "").body, "draining\n");
  EXPECT_EQ(Send("GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n").body,
            AnswerTo("127.0.0.1", "/readyz", "verbose").body);
}

TEST_F(AdminTest, TellsOthersOnlyWhetherItIsReady) {
  lifecycle_.SetStarted();
  for (const char* peer : {"10.0.0.1", "::ffff:10.0.0.1", "0.0.0.0", "::", "fe80::1", "2001:db8::1", ""}) {
    EXPECT_EQ(AnswerTo(peer, "/readyz", "verbose").body, "ready\n") << peer;
    EXPECT_EQ(AnswerTo(peer, "/readyz", "verbose").status, 200) << peer;
  }
}

TEST_F(AdminTest, GivesPagesToClientsOnThisMachineOnly) {
  const Response response = AnswerTo("127.0.0.1", "/debug/keys");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body, "[1]");
  for (const char* peer : {"10.0.0.1", "::ffff:10.0.0.1", "::", "2001:db8::1", ""}) {
    EXPECT_EQ(AnswerTo(peer, "/debug/keys").status, 403) << peer;
    EXPECT_THAT(AnswerTo(peer, "/debug/keys").body, Not(HasSubstr("1"))) << peer;
  }
  EXPECT_EQ(AnswerTo("127.0.0.1", "/debug/keys/").status, 404);
  EXPECT_EQ(Send("POST /debug/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").status, 405);
}

// A page of a browser on this machine, whose name leads to 127.0.0.1 by now.
TEST_F(AdminTest, GivesNothingToPagesOfOtherNames) {
  lifecycle_.SetStarted();
  for (const char* host : {"attacker.example", "127.0.0.1.attacker.example", "x.localhost", "", "localhost, a"}) {
    EXPECT_EQ(AnswerTo("127.0.0.1", "/debug/keys", "", host).status, 403) << host;
    EXPECT_EQ(AnswerTo("127.0.0.1", "/readyz", "verbose", host).body, "ready\n") << host;
  }
  for (const char* host : {"localhost", "127.0.0.1:9464", "[::1]:9464"}) {
    EXPECT_EQ(AnswerTo("127.0.0.1", "/debug/keys", "", host).status, 200) << host;
  }
}

TEST_F(AdminTest, ServesMetricsAsPrometheusText) {
  metrics_.Issued("APIkey", "web", "participant");
  const RawResponse response = Send(GetRequest("/metrics"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("livekit_token_issued_total{"));
}

TEST_F(AdminTest, AnswersHead) {
  const RawResponse response = Send("HEAD /livez HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("content-length"), "6");
}

TEST_F(AdminTest, RefusesOtherMethodsAndPaths) {
  const RawResponse response = Send("POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.Header("allow"), "GET, HEAD");
  EXPECT_EQ(StatusOf("/"), 404);
  EXPECT_EQ(StatusOf("/metrics/"), 404);
  EXPECT_EQ(Send("nonsense\r\n\r\n").status, 400);
}

TEST_F(AdminTest, ServesNoPageWithoutARowInTheTableOfLimits) {
  const auto started = Admin::Start({"127.0.0.1:0", metrics_, lifecycle_, heartbeats_, {{"/debug/other", nullptr}}});
  EXPECT_EQ(std::string(started.status().message()), "LimitTable has no row for /debug/other");
}

TEST_F(AdminTest, DoesNotStartOnABusyPort) {
  EXPECT_FALSE(Admin::Start({admin_->address(), metrics_, lifecycle_, heartbeats_, {}}).ok());
}

}  // namespace
}  // namespace livekit::token::http
