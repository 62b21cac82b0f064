// IP addresses and networks as literal text; names are never resolved.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace livekit::token {

// An IPv4 or IPv6 address. An IPv4 address mapped into IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
class IpAddress {
 public:
  // Parses exactly one address: dotted decimals without leading zeros, or IPv6 text (RFC 4291 section 2.2) without
  // brackets and zone. Nothing for anything else.
  static std::optional<IpAddress> Parse(std::string_view text);

  bool is_v4() const { return size_ == 4; }
  // 4 or 16 bytes in network order.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }
  // The normal form (RFC 5952), the same for every text of one address.
  std::string ToString() const;

  bool operator==(const IpAddress& other) const = default;

 private:
  IpAddress() = default;

  std::array<std::uint8_t, 16> bytes_{};  // of IPv4 the first four, then zeros
  std::size_t size_ = 0;
};

// Bytes that stand for whoever has this address: an IPv4 address as a whole, of IPv6 the first 64 bits, which one host
// gets (RFC 4291 section 2.5.4) and within which it can change its address at will. The same for everything that is no
// address.
std::string AddressKey(std::string_view address);

// All addresses that begin with the same bits. A network of one family holds no address of the other.
class Network {
 public:
  // Parses an address with a prefix length, such as `10.0.0.0/8`, or a single address. Errors: InvalidArgument with a
  // phrase that can stand behind the text or its place, also for bits after the prefix (`10.0.0.1/8`), since nobody can
  // tell whether the address or the length was meant.
  static absl::StatusOr<Network> Parse(std::string_view text);

  bool Contains(const IpAddress& address) const;
  // Whether it holds every address of its family.
  bool IsEverything() const { return bits_ == 0; }

 private:
  Network(const IpAddress& address, unsigned bits) : address_(address), bits_(bits) {}

  IpAddress address_;
  unsigned bits_;
};

}  // namespace livekit::token
