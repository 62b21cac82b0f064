#include "base/network.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;

std::string Normal(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  return address ? address->ToString() : "none";
}

TEST(IpAddress, HasOneNormalForm) {
  EXPECT_EQ(Normal("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Normal("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(Normal("255.255.255.255"), "255.255.255.255");
  EXPECT_EQ(Normal("::"), "::");
  EXPECT_EQ(Normal("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(Normal("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_EQ(IpAddress::Parse("2001:db8::1"), IpAddress::Parse("2001:0db8:0000:0000:0000:0000:0000:0001"));
  EXPECT_NE(IpAddress::Parse("2001:db8::1"), IpAddress::Parse("2001:db8::2"));
}

TEST(IpAddress, CountsMappedAddressesAsIpv4) {
  EXPECT_EQ(Normal("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Normal("::FFFF:c000:201"), "192.0.2.1");
  EXPECT_EQ(IpAddress::Parse("::ffff:192.0.2.1"), IpAddress::Parse("192.0.2.1"));
  EXPECT_TRUE(IpAddress::Parse("::ffff:0:0")->is_v4());
  // Neighbours of the mapped form are IPv6.
  for (const char* text : {"::192.0.2.1", "::fffe:192.0.2.1", "::ffff:0:192.0.2.1", "64:ff9b::192.0.2.1"}) {
    ASSERT_TRUE(IpAddress::Parse(text)) << text;
    EXPECT_FALSE(IpAddress::Parse(text)->is_v4()) << text;
  }
}

TEST(IpAddress, RefusesEverythingElse) {
  for (const char* text : {"",
                           " ",
                           "localhost",
                           "unknown",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1.2.3.04",
                           "0x7f.0.0.1",
                           "2130706433",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1.2.3.4:80",
                           "1.2.3.4/32",
                           "1.2.3.-4",
                           "1.2.3.+4",
                           "1,2,3,4",
                           "[::1]",
                           ":::1",
                           "1::2::3",
                           "::12345",
                           "::g",
                           "fe80::1%eth0",
                           "fe80::1%1",
                           "::1/128",
                           "::1.2.3",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7",
                           "\xef\xbc\x91.2.3.4",
                           "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
    EXPECT_EQ(Normal(text), "none") << text;
  }
  EXPECT_EQ(Normal(std::string_view("1.2.3.4\0", 8)), "none");
  EXPECT_EQ(Normal(std::string_view("1.2.3.4\0x", 9)), "none");
  EXPECT_EQ(Normal(std::string(100'000, '1')), "none");
}

TEST(Network, HoldsExactlyTheAddressesOfItsPrefix) {
  struct Case {
    const char* network;
    const char* address;
    bool contained;
  };
  for (const Case& c : {Case{"10.0.0.0/8", "10.0.0.0", true},
                        {"10.0.0.0/8", "10.255.255.255", true},
                        {"10.0.0.0/8", "11.0.0.0", false},
                        {"10.0.0.0/8", "9.255.255.255", false},
                        {"172.16.0.0/12", "172.31.255.255", true},
                        {"172.16.0.0/12", "172.32.0.0", false},
                        {"192.0.2.128/25", "192.0.2.128", true},
                        {"192.0.2.128/25", "192.0.2.127", false},
                        {"192.0.2.4/31", "192.0.2.5", true},
                        {"192.0.2.4/31", "192.0.2.6", false},
                        {"192.0.2.4/32", "192.0.2.4", true},
                        {"192.0.2.4/32", "192.0.2.5", false},
                        {"192.0.2.4", "192.0.2.4", true},
                        {"192.0.2.4", "192.0.2.5", false},
                        {"128.0.0.0/1", "255.0.0.1", true},
                        {"128.0.0.0/1", "127.0.0.1", false},
                        {"fd00::/8", "fdff::1", true},
                        {"fd00::/8", "fc00::1", false},
                        {"2001:db8::/33", "2001:db8:7fff::1", true},
                        {"2001:db8::/33", "2001:db8:8000::1", false},
                        {"2001:db8::1/128", "2001:db8::1", true},
                        {"2001:db8::1", "2001:db8::2", false},
                        {"::1", "::1", true}}) {
    ASSERT_OK_AND_ASSIGN(const Network network, Network::Parse(c.network));
    EXPECT_EQ(network.Contains(*IpAddress::Parse(c.address)), c.contained) << c.network << " " << c.address;
    EXPECT_FALSE(network.IsEverything()) << c.network;
  }
}

TEST(Network, KeepsTheFamiliesApartAndCountsMappedAddressesAsIpv4) {
  ASSERT_OK_AND_ASSIGN(const Network v4, Network::Parse("10.0.0.0/8"));
  EXPECT_TRUE(v4.Contains(*IpAddress::Parse("::ffff:10.1.2.3")));
  EXPECT_FALSE(v4.Contains(*IpAddress::Parse("a00::")));
  ASSERT_OK_AND_ASSIGN(const Network mapped, Network::Parse("::ffff:10.0.0.0/104"));
  EXPECT_TRUE(mapped.Contains(*IpAddress::Parse("10.1.2.3")));
  EXPECT_FALSE(mapped.Contains(*IpAddress::Parse("11.1.2.3")));
  ASSERT_OK_AND_ASSIGN(const Network single, Network::Parse("::ffff:10.0.0.1"));
  EXPECT_TRUE(single.Contains(*IpAddress::Parse("10.0.0.1")));
  EXPECT_FALSE(single.Contains(*IpAddress::Parse("10.0.0.2")));
  ASSERT_OK_AND_ASSIGN(const Network v6, Network::Parse("::/16"));
  EXPECT_TRUE(v6.Contains(*IpAddress::Parse("::1")));
  EXPECT_FALSE(v6.Contains(*IpAddress::Parse("::ffff:10.0.0.1")));
}

TEST(Network, KnowsWhenItHoldsEverything) {
  for (const char* text : {"0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"}) {
    ASSERT_OK_AND_ASSIGN(const Network network, Network::Parse(text));
    EXPECT_TRUE(network.IsEverything()) << text;
  }
  ASSERT_OK_AND_ASSIGN(const Network v4, Network::Parse("0.0.0.0/0"));
  EXPECT_TRUE(v4.Contains(*IpAddress::Parse("255.255.255.255")));
  EXPECT_FALSE(v4.Contains(*IpAddress::Parse("::1")));
  for (const char* text : {"0.0.0.0/1", "0.0.0.0", "::/1", "::"}) {
    ASSERT_OK_AND_ASSIGN(const Network network, Network::Parse(text));
    EXPECT_FALSE(network.IsEverything()) << text;
  }
}

TEST(Network, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "/",
                           "/8",
                           "10.0.0.0/",
                           "10.0.0.0/33",
                           "10.0.0.0/-1",
                           "10.0.0.0/+8",
                           "10.0.0.0/ 8",
                           "10.0.0.0/08",
                           "10.0.0.0/8/8",
                           "10.0.0.0/0x8",
                           "10.0.0.0/255.0.0.0",
                           "10/8",
                           "10.0.0/8",
                           "010.0.0.0/8",
                           " 10.0.0.0/8",
                           "10.0.0.0/8 ",
                           "fd00::/129",
                           "fd00::/1000",
                           "fd00::/",
                           "[fd00::]/8",
                           "fe80::1%eth0",
                           "fe80::%eth0/10",
                           "proxy.internal",
                           "localhost",
                           "10.0.0.*",
                           "10.0.0.0-10.0.0.9",
                           "::ffff:10.0.0.0/129"}) {
    const auto network = Network::Parse(text);
    ASSERT_FALSE(network.ok()) << text;
    EXPECT_THAT(std::string(network.status().message()), HasSubstr("10.0.0.0/8 or fd00::/8")) << text;
  }
}

TEST(Network, RefusesBitsAfterThePrefix) {
  for (const char* text :
       {"10.0.0.1/8", "10.0.0.1/31", "0.0.0.1/0", "192.0.2.4/29", "fd00::1/8", "::1/0", "2001:db8:8000::/32",
        "::ffff:10.0.0.1/104", "::ffff:10.0.0.0/95", "::ffff:0:0/0", "::ffff:0:0/8"}) {
    const auto network = Network::Parse(text);
    ASSERT_FALSE(network.ok()) << text;
    EXPECT_THAT(std::string(network.status().message()), HasSubstr("first address")) << text;
  }
}

}  // namespace
}  // namespace livekit::token
