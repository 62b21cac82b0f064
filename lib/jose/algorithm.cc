#include "jose/algorithm.h"

#include <array>

namespace livekit::token::jose {
namespace {

struct Row {
  std::string_view name;
  AlgorithmFamily family;
  std::size_t hash_size;
};

// Ordered like the enum.
constexpr std::array<Row, kAlgorithmCount> kRows = {{
    {"HS256", AlgorithmFamily::kHmac, 32},
    {"HS384", AlgorithmFamily::kHmac, 48},
    {"HS512", AlgorithmFamily::kHmac, 64},
    {"RS256", AlgorithmFamily::kRsa, 32},
    {"RS384", AlgorithmFamily::kRsa, 48},
    {"RS512", AlgorithmFamily::kRsa, 64},
    {"PS256", AlgorithmFamily::kRsaPss, 32},
    {"PS384", AlgorithmFamily::kRsaPss, 48},
    {"PS512", AlgorithmFamily::kRsaPss, 64},
    {"ES256", AlgorithmFamily::kEcdsa, 32},
    {"ES384", AlgorithmFamily::kEcdsa, 48},
    {"ES512", AlgorithmFamily::kEcdsa, 64},
    {"EdDSA", AlgorithmFamily::kEdDsa, 0},
}};

const Row& RowOf(Algorithm algorithm) { return kRows[static_cast<std::size_t>(algorithm)]; }

}  // namespace

std::optional<Algorithm> ParseAlgorithm(std::string_view name) {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<Algorithm>(i);
  }
  return std::nullopt;
}

std::string_view AlgorithmName(Algorithm algorithm) { return RowOf(algorithm).name; }
AlgorithmFamily FamilyOf(Algorithm algorithm) { return RowOf(algorithm).family; }
std::size_t HashSize(Algorithm algorithm) { return RowOf(algorithm).hash_size; }

}  // namespace livekit::token::jose
