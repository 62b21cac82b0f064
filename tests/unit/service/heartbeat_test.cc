#include "service/heartbeat.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Heartbeats::Time kNow{std::chrono::hours(5)};

TEST(Heartbeats, AreLateAfterTenSeconds) {
  Heartbeats hearts;
  EXPECT_EQ(hearts.interval(), seconds(2));
  EXPECT_THAT(hearts.Late(kNow), IsEmpty());
  const auto heart = hearts.Add("loop", kNow);
  EXPECT_THAT(hearts.Late(kNow + seconds(10)), IsEmpty());
  EXPECT_THAT(hearts.Late(kNow + seconds(10) + milliseconds(1)), ElementsAre("loop"));
  heart->Beat(kNow + seconds(9));
  EXPECT_THAT(hearts.Late(kNow + seconds(19)), IsEmpty());
  EXPECT_THAT(hearts.Late(kNow + seconds(20)), ElementsAre("loop"));
}

TEST(Heartbeats, AreEachLookedAt) {
  Heartbeats hearts;
  const auto one = hearts.Add("one", kNow);
  const auto two = hearts.Add("two", kNow);
  two->Beat(kNow + seconds(11));
  EXPECT_THAT(hearts.Late(kNow + seconds(11)), ElementsAre("one"));
}

TEST(Heartbeats, OfWhatHasEndedAreNotMissed) {
  Heartbeats hearts;
  auto heart = hearts.Add("loop", kNow);
  heart.reset();
  EXPECT_THAT(hearts.Late(kNow + seconds(60)), IsEmpty());
}

}  // namespace
}  // namespace livekit::token
