// Collects items into calls and gives every item its answer.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "gateway/backend.h"
#include "gateway/batch_queue.h"

namespace livekit::token::gateway {

// Carries calls to a token server.
//
// Thread safety: all methods may be called concurrently.
class BatchTransport {
 public:
  // What a call ended with.
  using Answered = std::function<void(absl::StatusCode)>;

  virtual ~BatchTransport() = default;
  // Sends the request of `attempt.call` until its deadline and fills `attempt.response`. Calls `answered` exactly once,
  // now or later, on any thread; `attempt` lives until then. Never blocks.
  virtual void Send(BatchQueue::Attempt& attempt, BatchQueue::Time now, Answered answered) = 0;
  // Makes an attempt end soon; nothing happens if it has, or has not been sent yet.
  virtual void Cancel(const BatchQueue::Attempt& attempt) = 0;
  // Makes the calls in flight end, and those that come later end at once.
  virtual void CancelAll() = 0;
};

// A Backend over a transport: an item goes out at once while few calls are in flight, and otherwise with all others
// that have come by when one of them ends. Every item is answered when its own time is up, wherever it is by then. A
// call that has no answer after `attempt_timeout` is sent once more beside the first, and the first answer wins.
//
// When the call fails as a whole its items get UNAVAILABLE with a delay of one second (no server could be reached, it
// was stopping or had no capacity), DEADLINE_EXCEEDED, CALLER_AUTHENTICATION_FAILED and METHOD_NOT_PERMITTED (the
// server does not know this gateway or does not let it relay), or INTERNAL.
//
// Thread safety: all methods may be called concurrently.
class Batcher {
 public:
  // `transport` must outlive the batcher.
  Batcher(const BatchOptions& options, BatchTransport& transport);
  // Answers what waits or is in flight with UNAVAILABLE and waits for the last `done` to return. Must not be called
  // from a `done`.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // See Backend::Issue.
  void Issue(Backend::Item item, Backend::Done done);

 private:
  using Attempt = BatchQueue::Attempt;

  // What to send next, if anything. Wakes the clock when it has to look earlier. With the lock held.
  std::shared_ptr<Attempt> TakeLocked(BatchQueue::Time now);
  // Sends `attempt`, if there is one, and all that may follow it.
  void Send(std::shared_ptr<Attempt> attempt, BatchQueue::Time now);
  void Finish(Attempt& attempt, absl::StatusCode code);
  // Looks after deadlines, patience and hedges, on a thread of its own.
  void RunClock();

  BatchTransport& transport_;
  std::mutex mutex_;
  BatchQueue queue_;
  int attempts_ = 0;  // not yet over for all their items
  bool closed_ = false;
  BatchQueue::Time wake_at_;  // when the clock looks next
  std::condition_variable clock_changed_;
  std::condition_variable attempt_over_;
  std::thread clock_;  // last, since it uses the others
};

}  // namespace livekit::token::gateway
