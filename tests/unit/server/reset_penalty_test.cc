#include "server/reset_penalty.h"

#include <chrono>
#include <string>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SteadyTime kStart{std::chrono::hours(5)};

TEST(ResetPenalty, GrowsWithEveryReset) {
  ResetPenalty penalty;
  SteadyTime now = kStart;
  EXPECT_FALSE(penalty.Waits("10.0.0.1", now));
  for (const int wait : {1, 8, 32, 32}) {
    penalty.Add("10.0.0.1", now);
    EXPECT_TRUE(penalty.Waits("10.0.0.1", now + seconds(wait) - milliseconds(1))) << wait;
    now += seconds(wait);
    EXPECT_FALSE(penalty.Waits("10.0.0.1", now)) << wait;
  }
  EXPECT_EQ(penalty.size(), 1U);
}

TEST(ResetPenalty, IsOfOneAddress) {
  ResetPenalty penalty;
  penalty.Add("2001:db8::1", kStart);
  EXPECT_TRUE(penalty.Waits("2001:db8::2", kStart));  // of the same /64
  EXPECT_FALSE(penalty.Waits("2001:db8:0:1::1", kStart));
  EXPECT_FALSE(penalty.Waits("10.0.0.1", kStart));
  penalty.Add("10.0.0.1", kStart);
  EXPECT_TRUE(penalty.Waits("10.0.0.1", kStart));
  EXPECT_FALSE(penalty.Waits("10.0.0.2", kStart));
}

TEST(ResetPenalty, ForgetsWhoStaysQuiet) {
  ResetPenalty penalty;
  for (int i = 0; i < 20; ++i) penalty.Add("10.0.0.1", kStart);
  const SteadyTime later = kStart + ResetPenalty::kMemory;
  penalty.Add("10.0.0.2", later);
  EXPECT_EQ(penalty.size(), 2U);
  penalty.Add("10.0.0.1", later + milliseconds(1));
  EXPECT_FALSE(penalty.Waits("10.0.0.1", later + milliseconds(1) + ResetPenalty::kFirst));
}

TEST(ResetPenalty, RemembersSoManyAddresses) {
  ResetPenalty penalty;
  penalty.Add("10.0.0.1", kStart);
  for (std::size_t i = 1; i <= ResetPenalty::kMostAddresses; ++i) {
    EXPECT_TRUE(penalty.Waits("10.0.0.1", kStart));
    const std::string address = "10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    penalty.Add(address, kStart + milliseconds(1));
  }
  EXPECT_EQ(penalty.size(), ResetPenalty::kMostAddresses);
  EXPECT_FALSE(penalty.Waits("10.0.0.1", kStart));
}

}  // namespace
}  // namespace livekit::token
