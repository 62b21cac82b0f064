#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace livekit::token {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;
constexpr std::size_t kV6HostBytes = 8;

// Decimal digits without leading zero, at most `most`.
std::optional<unsigned> ParsePrefixLength(std::string_view text, unsigned most) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  unsigned length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<unsigned>(c - '0');
  }
  if (length > most) return std::nullopt;
  return length;
}

// The bits of a network's byte number `index` that belong to a prefix of `bits`.
std::uint8_t PrefixMask(std::size_t index, unsigned bits) {
  const std::size_t before = index * 8;
  if (bits >= before + 8) return 0xff;
  if (bits <= before) return 0;
  return static_cast<std::uint8_t>(0xff << (8 - (bits - before)));
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  // An embedded NUL would end the text that inet_pton sees.
  if (text.size() >= sizeof terminated || text.find('\0') != text.npos) return std::nullopt;
  *std::copy(text.begin(), text.end(), terminated) = '\0';
  IpAddress address;
  if (inet_pton(AF_INET, terminated, address.bytes_.data()) == 1) {
    address.size_ = 4;
    return address;
  }
  if (inet_pton(AF_INET6, terminated, address.bytes_.data()) != 1) return std::nullopt;
  address.size_ = 16;
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes_.begin())) {
    const auto rest = std::copy(address.bytes_.begin() + 12, address.bytes_.end(), address.bytes_.begin());
    std::fill(rest, address.bytes_.end(), std::uint8_t{0});
    address.size_ = 4;
  }
  return address;
}

std::string IpAddress::ToString() const {
  const auto bytes = this->bytes();
  // Many times faster than inet_ntop, which goes through printf; addresses of most clients are of this kind.
  if (is_v4()) return absl::StrCat(bytes[0], ".", bytes[1], ".", bytes[2], ".", bytes[3]);
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::string AddressKey(std::string_view address) {
  const auto parsed = IpAddress::Parse(address);
  if (!parsed) return "?";
  const auto bytes = parsed->bytes();
  std::string key(parsed->is_v4() ? "4" : "6");
  key.append(bytes.begin(), parsed->is_v4() ? bytes.end() : bytes.begin() + kV6HostBytes);
  return key;
}

absl::StatusOr<Network> Network::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto address = IpAddress::Parse(host);
  // The length counts the bits of the form that is written.
  const bool is_mapped = address && address->is_v4() && host.find(':') != host.npos;
  std::optional<unsigned> bits;
  if (address) {
    const unsigned most = address->is_v4() && !is_mapped ? 32 : 128;
    bits = slash == text.npos ? most : ParsePrefixLength(text.substr(slash + 1), most);
  }
  if (!bits) {
    return absl::InvalidArgumentError(
        "is not a network; write a single address or one with its prefix length, such as 10.0.0.0/8 or fd00::/8");
  }
  // Of a mapped address the first bits are part of the form: a shorter prefix leaves some of them behind it.
  bool is_clean = !is_mapped || *bits >= kMappedBits;
  if (is_mapped && is_clean) *bits -= kMappedBits;
  const auto bytes = address->bytes();
  for (std::size_t i = 0; is_clean && i < bytes.size(); ++i) is_clean = (bytes[i] & ~PrefixMask(i, *bits)) == 0;
  if (!is_clean) {
    return absl::InvalidArgumentError(
        "has an address with bits after its prefix; write the network's first address, such as 10.0.0.0/8 in place of "
        "10.0.0.1/8");
  }
  return Network(*address, *bits);
}

bool Network::Contains(const IpAddress& address) const {
  const auto ours = address_.bytes();
  const auto theirs = address.bytes();
  if (ours.size() != theirs.size()) return false;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (((ours[i] ^ theirs[i]) & PrefixMask(i, bits_)) != 0) return false;
  }
  return true;
}

}  // namespace livekit::token
