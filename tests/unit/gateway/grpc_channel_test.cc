// Which addresses of token servers are valid.

#include "gateway/grpc_channel.h"

#include <string>

#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

TEST(CheckTarget, AcceptsAnAddressANameAndASocket) {
  for (const char* target : {"localhost:50051", "10.0.0.1:1", "[::1]:50051", "dns:///token-server.ns.svc.:50051",
                             "unix:/run/livekit/token.sock"}) {
    EXPECT_EQ(CheckTarget(target), "") << target;
  }
}

TEST(CheckTarget, AcceptsListsOfAddresses) {
  for (const char* target : {"ipv4:10.0.0.1:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50052,127.0.0.1:1",
                             "ipv6:[::1]:50051", "ipv6:[fd00::1]:50051,[fd00::2]:50051"}) {
    EXPECT_EQ(CheckTarget(target), "") << target;
  }
}

TEST(CheckTarget, RefusesEverythingElse) {
  for (std::string target :
       {"", "localhost", "localhost:", "localhost:0", "localhost:65536", ":50051", "http://localhost:50051",
        "unix:", "unix:relative", "dns:///", "dns:///name", "dns://8.8.8.8/name:1", "::1:50051", "xds:///service",
        "unix-abstract:x", "10.0.0.1:1,10.0.0.2:1", "dns:///a:1,b:1"}) {
    EXPECT_NE(CheckTarget(target), "") << target;
  }
  EXPECT_NE(CheckTarget("unix:/" + std::string(107, 'a')), "");
  EXPECT_EQ(CheckTarget("unix:/" + std::string(106, 'a')), "");
}

TEST(CheckTarget, RefusesListsWithAnythingButAddresses) {
  for (const char* target :
       {"ipv4:", "ipv4:10.0.0.1", "ipv4:10.0.0.1:0", "ipv4:10.0.0.1:65536", "ipv4:localhost:1", "ipv4:10.0.0:1",
        "ipv4:10.0.0.1:1,", "ipv4:,10.0.0.1:1", "ipv4:10.0.0.1:1,,10.0.0.2:1", "ipv4:10.0.0.1:1, 10.0.0.2:1",
        "ipv4:10.0.0.1:1,name:1", "ipv4:[::1]:1", "ipv4:///10.0.0.1:1", "ipv6:[::1]", "ipv6:::1:1", "ipv6:10.0.0.1:1",
        "ipv6:[::1]:1,10.0.0.1:1", "ipv6:[fe80::1%eth0]:1"}) {
    EXPECT_NE(CheckTarget(target), "") << target;
  }
}

}  // namespace
}  // namespace livekit::token::gateway
