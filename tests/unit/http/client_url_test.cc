#include "http/client_url.h"

#include <string>

#include "support/status_matchers.h"

namespace livekit::token::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ClientUrlTest, OriginIsSchemeHostAndPort) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://idp.example/a?b=c", "https://idp.example:443"},
      {"HTTPS://IDP.Example", "https://idp.example:443"},
      {"https://idp.example:8443/", "https://idp.example:8443"},
      {"http://127.0.0.1:80/x", "http://127.0.0.1:80"},
      {"https://[::1]:9/", "https://[::1]:9"},
      {"http://0x7f000001/", "http://127.0.0.1:80"},
  };
  for (const auto& [text, origin] : cases) {
    ASSERT_OK_AND_ASSIGN(const ClientUrl url, ParseClientUrl(text, true));
    EXPECT_EQ(url.origin, origin) << text;
  }
}

TEST(ClientUrlTest, FragmentsAreNotSent) {
  ASSERT_OK_AND_ASSIGN(const ClientUrl url, ParseClientUrl("https://idp.example/keys?x#secret", false));
  EXPECT_EQ(url.text, "https://idp.example/keys?x");
}

TEST(ClientUrlTest, HttpOnlyWhereAllowed) {
  EXPECT_OK(ParseClientUrl("http://idp.example/", true));
  EXPECT_FALSE(ParseClientUrl("http://idp.example/", false).ok());
  EXPECT_OK(ParseClientUrl("https://idp.example/", false));
}

TEST(ClientUrlTest, RefusedWithoutEcho) {
  for (const std::string& text : {std::string(""),
                                  std::string("idp.example"),
                                  std::string("//idp.example/"),
                                  std::string("/keys"),
                                  std::string("https://"),

                                  std::string("https://secret@idp.example/"),
                                  std::string("https://secret:secret@idp.example/"),
                                  std::string("https://@idp.example/"),
                                  std::string("https://:@idp.example/"),
                                  std::string("file:///etc/passwd"),
                                  std::string("ftp://idp.example/"),
                                  std::string("gopher://idp.example/"),
                                  std::string("dict://idp.example/"),
                                  std::string("data:,secret"),
                                  std::string("https://idp.example:0x50/"),
                                  std::string("https://idp.example:65536/"),
                                  std::string("https://idp example/"),
                                  std::string("https://idp.example/ secret"),
                                  std::string("https://idp.example/\r\nHost: secret"),
                                  std::string("https://idp.example/\0secret", 27),
                                  std::string("https://idp.example/\xc3\xa4"),
                                  std::string("https://idp.ex%2561mple/"),
                                  std::string("https://idp.example\\@secret/"),
                                  "https://idp.example/" + std::string(8192, 'a')}) {
    const auto url = ParseClientUrl(text, true);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(url.status().message()), Not(HasSubstr("secret")));
  }
}

TEST(ClientUrlTest, RedirectsStayAtTheOrigin) {
  ASSERT_OK_AND_ASSIGN(const ClientUrl from, ParseClientUrl("https://idp.example/a/b?c", false));
  const std::pair<const char*, const char*> followed[] = {
      {"/keys", "https://idp.example/keys"},
      {"keys", "https://idp.example/a/keys"},
      {"../keys?x=y", "https://idp.example/keys?x=y"},
      {"https://idp.example/keys", "https://idp.example/keys"},
      {"https://IDP.example:443/keys", "https://IDP.example:443/keys"},
      {"//idp.example/keys", "https://idp.example/keys"},
  };
  for (const auto& [location, target] : followed) {
    ASSERT_OK_AND_ASSIGN(const ClientUrl to, ResolveRedirect(from, location));
    EXPECT_EQ(to.text, target) << location;
    EXPECT_EQ(to.origin, from.origin) << location;
  }
  for (const char* const location :
       {"", "http://idp.example/keys", "https://idp.example:444/keys", "https://other.example/keys",
        "//other.example/keys", "https://idp.example.other.example/", "https://idp.example@other.example/",
        "https://user@idp.example/", "https://169.254.169.254/latest/", "file:///etc/passwd", "ftp://idp.example/",
        "https://idp.example./keys", "https://idp.example\\.other.example/", "ht tps://idp.example/",
        "https://sub.idp.example/"}) {
    const auto to = ResolveRedirect(from, location);
    ASSERT_FALSE(to.ok()) << location << " leads to " << to->text;
    EXPECT_EQ(to.status().code(), absl::StatusCode::kPermissionDenied);
  }
}

}  // namespace
}  // namespace livekit::token::http
