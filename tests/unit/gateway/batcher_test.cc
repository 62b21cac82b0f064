// The batcher over a transport that does what a test says; ThreadSanitizer looks at these.

#include "gateway/batcher.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr seconds kPatience{30};

// Holds calls until the test ends them.
class FakeTransport : public BatchTransport {
 public:
  void Send(BatchQueue::Attempt& attempt, BatchQueue::Time, Answered answered) override {
    std::unique_lock<std::mutex> lock(mutex_);
    std::vector<std::string> names;
    for (const auto& item : attempt.call->request.items()) names.push_back(item.request_id());
    sent_.push_back(std::move(names));
    if (cancelled_) {
      lock.unlock();
      return answered(absl::StatusCode::kUnavailable);
    }
    held_.push_back({&attempt, std::move(answered)});
    changed_.notify_all();
  }
  void Cancel(const BatchQueue::Attempt& attempt) override {
    Held held;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto at =
          std::find_if(held_.begin(), held_.end(), [&](const Held& each) { return each.attempt == &attempt; });
      if (at == held_.end()) return;
      held = std::move(*at);
      held_.erase(at);
      ++cancelled_attempts_;
    }
    held.answered(absl::StatusCode::kCancelled);
  }
  void CancelAll() override {
    std::deque<Held> held;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      cancelled_ = true;
      held.swap(held_);
    }
    changed_.notify_all();
    for (auto& each : held) std::move(each.answered)(absl::StatusCode::kCancelled);
  }

  // Ends the oldest attempt or the newest, once there is one; with tokens if the code is OK. False after CancelAll.
  bool Answer(absl::StatusCode code = absl::StatusCode::kOk, bool newest = false) {
    Held held;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return cancelled_ || !held_.empty(); });
      if (held_.empty()) return false;
      const auto at = newest ? std::prev(held_.end()) : held_.begin();
      held = std::move(*at);
      held_.erase(at);
    }
    if (code == absl::StatusCode::kOk && short_-- <= 0) {
      for (const auto& item : held.attempt->call->request.items()) {
        auto& result = *held.attempt->response.add_results();
        if (item.request_id() == "bad") {
          *result.mutable_error() = ToError(Refuse(v1::NO_POLICY));
        } else {
          result.mutable_token()->set_participant_token("token of " + item.request_id());
        }
      }
    }
    held.answered(code);
    return true;
  }
  // The next answers, so many, lack their results.
  void AnswerShort(int count) { short_ = count; }
  // How many attempts were cancelled by name.
  int cancelled() {
    std::lock_guard<std::mutex> lock(mutex_);
    return cancelled_attempts_;
  }
  // The items of all calls so far, once there are so many.
  std::vector<std::vector<std::string>> Sent(std::size_t calls) {
    std::unique_lock<std::mutex> lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return sent_.size() >= calls; }));
    return sent_;
  }

 private:
  struct Held {
    BatchQueue::Attempt* attempt = nullptr;
    Answered answered;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Held> held_;
  std::vector<std::vector<std::string>> sent_;
  bool cancelled_ = false;
  int cancelled_attempts_ = 0;
  std::atomic<int> short_{0};
};

class BatcherTest : public ::testing::Test {
 protected:
  BatcherTest() {
    options.calls = 1;
    options.patience = std::chrono::hours(1);
    options.attempt_timeout = std::chrono::hours(1);
  }

  static Backend::Item Item(const std::string& name, milliseconds timeout) {
    Backend::Item item;
    item.set_request_id(name);
    item.mutable_timeout()->set_seconds(timeout.count() / 1000);
    item.mutable_timeout()->set_nanos(static_cast<int>(timeout.count() % 1000) * 1'000'000);
    return item;
  }
  std::future<Backend::Result> Issue(const std::string& name, milliseconds timeout = kPatience) {
    if (!batcher) batcher = std::make_unique<Batcher>(options, transport);
    auto promise = std::make_shared<std::promise<Backend::Result>>();
    auto future = promise->get_future();
    batcher->Issue(Item(name, timeout), [promise](Backend::Result result) { promise->set_value(std::move(result)); });
    return future;
  }
  static Backend::Result Get(std::future<Backend::Result>& future) {
    if (future.wait_for(kPatience) == std::future_status::ready) return future.get();
    ADD_FAILURE() << "no answer";
    return {};
  }
  static v1::ErrorReason ReasonOf(std::future<Backend::Result>& future) { return Get(future).error().reason(); }
  static bool HasAnswer(const std::future<Backend::Result>& future) {
    return future.wait_for(seconds(0)) == std::future_status::ready;
  }

