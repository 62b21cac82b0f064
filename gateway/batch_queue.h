// Which items travel together, when their call may start, when another server is asked beside the first, and when an
// item's time is up.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "gateway/backend.h"
#include "livekit/token/v1/token_service.pb.h"
#include "service/limits.h"

namespace livekit::token::gateway {

// How items are collected into calls.
struct BatchOptions {
  // How long an item without a timeout may take.
  std::chrono::milliseconds default_timeout{10000};
  // What may wait or be in flight; beyond it items are refused.
  std::size_t max_items = limits::kHttpPendingRequests;
  std::size_t max_bytes = 64 << 20;  // serialized
  // What one call holds; the server refuses more.
  std::size_t max_call_items = limits::kBatchItems;
  std::size_t max_call_bytes = limits::kIssueBatchBytes;
  // Items wait for others while so many calls are in flight. More than one cost more CPU than they gain in time.
  std::size_t calls = 1;
  // Calls that take longer do not count: a server that is slow, far or gone holds up nobody for more than this.
  std::chrono::milliseconds patience{2};
  // How often an item is sent at most; 1 means that nothing is sent again.
  int max_attempts = 4;
  // A call without an answer for so long (and up to a quarter more) is hedged: sent again beside the first, and after
  // the same time once more. Servers that ask others about a user's credentials may well take longer; they are then
  // asked twice, as far as Take allows.
  std::chrono::milliseconds attempt_timeout{100};
};

// The items that wait and those in flight. It has neither threads nor a clock: time is an argument.
//
// Thread safety: none.
class BatchQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // One item, from its arrival to the end of its call, which may come later than its own answer.
  struct Entry {
    Backend::Item item;  // in the call's request instead while it is in flight
    Backend::Done done;  // empty once the item has its answer
    Time deadline;
    std::size_t bytes = 0;
    bool waiting = true;
    bool repeated = false;
    int attempts = 0;                             // in which it was sent before it came to wait again
    std::multimap<Time, Entry*>::iterator timer;  // as long as there is no answer
    std::list<Entry>::iterator place;
  };

  struct Call;

  // A call on its way to one server.
  struct Attempt {
    std::shared_ptr<Call> call;
    v1::BatchIssueParticipantTokensResponse response;
    bool needless = false;  // the items have their answers from another
  };

  // Items that travel together, in the order of the request.
  struct Call {
    v1::BatchIssueParticipantTokensRequest request;
    Time deadline;  // the latest of the items'
    Time started;
    std::list<Entry> entries;                         // none when it is over
    int attempts = 0;                                 // of the item that was sent most often
    std::vector<std::shared_ptr<Attempt>> in_flight;  // oldest first
    std::multimap<Time, Call*>::iterator hedge;       // when to look whether to send it again
    std::list<std::shared_ptr<Call>>::iterator place;
  };

  // An item of a call that is to get its answer.
  struct Pending {
    int index;  // in the request
    Backend::Done done;
  };

  // How an attempt ended.
  enum class Outcome {
    kAnswered,
    kRefused,
    kLost,  // nobody knows whether it arrived; asking again is safe, since signing twice does no harm
  };

  // What follows from the end of an attempt.
  struct Ending {
    std::vector<Pending> pending;
    // To be cancelled, and to be ended by Finish nevertheless. Only attempts that began before the one that was
    // answered: later ones have had less time, and cancelling them would count against servers that are well.
    std::vector<std::shared_ptr<Attempt>> overdue;
  };

  explicit BatchQueue(const BatchOptions& options);
  // What is still in flight is given up.
  ~BatchQueue();
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  // Takes an item in. Errors, with `item` and `done` untouched: UNAVAILABLE with a delay when there is no room for it,
  // BATCH_SIZE_INVALID when no call could hold it.
  absl::Status Add(Backend::Item& item, Backend::Done& done, Time now);
  // What to send next, if anything is to go out now; to be ended by Finish. Either a call without an answer for too
  // long once more, or the next call: items wait, and either not too many calls are in flight or they fill one.
  //
  // There are no more hedges than one call for ten that were answered (and a hundred in store, for a server that stops
  // answering from one moment to the next), so that servers that are merely slow are not asked twice as often.
  std::shared_ptr<Attempt> Take(Time now);
  // Ends an attempt. The first that was answered ends its call; any other only when it is the last in flight. Items of
  // a lost call wait again, in front of all others: once each, and no more than one call for ten that were answered
  // (and ten in store), so that servers in trouble are not asked twice as often.
  Ending Finish(Attempt& attempt, Outcome outcome);
  // Gives out the items whose time is up. Those in flight count until their call ends.
  std::vector<Backend::Done> Expire(Time now);
  // Gives out all items that wait.
  std::vector<Backend::Done> Clear();
  // When Take or Expire will have something to give, as far as is known.
  Time NextEvent() const;

 private:
  // The call whose age decides whether the next one may start; null if there are too few.
  const Call* Holder() const;
  // The attempt that is due beside others, if there is one.
  std::shared_ptr<Attempt> TakeHedge(Time now);
  std::shared_ptr<Attempt> Start(Call& call, Time now);
  // Whether items of a lost call may wait again.
  bool MayRepeat(const Call& call) const;
  // A quarter more than the timeout at most, always another: in step with the requests, round robin would bring all
  // hedges of a call to the same server.
  Time::duration HedgeDelay();
  // Puts the first waiting item into `call`.
  void Board(Call& call, Time now);
  // Takes the item's answer out of it.
  Backend::Done Settle(Entry& entry);
  void Leave(const Entry& entry);

  const BatchOptions options_;
  std::list<Entry> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::size_t items_ = 0;  // waiting and in flight
  std::size_t bytes_ = 0;
  std::list<std::shared_ptr<Call>> calls_;  // in flight, oldest first
  std::multimap<Time, Entry*> timers_;
  std::multimap<Time, Call*> hedges_;  // of the calls that may be sent again
  double spare_calls_;                 // how many lost calls may be repeated
  double spare_hedges_;
  double spread_ = 0;
};

}  // namespace livekit::token::gateway
