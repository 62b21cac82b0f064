// Token buckets in virtual time.
#include "server/rate_limiter.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr auto kPrincipal = LimitScope::kPerPrincipal;
const SteadyTime kStart{hours(1000)};

class RateLimiterTest : public ::testing::Test {
 protected:
  bool Granted(std::string_view key, const Rate& rate, SteadyTime now, int cost = 1) {
    return !limiter_.Take(kPrincipal, key, cost, rate, now).has_value();
  }
  // How many of `tries` are granted at one moment.
  int Grants(std::string_view key, const Rate& rate, SteadyTime now, int tries) {
    int granted = 0;
    for (int i = 0; i < tries; ++i) granted += int{Granted(key, rate, now)};
    return granted;
  }

  RateLimiter limiter_;
};

TEST_F(RateLimiterTest, GrantsTheBurstAndThenRefillsExactly) {
  const Rate rate{10, seconds(1), 20};
  EXPECT_EQ(Grants("a", rate, kStart, 100), 20);
  EXPECT_EQ(Grants("a", rate, kStart + milliseconds(100) - microseconds(1), 5), 0);
  EXPECT_EQ(Grants("a", rate, kStart + milliseconds(100), 5), 1);
  EXPECT_EQ(Grants("a", rate, kStart + milliseconds(1050), 50), 9);
  // What was left over of half a token is not lost.
  EXPECT_EQ(Grants("a", rate, kStart + milliseconds(1100), 50), 1);
  EXPECT_EQ(Grants("a", rate, kStart + hours(10), 100), 20);
}

TEST_F(RateLimiterTest, RefillsByTheHourWithoutRounding) {
  const Rate rate{7, hours(1), 2};
  EXPECT_EQ(Grants("a", rate, kStart, 5), 2);
  // However often it is asked meanwhile, the seventh comes with the hour and not before.
  int granted = 0;
  for (int i = 1; i < 3600; ++i) granted += int{Granted("a", rate, kStart + seconds(i))};
  EXPECT_EQ(granted, 6);
  EXPECT_FALSE(Granted("a", rate, kStart + hours(1) - microseconds(1)));
  EXPECT_TRUE(Granted("a", rate, kStart + hours(1)));
}

TEST_F(RateLimiterTest, TellsWhenItWouldBeGranted) {
  const Rate rate{3, seconds(1), 5};
  EXPECT_FALSE(limiter_.Take(kPrincipal, "a", 5, rate, kStart));
  for (const int cost : {1, 2, 5}) {
    const auto delay = limiter_.Take(kPrincipal, "a", cost, rate, kStart);
    ASSERT_TRUE(delay);
    EXPECT_EQ(*delay, microseconds((cost * 1'000'000 + 2) / 3)) << cost;
  }
  const auto delay = *limiter_.Take(kPrincipal, "a", 2, rate, kStart);
  EXPECT_TRUE(limiter_.Take(kPrincipal, "a", 2, rate, kStart + delay - microseconds(1)));
  EXPECT_FALSE(limiter_.Take(kPrincipal, "a", 2, rate, kStart + delay));
}

TEST_F(RateLimiterTest, TakesAllOrNothing) {
  const Rate rate{1, seconds(1), 10};
  EXPECT_TRUE(Granted("a", rate, kStart, 7));
  EXPECT_FALSE(Granted("a", rate, kStart, 4));
  EXPECT_TRUE(Granted("a", rate, kStart, 3));
  EXPECT_FALSE(Granted("a", rate, kStart, 1));
}

TEST_F(RateLimiterTest, WhatCostsMoreThanTheBurstIsNeverGrantedAndTakesNothing) {
  const Rate rate{100, seconds(1), 10};
  EXPECT_EQ(limiter_.Take(kPrincipal, "a", 11, rate, kStart), RateLimiter::kNever);
  EXPECT_TRUE(Granted("a", rate, kStart, 10));
}

TEST_F(RateLimiterTest, NothingCostsNothing) {
  const Rate rate{1, seconds(1), 1};
  EXPECT_TRUE(Granted("a", rate, kStart));
  EXPECT_TRUE(Granted("a", rate, kStart, 0));
  EXPECT_EQ(limiter_.size(), 1U);
}

TEST_F(RateLimiterTest, KeysAndScopesDoNotShare) {
  const Rate rate{1, seconds(1), 1};
  EXPECT_TRUE(Granted("a", rate, kStart));
  EXPECT_FALSE(Granted("a", rate, kStart));
  EXPECT_TRUE(Granted("b", rate, kStart));
  EXPECT_TRUE(Granted("", rate, kStart));
  EXPECT_FALSE(limiter_.Take(LimitScope::kPerAddress, "a", 1, rate, kStart));
  EXPECT_TRUE(limiter_.Take(LimitScope::kPerAddress, "a", 1, rate, kStart));
}

