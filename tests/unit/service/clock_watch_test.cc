#include "service/clock_watch.h"

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ClockWatchTest : public testing::Test {
 protected:
  // A look after `steady` of time, in which the wall clock went on by `wall`.
  std::optional<seconds> After(milliseconds steady, milliseconds wall) {
    steady_ += steady;
    wall_ += wall;
    return watch_.Look(wall_, steady_);
  }

  ClockWatch::Wall wall_{hours(500'000)};
  ClockWatch::Steady steady_{hours(3)};
  ClockWatch watch_{wall_, steady_};
};

TEST_F(ClockWatchTest, KnowsNoJumpWhileBothGoOn) {
  EXPECT_FALSE(After(seconds(1), seconds(1)));
  EXPECT_FALSE(After(hours(30), hours(30)));
  EXPECT_FALSE(After(seconds(0), seconds(0)));
}

TEST_F(ClockWatchTest, ToleratesAMinuteEitherWay) {
  EXPECT_FALSE(After(seconds(1), seconds(61)));
  EXPECT_FALSE(After(seconds(1), seconds(-59)));
  // What was tolerated is not held against it.
  EXPECT_FALSE(After(seconds(1), seconds(61)));
  EXPECT_FALSE(After(seconds(1), seconds(61)));
}

TEST_F(ClockWatchTest, TellsMoreThanAMinuteOnce) {
  EXPECT_EQ(After(seconds(1), milliseconds(61'001)), seconds(60));
  EXPECT_FALSE(After(seconds(1), seconds(1)));
  EXPECT_EQ(After(seconds(1), milliseconds(-59'001)), seconds(-60));
  EXPECT_FALSE(After(seconds(1), seconds(1)));
}

TEST_F(ClockWatchTest, TellsByHowMuch) {
  EXPECT_EQ(After(seconds(1), hours(1) + seconds(1)), seconds(3600));
  EXPECT_EQ(After(seconds(1), seconds(1) - hours(2)), seconds(-7200));
  EXPECT_EQ(After(seconds(1), seconds(1) + hours(24 * 3653)), seconds(315'619'200));
}

}  // namespace
}  // namespace livekit::token
