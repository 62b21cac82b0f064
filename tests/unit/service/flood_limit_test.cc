#include "service/flood_limit.h"

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;

TEST(FloodLimit, LetsAFewOfEachPlaceThroughInAPeriodAndCountsTheOthers) {
  FloodLimit limit;
  const FloodLimit::Clock::time_point start{};
  for (int i = 0; i < FloodLimit::kMost; ++i) EXPECT_EQ(limit.Admit(1, start), 0);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(limit.Admit(1, start + milliseconds(9'999)), std::nullopt);
  EXPECT_EQ(limit.Admit(2, start), 0);
  EXPECT_EQ(limit.Admit(1, start + FloodLimit::kPeriod), 1'000);
  EXPECT_EQ(limit.Admit(1, start + FloodLimit::kPeriod), 0);
}

}  // namespace
}  // namespace livekit::token