  BatchOptions options;
  FakeTransport transport;
  std::unique_ptr<Batcher> batcher;
};

TEST_F(BatcherTest, GivesEveryItemItsOwnAnswer) {
  auto first = Issue("first");
  std::vector<std::future<Backend::Result>> futures;
  for (const char* name : {"a", "bad", "c"}) futures.push_back(Issue(name));
  EXPECT_THAT(transport.Sent(1), ElementsAre(ElementsAre("first")));
  transport.Answer();
  EXPECT_THAT(transport.Sent(2), ElementsAre(ElementsAre("first"), ElementsAre("a", "bad", "c")));
  transport.Answer();
  EXPECT_EQ(Get(first).token().participant_token(), "token of first");
  EXPECT_EQ(Get(futures[0]).token().participant_token(), "token of a");
  EXPECT_EQ(ReasonOf(futures[1]), v1::NO_POLICY);
  EXPECT_EQ(Get(futures[2]).token().participant_token(), "token of c");
}

TEST_F(BatcherTest, GivesEveryItemTheFailureOfItsCall) {
  const std::vector<std::pair<absl::StatusCode, v1::ErrorReason>> table = {
      {absl::StatusCode::kUnauthenticated, v1::CALLER_AUTHENTICATION_FAILED},
      {absl::StatusCode::kPermissionDenied, v1::METHOD_NOT_PERMITTED},
      {absl::StatusCode::kResourceExhausted, v1::UNAVAILABLE},
      {absl::StatusCode::kDeadlineExceeded, v1::DEADLINE_EXCEEDED},
      {absl::StatusCode::kInternal, v1::INTERNAL},
  };
  for (const auto& [code, reason] : table) {
    auto first = Issue("first");
    auto a = Issue("a");
    auto b = Issue("b");
    transport.Answer();
    transport.Answer(code);
    EXPECT_TRUE(Get(first).has_token());
    EXPECT_EQ(ReasonOf(a), reason);
    EXPECT_EQ(ReasonOf(b), reason);
  }
}

TEST_F(BatcherTest, AsksAgainForWhatWasLost) {
  for (const absl::StatusCode code : {absl::StatusCode::kUnavailable, absl::StatusCode::kCancelled}) {
    auto future = Issue("a");
    transport.Answer(code);
    EXPECT_FALSE(HasAnswer(future));
    transport.Answer();
    EXPECT_TRUE(Get(future).has_token());
  }
  auto future = Issue("b");
  transport.Answer(absl::StatusCode::kUnavailable);
  transport.Answer(absl::StatusCode::kUnavailable);
  const auto result = Get(future);
  EXPECT_EQ(result.error().reason(), v1::UNAVAILABLE);
  EXPECT_EQ(result.error().retry_delay().seconds(), 1);
}

TEST_F(BatcherTest, TakesAnAnswerOfAnotherLengthForAFault) {
  class Short : public BatchTransport {
   public:
    void Send(BatchQueue::Attempt& attempt, BatchQueue::Time, Answered answered) override {
      attempt.response.add_results()->mutable_token()->set_participant_token("whose?");
      attempt.response.add_results();
      answered(absl::StatusCode::kOk);
    }
    void Cancel(const BatchQueue::Attempt&) override {}
    void CancelAll() override {}
  } transport;
  Batcher batcher(options, transport);
  Backend::Result result;
  batcher.Issue(Item("a", kPatience), [&](Backend::Result r) { result = std::move(r); });
  EXPECT_EQ(result.error().reason(), v1::INTERNAL);
}

