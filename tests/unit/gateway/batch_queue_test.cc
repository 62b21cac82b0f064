// Which items travel together, and when.

#include "gateway/batch_queue.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Outcome = BatchQueue::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

class BatchQueueTest : public ::testing::Test {
 protected:
  BatchQueueTest() {
    options.calls = 2;
    options.patience = milliseconds(5);
    options.attempt_timeout = std::chrono::hours(2);
  }

  // Puts an item in; it is known by its name from then on.
  absl::Status Add(const std::string& name, milliseconds timeout = seconds(10), std::size_t bytes = 0) {
    Backend::Item item;
    item.set_request_id(name);
    item.set_host(std::string(bytes, 'h'));
    if (timeout.count() > 0) {
      item.mutable_timeout()->set_seconds(timeout.count() / 1000);
      item.mutable_timeout()->set_nanos(static_cast<int>(timeout.count() % 1000) * 1'000'000);
    }
    Backend::Done done = [this, name](const Backend::Result&) { done_.push_back(name); };
    return queue().Add(item, done, now);
  }
  BatchQueue& queue() {
    if (!queue_) queue_ = std::make_unique<BatchQueue>(options);
    return *queue_;
  }
  std::shared_ptr<BatchQueue::Attempt> Take() { return queue().Take(now); }
  // The names in a call's request; of no call, none.
  static std::vector<std::string> Names(const std::shared_ptr<BatchQueue::Attempt>& call) {
    std::vector<std::string> names;
    if (call == nullptr) return names;
    for (const auto& item : call->call->request.items()) names.push_back(item.request_id());
    return names;
  }
  // Whom the pending items belong to. Their places in the request must fit.
  std::vector<std::string> Finish(BatchQueue::Attempt& attempt, Outcome outcome = Outcome::kAnswered) {
    std::vector<std::string> ids;
    for (const auto& item : attempt.call->request.items()) ids.push_back(item.request_id());
    done_.clear();
    for (auto& [index, done] : queue().Finish(attempt, outcome).pending) {
      done({});
      EXPECT_EQ(done_.back(), ids.at(index));
    }
    return done_;
  }
  std::vector<std::string> Run(const std::vector<Backend::Done>& dones) {
    done_.clear();
    for (const auto& done : dones) done({});
    return done_;
  }
  std::vector<std::string> Expire() { return Run(queue().Expire(now)); }

  BatchOptions options;
  BatchQueue::Time now{std::chrono::hours(1)};

 private:
  std::unique_ptr<BatchQueue> queue_;
  std::vector<std::string> done_;
};

TEST_F(BatchQueueTest, SendsAtOnceWhileFewCallsAreInFlight) {
  EXPECT_EQ(Take(), nullptr);
  ASSERT_TRUE(Add("a").ok());
  const auto first = Take();
  EXPECT_THAT(Names(first), ElementsAre("a"));
  ASSERT_TRUE(Add("b").ok());
  const auto second = Take();
  EXPECT_THAT(Names(second), ElementsAre("b"));
  ASSERT_TRUE(Add("c").ok());
  EXPECT_EQ(Take(), nullptr);
}

TEST_F(BatchQueueTest, SendsTogetherWhatHasWaited) {
  options.calls = 1;
  ASSERT_TRUE(Add("a").ok());
  const auto first = Take();
  for (const char* name : {"b", "c", "d"}) ASSERT_TRUE(Add(name).ok());
  EXPECT_EQ(Take(), nullptr);
  EXPECT_THAT(Finish(*first), ElementsAre("a"));
  const auto second = Take();
  EXPECT_THAT(Names(second), ElementsAre("b", "c", "d"));
  EXPECT_EQ(Take(), nullptr);
  EXPECT_THAT(Finish(*second), ElementsAre("b", "c", "d"));
}

TEST_F(BatchQueueTest, DoesNotWaitForASlowCallLongerThanPatience) {
  options.calls = 1;
  ASSERT_TRUE(Add("a").ok());
  const auto slow = Take();
  now += milliseconds(2);
  ASSERT_TRUE(Add("b").ok());
  EXPECT_EQ(queue().NextEvent(), now + milliseconds(3));
  now += milliseconds(2);
  EXPECT_EQ(Take(), nullptr);
  now += milliseconds(1);
  const auto next = Take();
  EXPECT_THAT(Names(next), ElementsAre("b"));
  // The next has its own time.
  ASSERT_TRUE(Add("c").ok());
  EXPECT_EQ(Take(), nullptr);
  EXPECT_EQ(queue().NextEvent(), now + milliseconds(5));
}

TEST_F(BatchQueueTest, ManySlowCallsHoldUpNobody) {
  std::vector<std::shared_ptr<BatchQueue::Attempt>> slow;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Add("slow").ok());
    slow.push_back(Take());
    ASSERT_NE(slow.back(), nullptr) << i;
    now += milliseconds(5);
  }
  ASSERT_TRUE(Add("a").ok());
  EXPECT_THAT(Names(Take()), ElementsAre("a"));
}

