// Which calls are sent again beside the first, and what becomes of all their attempts.

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/batch_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Attempt = std::shared_ptr<BatchQueue::Attempt>;
using Outcome = BatchQueue::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTimeout{100};
// By then every hedge is due.
constexpr milliseconds kDue{125};
constexpr int kStore = 100;

class BatchHedgingTest : public ::testing::Test {
 protected:
  BatchHedgingTest() {
    options.calls = 1000;  // an item a call, unless they are added together
    options.attempt_timeout = kTimeout;
  }

  BatchQueue& queue() {
    if (!queue_) queue_ = std::make_unique<BatchQueue>(options);
    return *queue_;
  }
  void Add(const std::string& name, milliseconds timeout = seconds(10)) {
    Backend::Item item;
    item.set_request_id(name);
    item.mutable_timeout()->set_seconds(timeout.count() / 1000);
    item.mutable_timeout()->set_nanos(static_cast<int>(timeout.count() % 1000) * 1'000'000);
    Backend::Done done = [this, name](const Backend::Result&) { done_.push_back(name); };
    ASSERT_TRUE(queue().Add(item, done, now).ok());
  }
  Attempt Take() { return queue().Take(now); }
  // The first attempt for one new item.
  Attempt Send(const std::string& name = "a", milliseconds timeout = seconds(10)) {
    Add(name, timeout);
    return Take();
  }
  // What is due after the timeout.
  Attempt TakeHedge() {
    now += kDue;
    return Take();
  }
  static std::vector<std::string> Names(const Attempt& attempt) {
    std::vector<std::string> names;
    if (attempt == nullptr) return names;
    for (const auto& item : attempt->call->request.items()) names.push_back(item.request_id());
    return names;
  }
  // Whom the pending items belong to. Their places in the request must fit.
  std::vector<std::string> Finish(const Attempt& attempt, Outcome outcome) {
    const auto names = Names(attempt);
    done_.clear();
    BatchQueue::Ending ending = queue().Finish(*attempt, outcome);
    for (auto& [index, done] : ending.pending) {
      done({});
      EXPECT_EQ(done_.back(), names.at(index));
    }
    overdue = std::move(ending.overdue);
    return done_;
  }
  std::vector<std::string> Expire() {
    done_.clear();
    for (const auto& done : queue().Expire(now)) done({});
    return done_;
  }
  // Sends a call and has it answered at once.
  void Succeed() { Finish(Send("good"), Outcome::kAnswered); }

  BatchOptions options;
  BatchQueue::Time now{std::chrono::hours(1)};
  std::vector<Attempt> overdue;  // of the last attempt that ended

 private:
  std::unique_ptr<BatchQueue> queue_;
  std::vector<std::string> done_;
};

TEST_F(BatchHedgingTest, SendsACallWithoutAnswerAgain) {
  options.calls = 1;
  Add("a");
  Add("b");
  const Attempt first = Take();
  ASSERT_THAT(Names(first), ElementsAre("a", "b"));
  const auto due = queue().NextEvent();
  EXPECT_GE(due, now + kTimeout);
  EXPECT_LE(due, now + kDue);
  now = due - milliseconds(1);
  EXPECT_EQ(Take(), nullptr);
  now = due;
  const Attempt second = Take();
  ASSERT_NE(second, nullptr);
  EXPECT_NE(second, first);
  EXPECT_EQ(second->call, first->call);
  EXPECT_EQ(Take(), nullptr);
}

TEST_F(BatchHedgingTest, TheFirstAnswerWinsAndTheOtherIsIgnored) {
  for (const bool hedge_wins : {true, false}) {
    Attempt loser = Send();
    Attempt winner = TakeHedge();
    ASSERT_NE(winner, nullptr);
    if (!hedge_wins) std::swap(winner, loser);
    EXPECT_FALSE(loser->needless);
    EXPECT_THAT(Finish(winner, Outcome::kAnswered), ElementsAre("a"));
    // A later one may well be on its way with a server that is as slow as the first.
    if (hedge_wins) {
      EXPECT_THAT(overdue, ElementsAre(loser));
    } else {
      EXPECT_THAT(overdue, IsEmpty());
    }
    EXPECT_TRUE(loser->needless);
    // However it ends: it was cancelled, or was quicker than that.
    EXPECT_THAT(Finish(loser, hedge_wins ? Outcome::kLost : Outcome::kAnswered), IsEmpty());
    EXPECT_THAT(overdue, IsEmpty());
    now += seconds(1);
    EXPECT_EQ(Take(), nullptr);
    EXPECT_EQ(queue().NextEvent(), BatchQueue::Time::max());
  }
}

