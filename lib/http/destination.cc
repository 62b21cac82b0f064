#include "http/destination.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace livekit::token::http {
namespace {

using V4 = std::array<std::uint8_t, 4>;
using V6 = std::array<std::uint8_t, 16>;

bool IsRefused(const V4& address) {
  return (address[0] == 169 && address[1] == 254)  // link-local, with the metadata services of most clouds
         || address == V4{100, 100, 100, 200}      // metadata of Alibaba Cloud
         || address == V4{168, 63, 129, 16};       // Azure's host
}

bool BeginsWith(const V6& address, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

// The IPv4 address whose four bytes begin at `first`.
V4 Inner(const V6& address, std::size_t first) {
  V4 inner;
  std::copy_n(address.begin() + static_cast<std::ptrdiff_t>(first), inner.size(), inner.begin());
  return inner;
}

bool IsRefused(const V6& address) {
  if (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) return true;                                   // link-local
  if (address == V6{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}) return true;     // metadata, AWS
  if (address == V6{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}) return true;     // Google Cloud
  if (BeginsWith(address, {0, 0, 0, 0, 0, 0, 0, 0})) return IsRefused(Inner(address, 12));              // mapped, ...
  if (BeginsWith(address, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0})) return IsRefused(Inner(address, 12));  // NAT64
  if (BeginsWith(address, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01})) {  // NAT64 with a local prefix of /48, /64 or /96
    return IsRefused(Inner(address, 12)) || IsRefused(V4{address[6], address[7], address[9], address[10]}) ||
           IsRefused(Inner(address, 9));
  }
  if (BeginsWith(address, {0x20, 0x02}) && IsRefused(Inner(address, 2))) return true;  // 6to4
  if (BeginsWith(address, {0x20, 0x01, 0, 0})) {                                       // Teredo
    V4 client = Inner(address, 12);
    for (std::uint8_t& byte : client) byte = static_cast<std::uint8_t>(~byte);
    return IsRefused(client) || IsRefused(Inner(address, 4));
  }
  // ISATAP, below any prefix
  const bool is_isatap = (address[8] & 0xfd) == 0 && address[9] == 0 && address[10] == 0x5e && address[11] == 0xfe;
  return is_isatap && IsRefused(Inner(address, 12));
}

}  // namespace

bool IsRefusedDestination(const sockaddr& address) {
  // Copied, since a sockaddr may be the front of any of them.
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    V4 bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return IsRefused(bytes);
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    V6 bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IsRefused(bytes);
  }
  return true;
}

}  // namespace livekit::token::http
