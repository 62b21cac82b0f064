#include "http/destination.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

namespace livekit::token::http {
namespace {

bool IsRefusedText(const std::string& text) {
  sockaddr_storage storage{};
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) != 1) std::abort();  // the test itself is wrong
    storage.ss_family = AF_INET6;
  }
  return IsRefusedDestination(reinterpret_cast<const sockaddr&>(storage));
}

TEST(DestinationTest, LinkLocalAndMetadataAreRefused) {
  for (const char* const text :
       {"169.254.169.254", "169.254.0.0", "169.254.255.255", "169.254.170.2", "100.100.100.200", "168.63.129.16",
        "fe80::1", "fe80::", "febf:ffff::1", "fd00:ec2::254", "fd20:ce::254"}) {
    EXPECT_TRUE(IsRefusedText(text)) << text;
  }
}

TEST(DestinationTest, LinkLocalIsRefusedInsideIpv6) {
  for (const char* const text : {
           "::ffff:169.254.169.254",              // mapped
           "::169.254.169.254",                   // compatible
           "::ffff:0:169.254.169.254",            // translated
           "64:ff9b::169.254.169.254",            // NAT64
           "64:ff9b:1::169.254.169.254",          // local NAT64, /96
           "64:ff9b:1:2:3:4:169.254.169.254",     // the same below another subnet
           "64:ff9b:1:a9fe:a9:fe00::",            // local NAT64, /48
           "64:ff9b:1:7:a9:fea9:fe00:0",          // local NAT64, /64
           "2002:a9fe:a9fe::1",                   // 6to4
           "2001:0:c000:201:0:0:5601:5601",       // Teredo client
           "2001:0:a9fe:a9fe:0:0:3fff:fdfe",      // Teredo server
           "2001:db8::5efe:169.254.169.254",      // ISATAP
           "2001:db8::200:5efe:169.254.169.254",  // ISATAP with the universal bit
       }) {
    EXPECT_TRUE(IsRefusedText(text)) << text;
  }
}

TEST(DestinationTest, NeighboursAndPrivateAddressesAreNot) {
  for (const char* const text : {"169.253.255.255",
                                 "169.255.0.0",
                                 "127.0.0.1",
                                 "10.0.0.1",
                                 "192.168.1.1",
                                 "172.16.0.1",
                                 "203.0.113.9",
                                 "100.100.100.201",
                                 "168.63.129.17",
                                 "254.169.254.169",
                                 "::1",
                                 "fd00:ec2::253",
                                 "fd20:ce::253",
                                 "fec0::1",
                                 "fe00::1",
                                 "2001:db8::1",
                                 "2001:db8::a9fe:a9fe",
                                 "::ffff:127.0.0.1",
                                 "64:ff9b::10.0.0.1",
                                 "2002:a9ff:a9fe::1",
                                 "2001:0:c000:201:0:0:a9fe:a9fe",
                                 "2001:db8:a9fe:a9fe::1",
                                 "64:ff9b:1:a9fd:ff:fe00::"}) {
    EXPECT_FALSE(IsRefusedText(text)) << text;
  }
}

TEST(DestinationTest, OtherFamiliesAreRefused) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_TRUE(IsRefusedDestination(reinterpret_cast<const sockaddr&>(address)));
}

}  // namespace
}  // namespace livekit::token::http
