#include "gateway/client_address.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token::gateway {
namespace {

using ::testing::HasSubstr;

TrustedProxies Trust(const std::vector<std::string>& networks) {
  TrustedProxies trusted;
  for (const std::string& text : networks) {
    const auto network = Network::Parse(text);
    EXPECT_OK(network);
    trusted.push_back(*network);
  }
  return trusted;
}

http::Request From(const std::string& peer, const std::vector<std::string>& forwarded) {
  http::Request request;
  request.peer_address = peer;
  for (const std::string& value : forwarded) request.headers.push_back({"X-Forwarded-For", value});
  return request;
}

// The client as seen behind proxies in 10.0.0.0/8 and fd00::/8, for a request from 10.0.0.1.
std::string Behind(const std::vector<std::string>& forwarded, const std::string& peer = "10.0.0.1") {
  return ClientAddress(From(peer, forwarded), Trust({"10.0.0.0/8", "fd00::/8"}));
}

TEST(ClientAddress, IsThePeerUnlessThatIsATrustedProxy) {
  const std::vector<std::string> forwarded = {"192.0.2.1"};
  EXPECT_EQ(ClientAddress(From("203.0.113.7", forwarded), {}), "203.0.113.7");
  EXPECT_EQ(ClientAddress(From("10.0.0.1", forwarded), {}), "10.0.0.1") << "private addresses are not trusted as such";
  EXPECT_EQ(ClientAddress(From("127.0.0.1", forwarded), {}), "127.0.0.1");
  EXPECT_EQ(Behind(forwarded, "203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(Behind(forwarded, "11.0.0.1"), "11.0.0.1");
  EXPECT_EQ(Behind(forwarded, "10.0.0.1"), "192.0.2.1");
  EXPECT_EQ(Behind(forwarded, "fd00::1"), "192.0.2.1");
  EXPECT_EQ(Behind(forwarded, "::ffff:10.0.0.1"), "192.0.2.1");
  EXPECT_EQ(Behind({}), "10.0.0.1");
}

TEST(ClientAddress, NeverTrustsAPeerWithoutAddress) {
  EXPECT_EQ(Behind({"192.0.2.1"}, ""), "");
  EXPECT_EQ(Behind({"192.0.2.1"}, "unix"), "unix");
}

TEST(ClientAddress, IsTheFirstUntrustedAddressFromTheRight) {
  struct Case {
    std::vector<std::string> forwarded;
    const char* client;
  };
  for (const Case& c : {Case{{"192.0.2.1"}, "192.0.2.1"},
                        {{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
                        {{"192.0.2.1, 10.0.0.3, fd00::2"}, "192.0.2.1"},
                        // What the client itself sent stands left of what the proxies add.
                        {{"198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
                        {{"10.0.0.9, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
                        {{"127.0.0.1, ::1, 192.0.2.1"}, "192.0.2.1"},
                        {{"<script>, 192.0.2.1"}, "192.0.2.1"},
                        {{"192.0.2.1, 192.0.2.1"}, "192.0.2.1"},
                        // Header lines are one list.
                        {{"198.51.100.1", "192.0.2.1"}, "192.0.2.1"},
                        {{"192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
                        {{"198.51.100.1, 192.0.2.1", "10.0.0.3, 10.0.0.2"}, "192.0.2.1"},
                        {{"198.51.100.1", "192.0.2.1,10.0.0.3", "10.0.0.2"}, "192.0.2.1"},
                        // Space.
                        {{" \t192.0.2.1\t ,\t10.0.0.2 "}, "192.0.2.1"},
                        {{"192.0.2.1,10.0.0.2"}, "192.0.2.1"},
                        // Only proxies: a host of their networks.
                        {{"10.0.0.2"}, "10.0.0.2"},
                        {{"10.0.0.4, 10.0.0.3, 10.0.0.2"}, "10.0.0.4"},
                        {{"fd00::4", "10.0.0.2"}, "fd00::4"}}) {
    EXPECT_EQ(Behind(c.forwarded), c.client) << ::testing::PrintToString(c.forwarded);
  }
}

TEST(ClientAddress, ReadsAddressesAsProxiesWriteThem) {
  struct Case {
    const char* text;
    const char* client;
  };
  for (const Case& c : {Case{"192.0.2.1:5678", "192.0.2.1"},
                        {"192.0.2.1:0", "192.0.2.1"},
                        {"192.0.2.1:65535", "192.0.2.1"},
                        {"2001:db8::1", "2001:db8::1"},
                        {"2001:DB8:0::1", "2001:db8::1"},
                        {"[2001:db8::1]", "2001:db8::1"},
                        {"[2001:db8::1]:443", "2001:db8::1"},
                        {"::ffff:192.0.2.1", "192.0.2.1"},
                        {"[::ffff:192.0.2.1]:80", "192.0.2.1"},
                        {"10.0.0.7:1", "10.0.0.7"},
                        {"::ffff:10.0.0.7", "10.0.0.7"}}) {
    EXPECT_EQ(Behind({c.text}), c.client) << c.text;
    EXPECT_EQ(Behind({std::string(c.text) + ", 10.0.0.2:80"}), c.client) << c.text;
  }
}

TEST(ClientAddress, StopsAtWhatIsNoAddressWithTheLastOneThatWasTrusted) {
  for (const std::string& bad : {std::string("unknown"),
                                 std::string("_hidden"),
                                 std::string("localhost"),
                                 std::string("client.example"),
                                 std::string(),
                                 std::string("192.0.2.1:"),
                                 std::string("192.0.2.1:65536"),
                                 std::string("192.0.2.1:-1"),
                                 std::string("192.0.2.1:80:80"),
                                 std::string("192.0.2.1:http"),
                                 std::string("192.0.2.1 80"),
                                 std::string("[192.0.2.1]"),
                                 std::string("[192.0.2.1]:80"),
                                 std::string("[2001:db8::1"),
                                 std::string("2001:db8::1]"),
                                 std::string("[2001:db8::1]:"),
                                 std::string("[2001:db8::1]:65536"),
                                 std::string("[2001:db8::1]80"),
                                 std::string("[]"),
                                 std::string("fe80::1%eth0"),
                                 std::string("[fe80::1%eth0]"),
                                 std::string("[fe80::1%25eth0]:80"),
                                 std::string("192.0.2"),
                                 std::string("192.0.2.01"),
                                 std::string("0xc0000201"),
                                 std::string("3221225985"),
                                 std::string("192.0.2.1/32"),
                                 std::string("\"192.0.2.1\""),
                                 std::string("for=192.0.2.1"),
                                 std::string("192.0.2.1;203.0.113.9"),
                                 std::string("192.0.2.1 203.0.113.9"),
                                 std::string("192.0.2.1\0", 10),
                                 std::string("192.0.2.1\n"),
                                 std::string("\xc2\xa0") + "192.0.2.1",
                                 std::string(10'000, '1')}) {
    EXPECT_EQ(Behind({bad}), "10.0.0.1") << bad;
    EXPECT_EQ(Behind({"203.0.113.9, " + bad}), "10.0.0.1") << bad;
    EXPECT_EQ(Behind({"203.0.113.9, " + bad + ", 10.0.0.2"}), "10.0.0.2") << bad;
    EXPECT_EQ(Behind({"203.0.113.9", bad, "10.0.0.3, 10.0.0.2"}), "10.0.0.3") << bad;
    // Left of the client it does not matter.
    EXPECT_EQ(Behind({bad + ", 203.0.113.9"}), "203.0.113.9") << bad;
  }
  EXPECT_EQ(Behind({","}), "10.0.0.1");
  EXPECT_EQ(Behind({"203.0.113.9,"}), "10.0.0.1");
  EXPECT_EQ(Behind({"203.0.113.9,,10.0.0.2"}), "10.0.0.2");
  EXPECT_EQ(Behind({",203.0.113.9"}), "203.0.113.9");
}

TEST(ClientAddress, LooksAtABoundedNumberOfProxies) {
  std::string proxies;
  std::vector<std::string> lines;
  for (int i = 1; i <= 1000; ++i) {
    // The last one, 10.0.3.232, is the nearest.
    const std::string address = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    proxies += (proxies.empty() ? "" : ", ") + address;
    lines.push_back(address);
  }
  // The 32nd from the right.
  EXPECT_EQ(Behind({"192.0.2.1, " + proxies}), "10.0.3.201");
  lines.insert(lines.begin(), "192.0.2.1");
  EXPECT_EQ(Behind(lines), "10.0.3.201");
  lines.assign({"192.0.2.1"});
  lines.insert(lines.end(), 31, "10.0.0.2");
  EXPECT_EQ(Behind(lines), "192.0.2.1") << "the client is the 32nd";
  lines.push_back("10.0.0.2");
  EXPECT_EQ(Behind(lines), "10.0.0.2") << "the client is the 33rd";
}

TEST(ClientAddress, ReadsNoOtherHeader) {
  for (const char* name : {"X_Forwarded_For", "X-Forwarded_For", "X-Forwarded-For2", "XForwardedFor", "Forwarded",
                           "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Forwarded"}) {
    auto request = From("10.0.0.1", {});
    request.headers.push_back({name, "192.0.2.1"});
    request.headers.push_back({name, "for=192.0.2.1"});
    EXPECT_EQ(ClientAddress(request, Trust({"10.0.0.0/8"})), "10.0.0.1") << name;
    request.headers.push_back({"x-forwarded-for", "198.51.100.1"});
    request.headers.push_back({name, "192.0.2.1"});
    EXPECT_EQ(ClientAddress(request, Trust({"10.0.0.0/8"})), "198.51.100.1") << name;
  }
}

TEST(CheckTrustedProxy, TakesNetworksAndAddresses) {
  for (const char* text :
       {"10.0.0.0/8", "192.0.2.1", "192.0.2.1/32", "fd00::/8", "::1", "2001:db8::/32", "0.0.0.0/1"}) {
    EXPECT_EQ(CheckTrustedProxy(text), "") << text;
  }
}

TEST(CheckTrustedProxy, RefusesEverybodyAndWhatIsNoNetwork) {
  for (const char* text : {"0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"}) {
    EXPECT_THAT(CheckTrustedProxy(text), HasSubstr("would trust everybody")) << text;
  }
  EXPECT_THAT(CheckTrustedProxy("10.0.0.1/8"), HasSubstr("write the network's first address"));
  for (const char* text : {"", "*", "loopback", "proxy.internal", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.1:80"}) {
    EXPECT_THAT(CheckTrustedProxy(text), HasSubstr("is not a network")) << text;
  }
}

}  // namespace
}  // namespace livekit::token::gateway
