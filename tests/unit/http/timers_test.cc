#include "http/timers.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace livekit::token::http {
namespace {

using std::chrono::milliseconds;

struct Numbered : Timer {
  int number = 0;
};

SteadyTime At(int milliseconds_later) { return SteadyTime() + milliseconds(milliseconds_later); }

TEST(Timers, ExpireInOrderAndNotBeforeTheirTime) {
  Timers timers;
  std::vector<Numbered> all(3);
  EXPECT_EQ(timers.next(), std::nullopt);
  timers.Set(all[0], At(30));
  timers.Set(all[1], At(10));
  timers.Set(all[2], At(20));
  EXPECT_EQ(timers.next(), At(10));
  EXPECT_EQ(timers.TakeExpired(At(9)), nullptr);
  EXPECT_EQ(timers.TakeExpired(At(10)), &all[1]);
  EXPECT_EQ(timers.TakeExpired(At(10)), nullptr);
  EXPECT_EQ(timers.TakeExpired(At(99)), &all[2]);
  EXPECT_EQ(timers.TakeExpired(At(99)), &all[0]);
  EXPECT_EQ(timers.TakeExpired(At(99)), nullptr);
}

TEST(Timers, MoveBothWaysAndGo) {
  Timers timers;
  std::vector<Numbered> all(3);
  for (int i = 0; i < 3; ++i) timers.Set(all[i], At(10 * (i + 1)));
  timers.Set(all[0], At(40));
  EXPECT_EQ(timers.next(), At(20));
  timers.Set(all[2], At(5));
  EXPECT_EQ(timers.next(), At(5));
  timers.Clear(all[2]);
  timers.Clear(all[2]);
  EXPECT_EQ(timers.TakeExpired(At(99)), &all[1]);
  EXPECT_EQ(timers.TakeExpired(At(99)), &all[0]);
  EXPECT_EQ(timers.next(), std::nullopt);
}

TEST(Timers, AgreeWithASortedSetOverManyChanges) {
  Timers timers;
  std::vector<Numbered> all(200);
  for (int i = 0; i < 200; ++i) all[i].number = i;
  std::vector<int> deadlines(200, -1);  // -1: none
  std::mt19937 random(7);
  for (int step = 0; step < 20000; ++step) {
    const int i = static_cast<int>(random() % 200);
    switch (random() % 4) {
      case 0:
        timers.Clear(all[i]);
        deadlines[i] = -1;
        break;
      case 1: {
        std::set<std::pair<int, int>> set;
        for (int k = 0; k < 200; ++k) {
          if (deadlines[k] >= 0) set.insert({deadlines[k], k});
        }
        if (set.empty()) {
          EXPECT_EQ(timers.next(), std::nullopt);
          break;
        }
        ASSERT_EQ(timers.next(), At(set.begin()->first));
        auto* const taken = static_cast<Numbered*>(timers.TakeExpired(At(set.begin()->first)));
        ASSERT_NE(taken, nullptr);
        ASSERT_EQ(deadlines[taken->number], set.begin()->first);
        deadlines[taken->number] = -1;
        break;
      }
      default:
        deadlines[i] = static_cast<int>(random() % 50);
        timers.Set(all[i], At(deadlines[i]));
    }
  }
  for (Numbered& timer : all) timers.Clear(timer);
}

}  // namespace
}  // namespace livekit::token::http
