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
using testing::RawClient;
using testing::RawResponse;

class AdminTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(admin_,
                         Admin::Start("127.0.0.1:0", metrics_, lifecycle_, [this] { return is_ready_.load(); }));
    ASSERT_OK_AND_ASSIGN(const HostPort address, ParseHostPort(admin_->address()));
    port_ = address.port;
  }

  RawResponse Send(std::string_view bytes) {
    RawClient client(port_);
    client.Send(bytes);
    return client.Read(bytes.substr(0, 5) == "HEAD ").value_or(RawResponse{});
  }
  int StatusOf(std::string_view path) { return Send(GetRequest(path)).status; }

  Metrics metrics_;
  Lifecycle lifecycle_;
  std::atomic<bool> is_ready_{true};
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

TEST_F(AdminTest, DoesNotStartOnABusyPort) {
  EXPECT_FALSE(Admin::Start(admin_->address(), metrics_, lifecycle_, nullptr).ok());
}

}  // namespace
}  // namespace livekit::token::http