TEST_F(BatchHedgingTest, CancelsOnlyWhatBeganBeforeTheAnswer) {
  const Attempt first = Send();
  const Attempt second = TakeHedge();
  const Attempt third = TakeHedge();
  const Attempt fourth = TakeHedge();
  ASSERT_NE(fourth, nullptr);
  EXPECT_THAT(Finish(second, Outcome::kLost), IsEmpty());
  EXPECT_THAT(Finish(third, Outcome::kAnswered), ElementsAre("a"));
  EXPECT_THAT(overdue, ElementsAre(first));
  EXPECT_THAT(Finish(fourth, Outcome::kAnswered), IsEmpty());
  EXPECT_THAT(Finish(first, Outcome::kLost), IsEmpty());
}

TEST_F(BatchHedgingTest, AFailureWaitsForTheOther) {
  for (const Outcome outcome : {Outcome::kLost, Outcome::kRefused}) {
    const Attempt first = Send();
    const Attempt second = TakeHedge();
    EXPECT_THAT(Finish(first, outcome), IsEmpty());
    EXPECT_THAT(overdue, IsEmpty());
    EXPECT_EQ(Take(), nullptr);  // not repeated while another is on its way
    EXPECT_THAT(Finish(second, Outcome::kAnswered), ElementsAre("a"));
    EXPECT_THAT(overdue, IsEmpty());
  }
}

TEST_F(BatchHedgingTest, WhenBothFailTheLastDecides) {
  Attempt first = Send();
  Attempt second = TakeHedge();
  EXPECT_THAT(Finish(first, Outcome::kLost), IsEmpty());
  EXPECT_THAT(Finish(second, Outcome::kRefused), ElementsAre("a"));

  first = Send();
  second = TakeHedge();
  EXPECT_THAT(Finish(first, Outcome::kRefused), IsEmpty());
  EXPECT_THAT(Finish(second, Outcome::kLost), IsEmpty());
  const Attempt repeated = Take();
  ASSERT_THAT(Names(repeated), ElementsAre("a"));
  EXPECT_THAT(Finish(repeated, Outcome::kLost), ElementsAre("a"));
}

TEST_F(BatchHedgingTest, AsksAtMostMaxAttemptsTimes) {
  for (const int max : {2, 3, 5}) {
    options.max_attempts = max;
    BatchQueue queue(options);
    Backend::Item item;
    Backend::Done done = [](const Backend::Result&) {};
    ASSERT_TRUE(queue.Add(item, done, now).ok());
    std::vector<Attempt> attempts;
    for (int i = 0; i < 20; ++i) {
      while (auto attempt = queue.Take(now)) attempts.push_back(attempt);
      now += kDue;
    }
    EXPECT_EQ(attempts.size(), static_cast<std::size_t>(max));
    for (const auto& attempt : attempts) EXPECT_EQ(queue.Finish(*attempt, Outcome::kLost).overdue.size(), 0u);
    // Nor is it repeated.
    EXPECT_EQ(queue.Take(now), nullptr);
  }
}

TEST_F(BatchHedgingTest, CountsRepeatsAndHedgesTogether) {
  options.max_attempts = 3;
  const Attempt lost = Send();
  EXPECT_THAT(Finish(lost, Outcome::kLost), IsEmpty());
  const Attempt second = Take();
  ASSERT_NE(second, nullptr);
  const Attempt third = TakeHedge();
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(TakeHedge(), nullptr);
}

