// Identity headers of proxies in front of the gateway.

#include "gateway/trusted_headers.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "handler_fixture.h"
#include "support/status_matchers.h"

namespace livekit::token::gateway {
namespace {

constexpr char kProxy[] = "10.0.3.7";
constexpr char kStranger[] = "203.0.113.7";

class TrustedHeadersTest : public HandlerTest {
 protected:
  TrustedHeadersTest() {
    config::v1::GatewayTrustedHeaders config;
    config.add_headers("x-auth-request-user");
    config.add_headers("x-auth-request-email");
    config.add_networks("10.0.3.0/24");
    config.add_networks("fd00::1");
    EXPECT_TRUE(CheckTrustedHeaders(config, options.relay_headers).empty());
    options.trusted_headers = MakeTrustedHeaderOptions(config);
  }

  static http::Request From(const std::string& peer, std::vector<http::Header> headers) {
    http::Request request = Post("{}");
    for (auto& header : headers) request.headers.push_back(std::move(header));
    request.peer_address = peer;
    return request;
  }
  // Expects a refusal that never reaches a server.
  void ExpectRefused(const http::Request& request, int status, const std::string& reason) {
    backend.items.clear();
    const auto response = Ask(request);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(ReasonIn(response), reason);
    EXPECT_TRUE(backend.items.empty());
  }
  Backend::Item Passed(const http::Request& request) {
    backend.items.clear();
    EXPECT_EQ(Ask(request).status, 201);
    return backend.items.size() == 1 ? backend.items[0] : Backend::Item();
  }
};

TEST_F(TrustedHeadersTest, PassOnWhatAProxySays) {
  for (const char* peer : {kProxy, "10.0.3.0", "::ffff:10.0.3.9", "fd00::1"}) {
    const auto item = Passed(
        From(peer, {{"X-Auth-Request-User", "alice"}, {"x-auth-request-email", "a@acme.dev"}, {"x-other", "o"}}));
    ASSERT_EQ(item.trusted_headers().headers_size(), 2) << peer;
    EXPECT_EQ(item.trusted_headers().headers(0).header(), "x-auth-request-user");
    EXPECT_EQ(item.trusted_headers().headers(0).value(), "alice");
    EXPECT_EQ(item.trusted_headers().headers(1).header(), "x-auth-request-email");
    EXPECT_EQ(item.credentials_size(), 0);
  }
}

// The server must know that it was a proxy, so that whom that does not name is not anonymous.
TEST_F(TrustedHeadersTest, SayThatThereIsAProxyEvenIfItSaysNothing) {
  const auto silent = Passed(From(kProxy, {}));
  EXPECT_TRUE(silent.has_trusted_headers());
  EXPECT_EQ(silent.trusted_headers().headers_size(), 0);
  const auto empty = Passed(From(kProxy, {{"X-Auth-Request-User", ""}}));
  EXPECT_EQ(empty.trusted_headers().headers(0).value(), "");
  EXPECT_FALSE(Passed(From(kStranger, {})).has_trusted_headers());
}

TEST_F(TrustedHeadersTest, AreRefusedFromAnybodyElse) {
  for (const char* peer : {kStranger, "10.0.4.0", "127.0.0.1", "fd00::2", "localhost", ""}) {
    for (const char* name : {"X-Auth-Request-User", "x-auth-request-email", "X_Auth_Request_User",
                             "x-auth_request-user", "X.Auth.Request.User"}) {
      ExpectRefused(From(peer, {{name, "alice"}}), 401, "AUTHENTICATION_FAILED");
      ExpectRefused(From(peer, {{name, ""}}), 401, "AUTHENTICATION_FAILED");
      ExpectRefused(From(peer, {{"Authorization", "Bearer x"}, {name, "alice"}}), 401, "AUTHENTICATION_FAILED");
    }
  }
}

TEST_F(TrustedHeadersTest, AreJudgedByTheSocketAlone) {
  for (const char* name : {"X-Forwarded-For", "X-Real-IP", "Forwarded"}) {
    ExpectRefused(From(kStranger, {{name, kProxy}, {"X-Auth-Request-User", "alice"}}), 401, "AUTHENTICATION_FAILED");
  }
  options.trusted_proxies.push_back(*Network::Parse(kStranger));
  handler_.reset();
  ExpectRefused(From(kStranger, {{"X-Forwarded-For", kProxy}, {"X-Auth-Request-User", "alice"}}), 401,
                "AUTHENTICATION_FAILED");
  EXPECT_FALSE(Passed(From(kStranger, {{"X-Forwarded-For", kProxy}})).has_trusted_headers());
}

TEST_F(TrustedHeadersTest, AreRefusedTwiceAndUnderNamesThatResembleThem) {
  for (const char* second : {"X-Auth-Request-User", "x-auth-request-user", "X-AUTH-REQUEST-USER", "X_Auth_Request_User",
                             "x-auth-request_user", "x.auth.request.user"}) {
    ExpectRefused(From(kProxy, {{"X-Auth-Request-User", "alice"}, {second, "bob"}}), 400, "AMBIGUOUS_CREDENTIALS");
    ExpectRefused(From(kProxy, {{second, "bob"}, {"X-Auth-Request-User", "alice"}}), 400, "AMBIGUOUS_CREDENTIALS");
    ExpectRefused(From(kProxy, {{"X-Auth-Request-User", ""}, {second, ""}}), 400, "AMBIGUOUS_CREDENTIALS");
  }
  // A proxy that strips only the name that it knows lets its client's twin through.
  ExpectRefused(From(kProxy, {{"X_Auth_Request_User", "bob"}}), 400, "AMBIGUOUS_CREDENTIALS");
}

TEST_F(TrustedHeadersTest, AreUtf8) {
  ExpectRefused(From(kProxy, {{"X-Auth-Request-User", "jos\xe9"}}), 400, "MALFORMED_REQUEST");
  EXPECT_EQ(Passed(From(kProxy, {{"X-Auth-Request-User", "jos\xc3\xa9"}})).trusted_headers().headers(0).value(),
            "jos\xc3\xa9");
}

TEST_F(TrustedHeadersTest, LeaveTheClientsCredentialsToTheServer) {
  const auto item = Passed(From(kProxy, {{"X-Auth-Request-User", "alice"}, {"Authorization", "Bearer x"}}));
  EXPECT_EQ(item.trusted_headers().headers_size(), 1);
  EXPECT_EQ(item.credentials_size(), 1);
}

TEST_F(TrustedHeadersTest, MeanNothingUnlessConfigured) {
  options.trusted_headers = {};
  const auto item = Passed(From(kProxy, {{"X-Auth-Request-User", "alice"}}));
  EXPECT_FALSE(item.has_trusted_headers());
  EXPECT_EQ(item.credentials_size(), 0);
}

TEST_F(TrustedHeadersTest, DoNotMatterToPreflights) {
  auto request = From(kStranger, {{"X-Auth-Request-User", "alice"}});
  request.method = "OPTIONS";
  EXPECT_EQ(Ask(request).status, 204);
}

}  // namespace
}  // namespace livekit::token::gateway