TEST_F(BatcherTest, EndsAnItemAtItsOwnTimeWhereverItIs) {
  auto in_flight = Issue("in flight", milliseconds(60));
  auto waiting = Issue("waiting", milliseconds(30));
  auto patient = Issue("patient");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ReasonOf(waiting), v1::DEADLINE_EXCEEDED);
  EXPECT_EQ(ReasonOf(in_flight), v1::DEADLINE_EXCEEDED);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(50));
  EXPECT_FALSE(HasAnswer(patient));
  transport.Answer();
  transport.Answer();
  EXPECT_TRUE(Get(patient).has_token());
  // Not sent when nobody waited for it any more.
  EXPECT_THAT(transport.Sent(2), ElementsAre(ElementsAre("in flight"), ElementsAre("patient")));
}

TEST_F(BatcherTest, ASlowCallHoldsUpNobody) {
  options.patience = milliseconds(5);
  auto slow = Issue("slow");
  auto next = Issue("next");
  EXPECT_THAT(transport.Sent(2), ElementsAre(ElementsAre("slow"), ElementsAre("next")));
  transport.Answer();
  transport.Answer();
  EXPECT_TRUE(Get(slow).has_token());
  EXPECT_TRUE(Get(next).has_token());
}

TEST_F(BatcherTest, RefusesAtOnceWhatHasNoPlace) {
  options.max_items = 2;
  auto a = Issue("a");
  auto b = Issue("b");
  auto c = Issue("c");
  ASSERT_TRUE(HasAnswer(c));
  const auto result = Get(c);
  EXPECT_EQ(result.error().reason(), v1::UNAVAILABLE);
  EXPECT_EQ(result.error().retry_delay().seconds(), 1);
  transport.Answer();
  transport.Answer();
  EXPECT_TRUE(Get(a).has_token());
  EXPECT_TRUE(Get(b).has_token());
}

TEST_F(BatcherTest, SurvivesOwnersThatThrow) {
  auto first = Issue("first");
  std::atomic<int> called{0};
  batcher->Issue(Item("throws", kPatience), [&](const Backend::Result&) {
    ++called;
    throw std::runtime_error("boom");
  });
  auto last = Issue("last");
  transport.Answer();
  transport.Answer();
  EXPECT_TRUE(Get(last).has_token());
  EXPECT_EQ(called, 1);
}

TEST_F(BatcherTest, OwnersMayAskForMore) {
  std::promise<Backend::Result> second;
  auto first = Issue("first");
  batcher->Issue(Item("a", kPatience), [&](const Backend::Result&) {
    batcher->Issue(Item("b", kPatience), [&](Backend::Result result) { second.set_value(std::move(result)); });
  });
  for (int i = 0; i < 3; ++i) transport.Answer();
  auto future = second.get_future();
  EXPECT_EQ(Get(future).token().participant_token(), "token of b");
}

TEST_F(BatcherTest, AnswersEverythingWhenItGoes) {
  auto in_flight = Issue("in flight");
  auto waiting = Issue("waiting");
  batcher.reset();
  // The destructor has waited: every answer is there.
  ASSERT_TRUE(HasAnswer(in_flight));
  ASSERT_TRUE(HasAnswer(waiting));
  EXPECT_EQ(ReasonOf(in_flight), v1::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(waiting), v1::UNAVAILABLE);
  EXPECT_EQ(transport.Sent(1).size(), 1u);
}