TEST_F(BatchHedgingTest, HedgesDoNotHoldUpNewCalls) {
  options.calls = 1;
  options.patience = milliseconds(50);
  const Attempt slow = Send("slow");
  const Attempt hedge = TakeHedge();
  ASSERT_NE(hedge, nullptr);
  EXPECT_THAT(Names(Send("next")), ElementsAre("next"));
}

TEST_F(BatchHedgingTest, EndsItemsAtTheirTimeWhileTheyAreHedged) {
  options.max_items = 1;
  const Attempt first = Send("a", milliseconds(300));
  const Attempt second = TakeHedge();
  ASSERT_NE(second, nullptr);
  now += milliseconds(300);
  EXPECT_THAT(Expire(), ElementsAre("a"));
  // Nobody waits for it any more.
  EXPECT_EQ(Take(), nullptr);
  EXPECT_EQ(TakeHedge(), nullptr);
  EXPECT_THAT(Finish(second, Outcome::kRefused), IsEmpty());
  EXPECT_THAT(Finish(first, Outcome::kAnswered), IsEmpty());
  // Its place is free.
  EXPECT_NE(Send("b"), nullptr);
}

TEST_F(BatchHedgingTest, HedgesAtMostATenthOfTheCalls) {
  // Every server is slow: nothing is answered before it has been hedged, if it may be.
  int hedges = 0;
  const auto slow_call = [&] {
    const Attempt first = Send();
    const Attempt hedge = TakeHedge();
    if (hedge != nullptr) ++hedges;
    Finish(first, Outcome::kAnswered);
    if (hedge != nullptr) Finish(hedge, Outcome::kLost);
    return hedge != nullptr;
  };
  int calls = 0;
  while (slow_call()) ASSERT_LT(++calls, 1000);
  EXPECT_GE(hedges, kStore);
  EXPECT_LE(hedges, kStore * 10 / 9 + 1);
  hedges = 0;
  for (int i = 0; i < 1000; ++i) slow_call();
  EXPECT_GE(hedges, 95);
  EXPECT_LE(hedges, 101);
  // The store fills up again, and no further.
  for (int i = 0; i < 20 * kStore; ++i) Succeed();
  hedges = 0;
  for (int i = 0; i < 3 * kStore; ++i) slow_call();
  EXPECT_GE(hedges, kStore);
  EXPECT_LE(hedges, kStore + 3 * kStore / 10 + 1);
}

TEST_F(BatchHedgingTest, CallsThatFailEarnNothing) {
  for (int i = 0; i < kStore; ++i) {
    const Attempt first = Send();
    const Attempt hedge = TakeHedge();
    ASSERT_NE(hedge, nullptr) << i;
    Finish(first, Outcome::kRefused);
    Finish(hedge, Outcome::kRefused);
  }
  const Attempt first = Send();
  EXPECT_EQ(TakeHedge(), nullptr);
  Finish(first, Outcome::kRefused);
  // Without a hedge to spend it looks again later.
  const Attempt patient = Send();
  EXPECT_EQ(TakeHedge(), nullptr);
  for (int i = 0; i < 11; ++i) Succeed();
  EXPECT_EQ(Take(), nullptr);
  const Attempt late = TakeHedge();
  ASSERT_NE(late, nullptr);
  EXPECT_EQ(late->call, patient->call);
}

// In step with requests that come at a fixed rate, round robin would bring all attempts of a call to the same server.
TEST_F(BatchHedgingTest, HedgesAreOutOfStepWithRequests) {
  std::vector<BatchQueue::Time::duration> delays;
  for (int i = 0; i < 4; ++i) {
    const Attempt attempt = Send();
    delays.push_back(queue().NextEvent() - now);
    Finish(attempt, Outcome::kAnswered);
  }
  std::sort(delays.begin(), delays.end());
  EXPECT_GE(delays.front(), kTimeout);
  EXPECT_LE(delays.back(), kDue);
  for (std::size_t i = 1; i < delays.size(); ++i) EXPECT_GT(delays[i] - delays[i - 1], milliseconds(1));
}

}  // namespace
}  // namespace livekit::token::gateway