TEST_F(RateLimiterTest, TheLargestRatesDoNotOverflow) {
  const Rate fast{Rate::kMost, seconds(1), 2 * Rate::kMost};
  EXPECT_FALSE(limiter_.Take(kPrincipal, "a", 2 * Rate::kMost, fast, kStart));
  EXPECT_EQ(limiter_.Take(kPrincipal, "a", 1, fast, kStart), microseconds(1));
  EXPECT_FALSE(limiter_.Take(kPrincipal, "a", 2 * Rate::kMost, fast, kStart + hours(100'000)));
  const Rate slow{1, hours(1), 2 * Rate::kMost};
  EXPECT_FALSE(limiter_.Take(kPrincipal, "b", 2 * Rate::kMost, slow, kStart));
  EXPECT_EQ(limiter_.Take(kPrincipal, "b", 2 * Rate::kMost, slow, kStart), microseconds(hours(2 * Rate::kMost)));
}

TEST_F(RateLimiterTest, ATimeBeforeTheLastOneGainsNothing) {
  const Rate rate{1, seconds(1), 1};
  EXPECT_TRUE(Granted("a", rate, kStart + seconds(10)));
  EXPECT_FALSE(Granted("a", rate, kStart));
  EXPECT_FALSE(Granted("a", rate, kStart + seconds(10)));
  EXPECT_TRUE(Granted("a", rate, kStart + seconds(11)));
}

TEST_F(RateLimiterTest, WhenRatesChangeBucketsKeepWhatTheyHoldUpToTheNewBurst) {
  const Rate wide{10, seconds(1), 20};
  EXPECT_TRUE(Granted("a", wide, kStart, 15));
  EXPECT_EQ(Grants("a", {100, seconds(1), 200}, kStart, 100), 5);
  EXPECT_TRUE(Granted("b", wide, kStart, 1));
  EXPECT_EQ(Grants("b", {1, seconds(1), 2}, kStart, 100), 2);
  EXPECT_EQ(Grants("b", wide, kStart, 100), 0);
}

// The most that any span of time grants, for rates, costs and times that nobody chose.
TEST_F(RateLimiterTest, NoSpanOfTimeGrantsMoreThanTheBurstAndTheRate) {
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same every time
  const auto up_to = [&](std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(1, most)(random); };
  for (int round = 0; round < 100; ++round) {
    const seconds periods[] = {seconds(1), minutes(1), hours(1)};
    const Rate rate{up_to(50), periods[up_to(3) - 1], up_to(30)};
    const std::string key = std::to_string(round);
    const std::int64_t step = 3 * rate.period / microseconds(1) / rate.count;
    std::vector<std::pair<std::int64_t, std::int64_t>> granted;  // microsecond, cost
    std::int64_t now = 0;
    for (int i = 0; i < 300; ++i) {
      now += up_to(step) - 1;
      const auto cost = up_to(std::min<std::int64_t>(4, rate.burst));
      if (!limiter_.Take(kPrincipal, key, cost, rate, kStart + microseconds(now))) granted.emplace_back(now, cost);
    }
    ASSERT_GT(granted.size(), 10U);
    for (std::size_t first = 0; first < granted.size(); ++first) {
      std::int64_t sum = 0;
      for (std::size_t last = first; last < granted.size(); ++last) {
        sum += granted[last].second;
        const std::int64_t span = granted[last].first - granted[first].first;
        // In whole numbers: (sum - burst) tokens take that many periods.
        ASSERT_LE((sum - rate.burst) * (rate.period / microseconds(1)), span * rate.count) << round;
      }
    }
  }
}

TEST_F(RateLimiterTest, AMillionKeysTakeNoMoreRoomThanTheMost) {
  const Rate rate{1, hours(1), 1};  // nothing refills meanwhile
  std::size_t most = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    Granted("user" + std::to_string(i), rate, kStart + microseconds(i));
    if (i % 1000 == 0) most = std::max(most, limiter_.size());
  }
  EXPECT_LE(most, RateLimiter::kMaxKeys);
  EXPECT_LE(limiter_.size(), RateLimiter::kMaxKeys);
  EXPECT_GT(limiter_.size(), 20'000U);
}

TEST_F(RateLimiterTest, KeysThatHaveRefilledMakeRoom) {
  const Rate rate{50, seconds(1), 100};
  for (int i = 0; i < 1'000'000; ++i) Granted("user" + std::to_string(i), rate, kStart + i * microseconds(100));
  // A bucket refills within 20 ms, in which 200 keys come.
  EXPECT_LT(limiter_.size(), 1000U);
}

TEST_F(RateLimiterTest, WhoeverAsksOnStaysKnownAmongAMillionKeys) {
  const Rate rate{1, hours(1), 5};
  int granted = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    if (i % 100 == 0) granted += int{Granted("abuser", rate, kStart + microseconds(i))};
    Granted("user" + std::to_string(i), rate, kStart + microseconds(i));
  }
  EXPECT_EQ(granted, 5);
}

TEST_F(RateLimiterTest, AFullBucketGoesBeforeOneThatWasAskedEarlier) {
  const Rate slow{1, hours(1), 5};
  const Rate fast{1000, seconds(1), 5};
  EXPECT_TRUE(Granted("spent", slow, kStart, 5));
  // Enough for every shard to have been full many times, all of them refilled when the next comes.
  for (int i = 0; i < 200'000; ++i) Granted("user" + std::to_string(i), fast, kStart + milliseconds(2 * i));
  EXPECT_FALSE(Granted("spent", slow, kStart + minutes(7)));
}

TEST_F(RateLimiterTest, OtherScopesAreNotDisplaced) {
  const Rate rate{1, hours(1), 1};
  EXPECT_TRUE(Granted("spent", rate, kStart));
  for (int i = 0; i < 100'000; ++i) {
    limiter_.Take(LimitScope::kAuthFailuresPerAddress, std::to_string(i), 1, rate, kStart);
  }
  EXPECT_FALSE(Granted("spent", rate, kStart));
}

TEST_F(RateLimiterTest, ThreadsTogetherGetNoMoreThanOne) {
  const Rate rate{1, hours(1), 1000};
  std::atomic<int> granted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        granted += int{Granted("shared", rate, kStart)};
        Granted("own" + std::to_string(t * 10'000 + i), rate, kStart);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(granted, 1000);
}

}  // namespace
}  // namespace livekit::token
