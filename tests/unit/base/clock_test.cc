#include "base/clock.h"

#include <chrono>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

TEST(UnixSeconds, RoundsDown) {
  using std::chrono::milliseconds;
  EXPECT_EQ(UnixSeconds(Time(milliseconds(0))), 0);
  EXPECT_EQ(UnixSeconds(Time(milliseconds(1999))), 1);
  EXPECT_EQ(UnixSeconds(Time(milliseconds(2000))), 2);
  EXPECT_EQ(UnixSeconds(Time(milliseconds(-1))), -1);
}

TEST(SystemClock, IsTheMachinesClock) {
  const Time before = std::chrono::system_clock::now();
  const Time now = SystemClock().Now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, std::chrono::system_clock::now());
}

}  // namespace
}  // namespace livekit::token