TEST_F(BatchQueueTest, SplitsByNumber) {
  options.max_call_items = 3;
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(Add(std::to_string(i)).ok());
  EXPECT_THAT(Names(Take()), ElementsAre("0", "1", "2"));
  EXPECT_THAT(Names(Take()), ElementsAre("3", "4", "5"));
  // Two calls are in flight and the rest does not fill one.
  EXPECT_EQ(Take(), nullptr);
  for (int i = 7; i < 9; ++i) ASSERT_TRUE(Add(std::to_string(i)).ok());
  EXPECT_THAT(Names(Take()), ElementsAre("6", "7", "8"));
}

TEST_F(BatchQueueTest, SplitsBySize) {
  options.max_call_bytes = 10000;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Add(std::to_string(i), seconds(10), 4900).ok());
  const auto first = Take();
  EXPECT_THAT(Names(first), ElementsAre("0", "1"));
  EXPECT_LE(first->call->request.ByteSizeLong(), 10000u);
  EXPECT_THAT(Names(Take()), ElementsAre("2", "3"));
}

TEST_F(BatchQueueTest, NeverExceedsTheSizeOfACall) {
  options.max_call_bytes = 2000;
  options.calls = 1000;
  for (std::size_t bytes = 0; bytes < 300; ++bytes) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(Add("x", std::chrono::hours(1), bytes).ok());
    while (const auto call = Take()) {
      EXPECT_LE(call->call->request.ByteSizeLong(), 2000u);
      Finish(*call);
    }
  }
}

TEST_F(BatchQueueTest, RefusesAnItemThatFitsNoCall) {
  options.max_call_bytes = 10000;
  EXPECT_TRUE(Add("a", seconds(1), 9900).ok());
  EXPECT_EQ(ReasonOf(Add("b", seconds(1), 10000)), v1::BATCH_SIZE_INVALID);
}

TEST_F(BatchQueueTest, IsBoundedByNumber) {
  options.max_items = 3;
  options.calls = 1;
  ASSERT_TRUE(Add("a").ok());
  const auto call = Take();
  ASSERT_TRUE(Add("b").ok());
  ASSERT_TRUE(Add("c").ok());
  const absl::Status refused = Add("d");
  EXPECT_EQ(ReasonOf(refused), v1::UNAVAILABLE);
  EXPECT_EQ(ToError(refused).retry_delay().seconds(), 1);
  Finish(*call);
  EXPECT_TRUE(Add("e").ok());
  EXPECT_FALSE(Add("f").ok());
}

TEST_F(BatchQueueTest, IsBoundedBySize) {
  options.max_bytes = 10000;
  ASSERT_TRUE(Add("a", seconds(10), 4900).ok());
  const auto call = Take();
  ASSERT_TRUE(Add("b", seconds(10), 4900).ok());
  EXPECT_EQ(ReasonOf(Add("c", seconds(10), 4900)), v1::UNAVAILABLE);
  Finish(*call);
  EXPECT_TRUE(Add("d", seconds(10), 4900).ok());
}

TEST_F(BatchQueueTest, TellsTheServerHowMuchTimeIsLeft) {
  options.calls = 1;
  ASSERT_TRUE(Add("first").ok());
  const auto first = Take();
  ASSERT_TRUE(Add("a", milliseconds(2500)).ok());
  ASSERT_TRUE(Add("b", milliseconds(0)).ok());
  const auto deadline = now + milliseconds(10000);
  now += milliseconds(4);
  Finish(*first);
  const auto call = Take();
  ASSERT_THAT(Names(call), ElementsAre("a", "b"));
  EXPECT_EQ(call->call->request.items(0).timeout().seconds(), 2);
  EXPECT_EQ(call->call->request.items(0).timeout().nanos(), 496'000'000);
  EXPECT_EQ(call->call->request.items(1).timeout().seconds(), 9);
  EXPECT_EQ(call->call->deadline, deadline);
}

