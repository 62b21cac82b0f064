// Cookies as credentials.

#include "gateway/cookies.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "handler_fixture.h"

namespace livekit::token::gateway {
namespace {

class CookiesTest : public HandlerTest {
 protected:
  CookiesTest() {
    options.relay_cookies = {"session", "*authjs.session-token*"};
    options.cors.origins = {"https://app.acme.dev"};
    options.cors.credentials = true;
  }

  void ExpectRefused(const http::Request& request, int status, const std::string& reason) {
    backend.items.clear();
    const auto response = Ask(request);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(ReasonIn(response), reason);
    EXPECT_TRUE(backend.items.empty()) << "it reached the server";
  }
  Backend::Item Passed(const http::Request& request) {
    backend.items.clear();
    EXPECT_EQ(Ask(request).status, 201);
    return backend.items.size() == 1 ? backend.items[0] : Backend::Item();
  }
};

TEST_F(CookiesTest, AreOneCredential) {
  const auto item =
      Passed(Post("{}", {{"Cookie", "theme=dark; session=abc; __Secure-authjs.session-token.0=x; lang=en"}}));
  ASSERT_EQ(item.credentials_size(), 1);
  EXPECT_EQ(item.credentials(0).header(), "cookie");
  EXPECT_EQ(item.credentials(0).value(), "session=abc; __Secure-authjs.session-token.0=x");
}

TEST_F(CookiesTest, StandBesideOtherCredentials) {
  const auto item = Passed(Post("{}", {{"Cookie", "session=abc"}, {"Authorization", "Bearer x"}}));
  EXPECT_EQ(item.credentials_size(), 2);
}

// Cookies of other applications on the host prove nothing and must not make an anonymous request a failed one.
TEST_F(CookiesTest, ThatAreNotNamedStayHere) {
  EXPECT_EQ(Passed(Post("{}", {{"Cookie", "theme=dark; Session=abc; xsession=1; =session"}})).credentials_size(), 0);
  options.relay_cookies.clear();
  handler_.reset();
  EXPECT_EQ(Passed(Post("{}", {{"Cookie", "session=abc"}})).credentials_size(), 0);
}

// RFC 6265 section 5.4: one header. Of two, others may read the other one.
TEST_F(CookiesTest, InTwoHeadersAreRefused) {
  auto request = Post("{}", {{"Cookie", "session=abc"}});
  request.headers.push_back({"cookie", "session=def"});
  ExpectRefused(request, 400, "AMBIGUOUS_CREDENTIALS");
}

TEST_F(CookiesTest, ThatAreNoUtf8AreRefused) {
  ExpectRefused(Post("{}", {{"Cookie", "session=\xff"}}), 400, "MALFORMED_REQUEST");
  // Others are nobody's business.
  EXPECT_EQ(Passed(Post("{}", {{"Cookie", "other=\xff; session=abc"}})).credentials_size(), 1);
}

// Pitfall D-15: a browser adds cookies to requests that another site's page makes.
TEST_F(CookiesTest, OfAnotherSitesPageAreRefused) {
  const http::Header cookie = {"Cookie", "session=abc"};
  for (const char* site : {"cross-site", "same-site", "", "Same-Origin", "unknown"}) {
    ExpectRefused(Post("{}", {cookie, {"Sec-Fetch-Site", site}}), 403, "ORIGIN_NOT_ALLOWED");
  }
  auto twice = Post("{}", {cookie, {"Sec-Fetch-Site", "none"}});
  twice.headers.push_back({"sec-fetch-site", "cross-site"});
  ExpectRefused(twice, 403, "ORIGIN_NOT_ALLOWED");
  ExpectRefused(Post("{}", {cookie, {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-origin"}}), 403,
                "ORIGIN_NOT_ALLOWED");
  ExpectRefused(Post("{}", {cookie, {"Origin", "null"}}), 403, "ORIGIN_NOT_ALLOWED");
}

TEST_F(CookiesTest, OfAnAllowedPageCount) {
  const http::Header cookie = {"Cookie", "session=abc"};
  EXPECT_EQ(Passed(Post("{}", {cookie})).credentials_size(), 1);
  EXPECT_EQ(Passed(Post("{}", {cookie, {"Sec-Fetch-Site", "same-origin"}})).credentials_size(), 1);
  EXPECT_EQ(Passed(Post("{}", {cookie, {"Sec-Fetch-Site", "none"}})).credentials_size(), 1);
  EXPECT_EQ(Passed(Post("{}", {cookie, {"Origin", "https://app.acme.dev"}, {"Sec-Fetch-Site", "cross-site"}}))
                .credentials_size(),
            1);
}

// A request without cookies that count is not bound to pages: bearer tokens are not sent by themselves.
TEST_F(CookiesTest, AloneMakeTheDifference) {
  EXPECT_EQ(Passed(Post("{}", {{"Authorization", "Bearer x"}, {"Sec-Fetch-Site", "cross-site"}})).credentials_size(),
            1);
  EXPECT_EQ(Passed(Post("{}", {{"Cookie", "theme=dark"}, {"Sec-Fetch-Site", "cross-site"}})).credentials_size(), 0);
}

// What pages may send without asking first is never answered with a token.
TEST_F(CookiesTest, WithAFormAreRefused) {
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}) {
    ExpectRefused(Post("{}", {{"Cookie", "session=abc"}, {"Content-Type", type}}), 415, "UNSUPPORTED_MEDIA_TYPE");
  }
}

}  // namespace
}  // namespace livekit::token::gateway
