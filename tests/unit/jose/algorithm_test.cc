#include "jose/algorithm.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace livekit::token::jose {
namespace {

TEST(Algorithm, NamesAndBack) {
  std::set<std::string> names;
  for (int i = 0; i < kAlgorithmCount; ++i) {
    const auto algorithm = static_cast<Algorithm>(i);
    EXPECT_EQ(ParseAlgorithm(AlgorithmName(algorithm)), algorithm);
    names.insert(std::string(AlgorithmName(algorithm)));
    // The hash's size in bits is part of the name.
    if (algorithm != Algorithm::kEdDsa) {
      EXPECT_EQ(AlgorithmName(algorithm).substr(2), std::to_string(HashSize(algorithm) * 8));
    }
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kAlgorithmCount));
}

TEST(Algorithm, Families) {
  EXPECT_EQ(FamilyOf(Algorithm::kHs512), AlgorithmFamily::kHmac);
  EXPECT_EQ(FamilyOf(Algorithm::kRs256), AlgorithmFamily::kRsa);
  EXPECT_EQ(FamilyOf(Algorithm::kPs384), AlgorithmFamily::kRsaPss);
  EXPECT_EQ(FamilyOf(Algorithm::kEs512), AlgorithmFamily::kEcdsa);
  EXPECT_EQ(FamilyOf(Algorithm::kEdDsa), AlgorithmFamily::kEdDsa);
}

TEST(Algorithm, KnowsExactNamesOnly) {
  for (const char* name : {"", "none", "None", "NONE", "hs256", "HS256 ", " HS256", "HS2566", "HS25", "EDDSA", "eddsa",
                           "ES256K", "RSA-OAEP", "A256GCM", "Ed25519", "RS1", "HS512/256"}) {
    EXPECT_FALSE(ParseAlgorithm(name).has_value()) << name;
  }
  EXPECT_FALSE(ParseAlgorithm(std::string_view("HS256\0", 6)).has_value());
}

TEST(AlgorithmSet, ContainsWhatWasInserted) {
  AlgorithmSet set;
  EXPECT_TRUE(set.empty());
  set.Insert(Algorithm::kEdDsa);
  EXPECT_FALSE(set.empty());
  EXPECT_TRUE(set.Contains(Algorithm::kEdDsa));
  EXPECT_FALSE(set.Contains(Algorithm::kHs256));
  const AlgorithmSet both(Algorithm::kHs256, Algorithm::kRs256);
  EXPECT_TRUE(both.Contains(Algorithm::kHs256));
  EXPECT_TRUE(both.Contains(Algorithm::kRs256));
  EXPECT_FALSE(both.Contains(Algorithm::kHs384));
}

}  // namespace
}  // namespace livekit::token::jose