TEST_F(BatchQueueTest, LimitsTimesThatNobodyMeans) {
  Backend::Item item;
  item.mutable_timeout()->set_seconds(315'576'000'000);
  Backend::Done done = [](const Backend::Result&) {};
  ASSERT_TRUE(queue().Add(item, done, now).ok());
  EXPECT_EQ(Take()->call->deadline, now + std::chrono::hours(1));
  item.mutable_timeout()->set_seconds(-5);
  done = [](const Backend::Result&) {};
  ASSERT_TRUE(queue().Add(item, done, now).ok());
  EXPECT_EQ(Take()->call->deadline, now + seconds(10));
}

TEST_F(BatchQueueTest, EndsItemsThatWaitAtTheirOwnTime) {
  options.calls = 1;
  options.patience = seconds(100);
  options.max_items = 4;
  ASSERT_TRUE(Add("first", seconds(50)).ok());
  const auto first = Take();
  ASSERT_TRUE(Add("late", seconds(3)).ok());
  ASSERT_TRUE(Add("early", seconds(1)).ok());
  ASSERT_TRUE(Add("stays", seconds(50)).ok());
  EXPECT_EQ(queue().NextEvent(), now + seconds(1));
  now += milliseconds(999);
  EXPECT_THAT(Expire(), IsEmpty());
  now += milliseconds(1);
  EXPECT_THAT(Expire(), ElementsAre("early"));
  EXPECT_THAT(Expire(), IsEmpty());
  // Its place is free.
  EXPECT_TRUE(Add("more", seconds(50)).ok());
  now += seconds(2);
  EXPECT_THAT(Expire(), ElementsAre("late"));
  Finish(*first);
  EXPECT_THAT(Names(Take()), ElementsAre("stays", "more"));
}

TEST_F(BatchQueueTest, EndsItemsInFlightAtTheirOwnTime) {
  options.max_items = 3;
  options.max_call_items = 3;
  ASSERT_TRUE(Add("a", seconds(5)).ok());
  ASSERT_TRUE(Add("b", seconds(1)).ok());
  ASSERT_TRUE(Add("c", seconds(5)).ok());
  const auto call = Take();
  now += seconds(1);
  EXPECT_THAT(Expire(), ElementsAre("b"));
  // The call still holds it.
  EXPECT_FALSE(Add("d").ok());
  EXPECT_THAT(Finish(*call), ElementsAre("a", "c"));
  EXPECT_THAT(Expire(), IsEmpty());
  EXPECT_TRUE(Add("d").ok());
}

TEST_F(BatchQueueTest, AsksOnceMoreForTheItemsOfALostCall) {
  options.max_call_items = 3;
  options.calls = 1;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(Add(name).ok());
  const auto lost = Take();
  ASSERT_TRUE(Add("d").ok());
  now += milliseconds(1500);
  EXPECT_THAT(Finish(*lost, Outcome::kLost), IsEmpty());
  // In front of the others, with what is left of their time.
  const auto again = Take();
  EXPECT_THAT(Names(again), ElementsAre("a", "b", "c"));
  EXPECT_EQ(again->call->request.items(0).timeout().seconds(), 8);
  EXPECT_THAT(Finish(*again, Outcome::kLost), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Names(Take()), ElementsAre("d"));
}

TEST_F(BatchQueueTest, DoesNotAskAgainForWhatIsOverOrRefused) {
  for (const char* name : {"a", "b"}) ASSERT_TRUE(Add(name, seconds(name[0] == 'a' ? 1 : 5)).ok());
  const auto lost = Take();
  now += seconds(1);
  EXPECT_THAT(Expire(), ElementsAre("a"));
  EXPECT_THAT(Finish(*lost, Outcome::kLost), IsEmpty());
  const auto again = Take();
  EXPECT_THAT(Names(again), ElementsAre("b"));
  Finish(*again);

  ASSERT_TRUE(Add("c").ok());
  EXPECT_THAT(Finish(*Take(), Outcome::kRefused), ElementsAre("c"));
  EXPECT_EQ(Take(), nullptr);
}

TEST_F(BatchQueueTest, AsksAgainForAtMostATenthOfTheCalls) {
  // Whether the items of a lost call wait again.
  const auto repeats = [&] {
    EXPECT_TRUE(Add("x").ok());
    Finish(*Take(), Outcome::kLost);
    const auto again = Take();
    if (again != nullptr) Finish(*again, Outcome::kLost);
    return again != nullptr;
  };
  int repeated = 0;
  while (repeated < 1000 && repeats()) ++repeated;
  EXPECT_EQ(repeated, 10);
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(Add("x").ok());
    Finish(*Take(), Outcome::kAnswered);
  }
  EXPECT_FALSE(repeats());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Add("x").ok());
    Finish(*Take(), Outcome::kAnswered);
  }
  EXPECT_TRUE(repeats());
}

TEST_F(BatchQueueTest, WithOneAttemptNothingIsSentAgain) {
  options.max_attempts = 1;
  options.attempt_timeout = milliseconds(100);
  ASSERT_TRUE(Add("a").ok());
  const auto only = Take();
  now += seconds(5);
  EXPECT_EQ(Take(), nullptr);
  EXPECT_EQ(queue().NextEvent(), now + seconds(5));  // the end of the item's time
  EXPECT_THAT(Finish(*only, Outcome::kLost), ElementsAre("a"));
  EXPECT_EQ(Take(), nullptr);
}

TEST_F(BatchQueueTest, GivesOutAllThatWait) {
  options.calls = 1;
  ASSERT_TRUE(Add("a").ok());
  const auto call = Take();
  for (const char* name : {"b", "c"}) ASSERT_TRUE(Add(name).ok());
  EXPECT_THAT(Run(queue().Clear()), ElementsAre("b", "c"));
  EXPECT_THAT(Finish(*call), ElementsAre("a"));
  EXPECT_EQ(Take(), nullptr);
  now += std::chrono::hours(2);
  EXPECT_THAT(Expire(), IsEmpty());
  EXPECT_EQ(queue().NextEvent(), BatchQueue::Time::max());
}

}  // namespace
}  // namespace livekit::token::gateway
