// Which items travel together, when their call may start, and when an item's time is up.
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

namespace livekit::token::gateway {

// How items are collected into calls.
struct BatchOptions {
  // How long an item without a timeout may take.
  std::chrono::milliseconds default_timeout{10000};
  // What may wait or be in flight; beyond it items are refused.
  std::size_t max_items = 4096;
  std::size_t max_bytes = 64 << 20;  // serialized
  // What one call holds; the server refuses more.
  std::size_t max_call_items = 1000;
  std::size_t max_call_bytes = 1 << 20;
  // Items wait for others while so many calls are in flight. More than one cost more CPU than they gain in time.
  std::size_t calls = 1;
  // Calls that take longer do not count: a server that is slow, far or gone holds up nobody for more than this.
  std::chrono::milliseconds patience{2};
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
    std::multimap<Time, Entry*>::iterator timer;  // as long as there is no answer
    std::list<Entry>::iterator place;
  };

  // A call and its items, in the order of the request.
  struct Call {
    v1::BatchIssueParticipantTokensRequest request;
    v1::BatchIssueParticipantTokensResponse response;
    Time deadline;  // the latest of the items'
    Time started;
    std::list<Entry> entries;
    std::list<std::shared_ptr<Call>>::iterator place;
  };

  // An item of a call that is to get its answer.
  struct Pending {
    int index;  // in the request
    Backend::Done done;
  };

  // How a call ended.
  enum class Outcome {
    kAnswered,
    kRefused,
    kLost,  // nobody knows whether it arrived; asking again is safe, since signing twice does no harm
  };

  explicit BatchQueue(const BatchOptions& options);

  // Takes an item in. Errors, with `item` and `done` untouched: UNAVAILABLE with a delay when there is no room for it,
  // BATCH_SIZE_INVALID when no call could hold it.
  absl::Status Add(Backend::Item& item, Backend::Done& done, Time now);
  // The next call, if one is to start now: items wait, and either not too many calls are in flight or they fill one.
  // To be ended by Finish.
  std::shared_ptr<Call> Take(Time now);
  // Ends a call and gives out the items that are to get their answer. Items of a lost call wait again, in front of all
  // others: once each, and no more than one call for ten that were answered (and ten in store), so that servers in
  // trouble are not asked twice as often.
  std::vector<Pending> Finish(Call& call, Outcome outcome);
  // Gives out the items whose time is up. Those in flight count until their call ends.
  std::vector<Backend::Done> Expire(Time now);
  // Gives out all items that wait.
  std::vector<Backend::Done> Clear();
  // When Take or Expire will have something to give, as far as is known.
  Time NextEvent() const;

 private:
  // The call whose age decides whether the next one may start; null if there are too few.
  const Call* Holder() const;
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
  double spare_calls_;  // how many lost calls may be repeated
};

}  // namespace livekit::token::gateway
