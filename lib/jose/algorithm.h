// Signature algorithms of JSON Web Signatures (RFC 7518 section 3, RFC 8037).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace livekit::token::jose {

enum class Algorithm {
  kHs256,
  kHs384,
  kHs512,
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,
};
inline constexpr int kAlgorithmCount = 13;

// What the algorithms of a family share is the kind of key.
enum class AlgorithmFamily { kHmac, kRsa, kRsaPss, kEcdsa, kEdDsa };

// The algorithm of exactly this registered name: `RS256`, not `rs256`. `none` is none.
std::optional<Algorithm> ParseAlgorithm(std::string_view name);
std::string_view AlgorithmName(Algorithm algorithm);
AlgorithmFamily FamilyOf(Algorithm algorithm);

// Size of the algorithm's hash in bytes: 32, 48 or 64; 0 for EdDSA, whose curve decides.
std::size_t HashSize(Algorithm algorithm);

// A set of algorithms.
class AlgorithmSet {
 public:
  AlgorithmSet() = default;
  template <typename... More>
  explicit AlgorithmSet(Algorithm first, More... more) {
    Insert(first);
    (Insert(more), ...);
  }

  void Insert(Algorithm algorithm) { bits_ |= Bit(algorithm); }
  bool Contains(Algorithm algorithm) const { return (bits_ & Bit(algorithm)) != 0; }
  bool empty() const { return bits_ == 0; }

 private:
  static std::uint32_t Bit(Algorithm algorithm) { return 1u << static_cast<int>(algorithm); }

  std::uint32_t bits_ = 0;
};

}  // namespace livekit::token::jose
