#include "gateway/batcher.h"

#include <chrono>
#include <utility>
#include <vector>

#include "base/status.h"
#include "service/log.h"

namespace livekit::token::gateway {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetryDelay{1000};

absl::Status Unavailable() { return WithRetryDelay(Refuse(v1::UNAVAILABLE), kRetryDelay); }

// The refusal of every item of a call that failed as a whole.
absl::Status RefusalOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    // Limits between gateway and server, such as a rate or memory; the end user did not exceed one.
    case absl::StatusCode::kResourceExhausted:
      return Unavailable();
    case absl::StatusCode::kDeadlineExceeded:
      return Refuse(v1::DEADLINE_EXCEEDED);
    case absl::StatusCode::kUnauthenticated:
      return Refuse(v1::CALLER_AUTHENTICATION_FAILED);
    case absl::StatusCode::kPermissionDenied:
      return Refuse(v1::METHOD_NOT_PERMITTED);
    default:
      return Refuse(v1::INTERNAL);
  }
}

BatchQueue::Outcome OutcomeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return BatchQueue::Outcome::kAnswered;
    case absl::StatusCode::kUnavailable:
    // A server that stops ends some calls with it.
    case absl::StatusCode::kCancelled:
      return BatchQueue::Outcome::kLost;
    default:
      return BatchQueue::Outcome::kRefused;
  }
}

Backend::Result ErrorResult(const absl::Status& status) {
  Backend::Result result;
  *result.mutable_error() = ToError(status);
  return result;
}

// One item's owner must not keep the others from their answers, nor unwind into whoever called.
void Answer(const Backend::Done& done, Backend::Result result) noexcept {
  try {
    done(std::move(result));
  } catch (...) {
    Log(LogLevel::kError, "answer_not_taken");
  }
}

void AnswerAll(const std::vector<Backend::Done>& dones, const absl::Status& refusal) {
  for (const auto& done : dones) Answer(done, ErrorResult(refusal));
}

}  // namespace

Batcher::Batcher(const BatchOptions& options, BatchTransport& transport)
    : transport_(transport), queue_(options), wake_at_(Clock::time_point::max()), clock_([this] { RunClock(); }) {}

Batcher::~Batcher() {
  std::vector<Backend::Done> waiting;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    waiting = queue_.Clear();
    clock_changed_.notify_all();
  }
  AnswerAll(waiting, Unavailable());
  transport_.CancelAll();
  clock_.join();
  std::unique_lock<std::mutex> lock(mutex_);
  attempt_over_.wait(lock, [this] { return attempts_ == 0; });
}

void Batcher::Issue(Backend::Item item, Backend::Done done) {
  const auto now = Clock::now();
  absl::Status refusal;
  std::shared_ptr<Attempt> attempt;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    refusal = closed_ ? Unavailable() : queue_.Add(item, done, now);
    if (refusal.ok()) attempt = TakeLocked(now);
  }
  if (!refusal.ok()) return Answer(done, ErrorResult(refusal));
  Send(std::move(attempt), now);
}

std::shared_ptr<BatchQueue::Attempt> Batcher::TakeLocked(BatchQueue::Time now) {
  std::shared_ptr<Attempt> attempt = closed_ ? nullptr : queue_.Take(now);
  if (attempt != nullptr) ++attempts_;
  const auto next = queue_.NextEvent();
  if (next < wake_at_) {
    wake_at_ = next;
    clock_changed_.notify_one();
  }
  return attempt;
}

void Batcher::Send(std::shared_ptr<Attempt> attempt, BatchQueue::Time now) {
  while (attempt != nullptr) {
    transport_.Send(*attempt, now, [this, attempt](absl::StatusCode code) { Finish(*attempt, code); });
    std::lock_guard<std::mutex> lock(mutex_);
    attempt = TakeLocked(now);
  }
}

void Batcher::Finish(Attempt& attempt, absl::StatusCode code) {
  const bool ok = code == absl::StatusCode::kOk;
  const bool complete = ok && attempt.response.results_size() == attempt.call->request.items_size();
  if (ok && !complete) Log(LogLevel::kError, "token_server_answer_invalid");
  const auto now = Clock::now();
  BatchQueue::Ending ending;
  std::shared_ptr<Attempt> next;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const bool refused = closed_ || (ok && !complete);
    ending = queue_.Finish(attempt, refused ? BatchQueue::Outcome::kRefused : OutcomeOf(code));
    next = TakeLocked(now);
  }
  // First, so that the server has work while the answers go out.
  Send(std::move(next), now);
  if (complete) {
    for (auto& [index, done] : ending.pending) Answer(done, std::move(*attempt.response.mutable_results(index)));
  } else {
    const Backend::Result refusal = ErrorResult(RefusalOf(ok ? absl::StatusCode::kInternal : code));
    for (auto& [index, done] : ending.pending) Answer(done, refusal);
  }
  for (const auto& other : ending.overdue) transport_.Cancel(*other);
  std::lock_guard<std::mutex> lock(mutex_);
  if (--attempts_ == 0) attempt_over_.notify_all();
}

void Batcher::RunClock() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!closed_) {
    const auto now = Clock::now();
    if (now < wake_at_) {
      // Without a time to wait for, an hour, which is within what every implementation can convert.
      clock_changed_.wait_until(lock, std::min(wake_at_, now + std::chrono::hours(1)));
      continue;
    }
    const std::vector<Backend::Done> expired = queue_.Expire(now);
    wake_at_ = queue_.NextEvent();
    std::shared_ptr<Attempt> attempt = TakeLocked(now);
    lock.unlock();
    AnswerAll(expired, Refuse(v1::DEADLINE_EXCEEDED));
    Send(std::move(attempt), now);
    lock.lock();
  }
}

}  // namespace livekit::token::gateway
