#include "base/address.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using testing::IsRefusal;

TEST(ParseHostPort, TakesNamesAndAddresses) {
  struct Case {
    const char* text;
    const char* host;
    int port;
  };
  for (const Case& c : {Case{"localhost:3000", "localhost", 3000},
                        {"127.0.0.1:0", "127.0.0.1", 0},
                        {"[::]:65535", "::", 65535},
                        {"[fe80::1]:1", "fe80::1", 1},
                        {"my_host-1.example.:80", "my_host-1.example.", 80},
                        {":3000", "", 3000}}) {
    ASSERT_OK_AND_ASSIGN(const HostPort parsed, ParseHostPort(c.text));
    EXPECT_EQ(parsed.host, c.host);
    EXPECT_EQ(parsed.port, c.port);
    EXPECT_EQ(parsed.ToString(), c.text);
  }
}

TEST(ParseHostPort, RefusesEverythingElse) {
  for (const char* text : {"",
                           ":",
                           "localhost",
                           "localhost:",
                           "localhost:65536",
                           "localhost:-1",
                           "localhost:+1",
                           "localhost: 1",
                           "localhost:123456",
                           "localhost:http",
                           "::1:3000",
                           "::",
                           "[::1]",
                           "[::1]:",
                           "[::1]3000",
                           "[::1:3000",
                           "[]:3000",
                           "[localhost]:3000",
                           "[127.0.0.1]:3000",
                           "[::1]]:3000",
                           "[fe80::1%eth0]:3000",
                           "a b:1",
                           "user@host:1",
                           "http://host:1",
                           "host/path:1",
                           "h\xc3\xb6st:1",
                           "unix:/path",
                           "*:3000"}) {
    EXPECT_THAT(ParseHostPort(text), IsRefusal(v1::FIELD_INVALID)) << text;
  }
  EXPECT_FALSE(ParseHostPort(std::string_view("[::1\0x]:1", 10)).ok());
  EXPECT_FALSE(ParseHostPort(std::string(254, 'a') + ":1").ok());
}

TEST(HostOf, CutsPortAndBracketsAndLowersLetters) {
  EXPECT_EQ(HostOf("Example.COM"), "example.com");
  EXPECT_EQ(HostOf("example.com:443"), "example.com");
  EXPECT_EQ(HostOf("[FE80::1]:80"), "fe80::1");
  EXPECT_EQ(HostOf("[::1]"), "::1");
  EXPECT_EQ(HostOf("10.0.2.2:3000"), "10.0.2.2");
  EXPECT_EQ(HostOf("localhost."), "localhost.");
}

TEST(HostOf, RefusesWhatIsNoAuthority) {
  for (const char* text :
       {"", ":80", "a:b", "a:1:2", "::1", "[::1", "[]", "user@host", "a b", "a,b", "host:99999", "host:"}) {
    EXPECT_EQ(HostOf(text), std::nullopt) << text;
    EXPECT_FALSE(HasHost(text)) << text;
  }
  for (const char* text : {"a", "EXAMPLE.com:443", "[::1]", "[::1]:80"}) EXPECT_TRUE(HasHost(text)) << text;
}

TEST(ClassifyHost, KnowsLiteralAddressesAndLocalhost) {
  struct Case {
    const char* host;
    HostKind kind;
  };
  for (const Case& c : {
           Case{"127.0.0.1", HostKind::kLoopback},
           {"127.255.255.254", HostKind::kLoopback},
           {"::1", HostKind::kLoopback},
           {"::ffff:127.0.0.1", HostKind::kLoopback},
           {"localhost", HostKind::kLoopback},
           {"LocalHost.", HostKind::kLoopback},
           {"app.localhost", HostKind::kLoopback},
           {"10.0.2.2", HostKind::kPrivate},
           {"172.16.0.1", HostKind::kPrivate},
           {"172.31.255.255", HostKind::kPrivate},
           {"192.168.1.1", HostKind::kPrivate},
           {"169.254.169.254", HostKind::kPrivate},
           {"::ffff:10.1.2.3", HostKind::kPrivate},
           {"fd00::1", HostKind::kPrivate},
           {"fe80::1", HostKind::kPrivate},
           {"febf::1", HostKind::kPrivate},
           {"0.0.0.0", HostKind::kAny},
           {"::", HostKind::kAny},
           {"::ffff:0.0.0.0", HostKind::kAny},
           {"11.0.0.1", HostKind::kPublic},
           {"172.15.0.1", HostKind::kPublic},
           {"172.32.0.1", HostKind::kPublic},
           {"192.169.0.1", HostKind::kPublic},
           {"8.8.8.8", HostKind::kPublic},
           {"126.255.255.255", HostKind::kPublic},
           {"128.0.0.1", HostKind::kPublic},
           {"2001:db8::1", HostKind::kPublic},
           {"fec0::1", HostKind::kPublic},
           {"::2", HostKind::kPublic},
       }) {
    EXPECT_EQ(ClassifyHost(c.host), c.kind) << c.host;
  }
}

TEST(ClassifyHost, DoesNotGuessAboutNames) {
  for (const char* host : {"", ".", "example.com", "localhost.example.com", "notlocalhost", ".localhost", "localhost..",
                           "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1.", "[::1]", "127.0.0.1:80",
                           "127.0.0.1 ", "a b.localhost", "10.0.0.1.nip.io"}) {
    EXPECT_EQ(ClassifyHost(host), HostKind::kUnknown) << host;
  }
  EXPECT_EQ(ClassifyHost(std::string_view("127.0.0.1\0.example.com", 22)), HostKind::kUnknown);
}

}  // namespace
}  // namespace livekit::token