TEST_F(BatcherTest, TheFirstAnswerWinsAndTheOverdueAttemptIsCancelled) {
  options.attempt_timeout = milliseconds(20);
  options.max_attempts = 2;
  auto hung = Issue("hung");
  EXPECT_THAT(transport.Sent(2), ElementsAre(ElementsAre("hung"), ElementsAre("hung")));
  transport.Answer(absl::StatusCode::kOk, /*newest=*/true);
  EXPECT_EQ(Get(hung).token().participant_token(), "token of hung");
  // The first has ended, so the transport holds no other than these.
  auto slow = Issue("slow");
  transport.Sent(4);
  EXPECT_EQ(transport.cancelled(), 1);
  transport.Answer();
  EXPECT_EQ(Get(slow).token().participant_token(), "token of slow");
  transport.Answer();
  batcher.reset();
  EXPECT_EQ(transport.cancelled(), 1);
  EXPECT_EQ(transport.Sent(0).size(), 4u);
}

TEST_F(BatcherTest, GivesTheLastFailureOfACallThatWasHedged) {
  options.attempt_timeout = milliseconds(20);
  options.max_attempts = 2;
  auto future = Issue("a");
  transport.Sent(2);
  transport.Answer(absl::StatusCode::kInternal);
  EXPECT_FALSE(HasAnswer(future));
  transport.Answer(absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(future), v1::UNAVAILABLE);
}

TEST_F(BatcherTest, WaitsForTheOtherWhenAnAnswerIsNone) {
  options.attempt_timeout = milliseconds(20);
  options.max_attempts = 2;
  transport.AnswerShort(1);
  auto future = Issue("a");
  transport.Sent(2);
  transport.Answer();
  transport.Answer();
  EXPECT_TRUE(Get(future).has_token());
}

TEST_F(BatcherTest, WithOneAttemptNothingIsSentAgain) {
  options.attempt_timeout = milliseconds(10);
  options.max_attempts = 1;
  auto expired = Issue("a", milliseconds(100));
  EXPECT_EQ(ReasonOf(expired), v1::DEADLINE_EXCEEDED);
  transport.Answer(absl::StatusCode::kUnavailable);
  auto lost = Issue("b");
  transport.Answer(absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(lost), v1::UNAVAILABLE);
  EXPECT_THAT(transport.Sent(2), ElementsAre(ElementsAre("a"), ElementsAre("b")));
}

TEST_F(BatcherTest, AnswersOnceWhenItGoesWithHedgesInFlight) {
  options.attempt_timeout = milliseconds(10);
  options.max_attempts = 3;
  std::atomic<int> answers{0};
  batcher = std::make_unique<Batcher>(options, transport);
  batcher->Issue(Item("a", kPatience), [&](const Backend::Result& result) {
    ++answers;
    EXPECT_EQ(result.error().reason(), v1::UNAVAILABLE);
  });
  transport.Sent(3);
  batcher.reset();
  EXPECT_EQ(answers, 1);
}

// Answers, deadlines, repetitions, hedges and the end meet in every way.
TEST_F(BatcherTest, AnswersEveryItemExactlyOnce) {
  options.attempt_timeout = milliseconds(1);
  options.calls = 2;
  options.patience = milliseconds(1);
  options.max_items = 200;
  constexpr int kThreads = 3;
  constexpr int kItems = 2000;
  std::vector<std::atomic<int>> answers(kThreads * kItems);
  batcher = std::make_unique<Batcher>(options, transport);
  std::vector<std::thread> servers;
  for (int i = 0; i < 2; ++i) {
    servers.emplace_back([&, i] {
      int n = 0;
      while (transport.Answer(++n % 7 == i ? absl::StatusCode::kUnavailable : absl::StatusCode::kOk)) {
      }
    });
  }
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&, t] {
      for (int i = 0; i < kItems; ++i) {
        const int id = t * kItems + i;
        batcher->Issue(Item(std::to_string(id), milliseconds(i % 3 == 0 ? 1 : 10000)),
                       [&answers, id](const Backend::Result& result) {
                         ++answers[id];
                         if (result.has_token()) {
                           EXPECT_EQ(result.token().participant_token(), "token of " + std::to_string(id));
                         }
                       });
      }
    });
  }
  for (auto& client : clients) client.join();
  batcher.reset();
  for (auto& server : servers) server.join();
  for (const auto& count : answers) EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace livekit::token::gateway
