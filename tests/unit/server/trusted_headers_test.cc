#include "server/authn/trusted_headers.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using ::testing::ElementsAre;
using testing::FakeClock;
using testing::IsRefusal;

const TrustedHeadersAuthenticator& Proxy() {
  static const TrustedHeadersAuthenticator authenticator(
      "sso", "x-auth-request-user", {{"email", "x-auth-request-email"}, {"team", "x-auth-request-groups"}}, {});
  return authenticator;
}

Credentials Says(std::vector<PresentedHeader> headers) {
  Credentials credentials;
  credentials.trusted_headers = std::move(headers);
  return credentials;
}

absl::StatusOr<Principal> Authenticate(const Credentials& credentials) {
  absl::StatusOr<Principal> result = absl::InternalError("not called");
  Proxy().Authenticate(credentials, FakeClock().Now(),
                       [&](absl::StatusOr<Principal> principal) { result = std::move(principal); });
  return result;
}

std::string ClaimOf(const Principal& principal, const char* path) {
  const auto* value = principal.claims.Find(*ClaimPath::Parse(path));
  return value == nullptr ? "(none)" : value->dump();
}

TEST(TrustedHeadersAuthenticator, TakesSubjectAndClaims) {
  const auto principal = Authenticate(Says({{"x-auth-request-email", "jos\xc3\xa9@acme.dev"},
                                            {"x-auth-request-user", "jos\xc3\xa9"},
                                            {"x-auth-request-groups", ""},
                                            {"x-other", "ignored"}}));
  ASSERT_OK(principal);
  EXPECT_EQ(principal->authenticator, "sso");
  EXPECT_EQ(principal->subject, "jos\xc3\xa9");
  EXPECT_EQ(ClaimOf(*principal, "email"), "\"jos\xc3\xa9@acme.dev\"");
  EXPECT_EQ(ClaimOf(*principal, "team"), "(none)");
  EXPECT_EQ(ClaimOf(*principal, "x-other"), "(none)");
}

// Claims are text: what looks like JSON gains no type by it.
TEST(TrustedHeadersAuthenticator, TakesClaimsForText) {
  const auto principal = Authenticate(Says({{"x-auth-request-user", "a"}, {"x-auth-request-groups", R"(["admin"])"}}));
  ASSERT_OK(principal);
  EXPECT_EQ(ClaimOf(*principal, "team"), R"("[\"admin\"]")");
}

TEST(TrustedHeadersAuthenticator, RecognizesOnlyASubjectFromAProxy) {
  EXPECT_TRUE(Proxy().Recognizes(Says({{"x-auth-request-user", "a"}})));
  for (const auto& credentials : {Credentials{}, Says({}), Says({{"x-auth-request-user", ""}}),
                                  Says({{"x-auth-request-email", "a@b"}}), Says({{"X-Auth-Request-User", "a"}}),
                                  Says({{"x_auth_request_user", "a"}}), Credentials{{{"x-auth-request-user", "a"}}}}) {
    EXPECT_FALSE(Proxy().Recognizes(credentials));
    EXPECT_THAT(Authenticate(credentials), IsRefusal(v1::AUTHENTICATION_FAILED));
  }
}

TEST(TrustedHeadersAuthenticator, RefusesValuesThatAreNotPlainText) {
  const std::string bad[] = {"jos\xe9",      "a\nb", "a\tb",     std::string("a\0b", 3), "a\x7f", "a\xc2\x85",
                             "\xed\xa0\x80", "\xc3", "a\x1b[31m"};
  for (const auto& value : bad) {
    EXPECT_THAT(Authenticate(Says({{"x-auth-request-user", value}})), IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_THAT(Authenticate(Says({{"x-auth-request-user", "a"}, {"x-auth-request-email", value}})),
                IsRefusal(v1::AUTHENTICATION_FAILED));
  }
  for (const char* value : {"\xc2\xa0", "a b", "\xf0\x9f\x98\x80"}) {
    EXPECT_OK(Authenticate(Says({{"x-auth-request-user", value}})));
  }
}

TEST(TrustedHeadersAuthenticator, LimitsLengths) {
  EXPECT_OK(Authenticate(Says({{"x-auth-request-user", std::string(256, 'a')}})));
  EXPECT_THAT(Authenticate(Says({{"x-auth-request-user", std::string(257, 'a')}})),
              IsRefusal(v1::AUTHENTICATION_FAILED));
  const auto with_claim = [](std::size_t size) {
    return Authenticate(Says({{"x-auth-request-user", "a"}, {"x-auth-request-email", std::string(size, 'a')}}));
  };
  EXPECT_OK(with_claim(4096));
  EXPECT_THAT(with_claim(4097), IsRefusal(v1::AUTHENTICATION_FAILED));
}

TEST(TrustedHeadersAuthenticator, NamesItsHeaders) {
  EXPECT_TRUE(Proxy().headers().empty());
  EXPECT_THAT(Proxy().proxy_headers()->names,
              ElementsAre("x-auth-request-email", "x-auth-request-groups", "x-auth-request-user"));
}

}  // namespace
}  // namespace livekit::token
