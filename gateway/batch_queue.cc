#include "gateway/batch_queue.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/status.h"

namespace livekit::token::gateway {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMaxTimeout{std::chrono::hours(1)};
constexpr milliseconds kRetryDelay{1000};
// An item's tag and length in the request, and its timeout, whose size changes until it is sent.
constexpr std::size_t kFramingBytes = 24;
constexpr double kMaxSpareCalls = 10;
// What a server that takes a few hundred calls a second has taken before it is known that it hangs.
constexpr double kMaxSpareHedges = 100;
// Its multiples fill the unit interval evenly.
constexpr double kGoldenRatio = 0.6180339887498949;
constexpr double kEarned = 0.1;  // by a call that ended well

milliseconds TimeoutOf(const Backend::Item& item, milliseconds default_timeout) {
  const auto& timeout = item.timeout();
  const std::int64_t seconds = std::clamp<std::int64_t>(timeout.seconds(), 0, 3600);
  const milliseconds value{seconds * 1000 + timeout.nanos() / 1'000'000};
  return value.count() > 0 ? std::min(value, kMaxTimeout) : default_timeout;
}

void SetTimeout(Backend::Item& item, BatchQueue::Time::duration left) {
  const auto nanos = std::max<std::int64_t>(1, std::chrono::nanoseconds(left).count());
  item.mutable_timeout()->set_seconds(nanos / 1'000'000'000);
  item.mutable_timeout()->set_nanos(static_cast<int>(nanos % 1'000'000'000));
}

}  // namespace

BatchQueue::BatchQueue(const BatchOptions& options)
    : options_(options), spare_calls_(kMaxSpareCalls), spare_hedges_(kMaxSpareHedges) {}

BatchQueue::~BatchQueue() {
  // A call and its attempts hold each other.
  for (const auto& call : calls_) call->in_flight.clear();
}

absl::Status BatchQueue::Add(Backend::Item& item, Backend::Done& done, Time now) {
  const std::size_t bytes = item.ByteSizeLong() + kFramingBytes;
  if (bytes > options_.max_call_bytes) return Refuse(v1::BATCH_SIZE_INVALID);
  if (items_ >= options_.max_items || bytes > options_.max_bytes - bytes_) {
    return WithRetryDelay(Refuse(v1::UNAVAILABLE), kRetryDelay);
  }
  const Time deadline = now + TimeoutOf(item, options_.default_timeout);
  Entry& entry = waiting_.emplace_back();
  entry.place = std::prev(waiting_.end());
  entry.item = std::move(item);
  entry.done = std::move(done);
  entry.deadline = deadline;
  entry.bytes = bytes;
  entry.timer = timers_.emplace(deadline, &entry);
  waiting_bytes_ += bytes;
  bytes_ += bytes;
  ++items_;
  return absl::OkStatus();
}

std::shared_ptr<BatchQueue::Attempt> BatchQueue::Take(Time now) {
  if (auto hedge = TakeHedge(now)) return hedge;
  if (waiting_.empty()) return nullptr;
  const bool full = waiting_.size() >= options_.max_call_items || waiting_bytes_ >= options_.max_call_bytes;
  const Call* holder = Holder();
  if (!full && holder != nullptr && now - holder->started < options_.patience) return nullptr;

  auto call = std::make_shared<Call>();
  std::size_t bytes = 0;
  while (!waiting_.empty() && call->entries.size() < options_.max_call_items) {
    bytes += waiting_.front().bytes;
    if (bytes > options_.max_call_bytes) break;
    Board(*call, now);
  }
  call->started = now;
  calls_.push_back(call);
  call->place = std::prev(calls_.end());
  call->hedge = hedges_.end();
  return Start(*call, now);
}

std::shared_ptr<BatchQueue::Attempt> BatchQueue::TakeHedge(Time now) {
  while (!hedges_.empty() && hedges_.begin()->first <= now) {
    Call& call = *hedges_.begin()->second;
    const bool needed =
        std::any_of(call.entries.begin(), call.entries.end(), [](const Entry& entry) { return entry.done != nullptr; });
    if (needed && spare_hedges_ >= 1) {
      spare_hedges_ -= 1;
      return Start(call, now);
    }
    hedges_.erase(call.hedge);
    call.hedge = needed ? hedges_.emplace(now + HedgeDelay(), &call) : hedges_.end();
  }
  return nullptr;
}

std::shared_ptr<BatchQueue::Attempt> BatchQueue::Start(Call& call, Time now) {
  auto attempt = std::make_shared<Attempt>();
  attempt->call = *call.place;
  call.in_flight.push_back(attempt);
  ++call.attempts;
  if (call.hedge != hedges_.end()) hedges_.erase(call.hedge);
  const bool more = call.attempts < options_.max_attempts;
  call.hedge = more ? hedges_.emplace(now + HedgeDelay(), &call) : hedges_.end();
  return attempt;
}

BatchQueue::Time::duration BatchQueue::HedgeDelay() {
  spread_ = std::fmod(spread_ + kGoldenRatio, 1.0);
  return options_.attempt_timeout + std::chrono::duration_cast<Time::duration>(options_.attempt_timeout * spread_ / 4);
}

void BatchQueue::Board(Call& call, Time now) {
  Entry& entry = waiting_.front();
  auto& item = *call.request.add_items();
  item = std::move(entry.item);
  SetTimeout(item, entry.deadline - now);
  call.deadline = std::max(call.deadline, entry.deadline);
  call.attempts = std::max(call.attempts, entry.attempts);
  waiting_bytes_ -= entry.bytes;
  entry.waiting = false;
  call.entries.splice(call.entries.end(), waiting_, waiting_.begin());
}

BatchQueue::Ending BatchQueue::Finish(Attempt& attempt, Outcome outcome) {
  Call& call = *attempt.call;
  const auto place = call.in_flight.erase(std::find_if(call.in_flight.begin(), call.in_flight.end(),
                                                       [&](const auto& other) { return other.get() == &attempt; }));
  if (attempt.needless) return {};
  if (outcome == Outcome::kAnswered) {
    spare_calls_ = std::min(kMaxSpareCalls, spare_calls_ + kEarned);
    spare_hedges_ = std::min(kMaxSpareHedges, spare_hedges_ + kEarned);
  } else if (!call.in_flight.empty()) {
    return {};
  }
  Ending ending;
  const bool again = outcome == Outcome::kLost && MayRepeat(call);
  if (again) spare_calls_ -= 1;
  const auto first_waiting = waiting_.begin();
  int index = 0;
  for (auto it = call.entries.begin(); it != call.entries.end(); ++index) {
    Entry& entry = *it++;
    if (again && entry.done && !entry.repeated) {
      entry.item = std::move(*call.request.mutable_items(index));
      entry.waiting = true;
      entry.repeated = true;
      entry.attempts = call.attempts;
      waiting_bytes_ += entry.bytes;
      waiting_.splice(first_waiting, call.entries, entry.place);
      continue;
    }
    if (entry.done) ending.pending.push_back({index, Settle(entry)});
    Leave(entry);
  }
  call.entries.clear();
  for (const auto& other : call.in_flight) other->needless = true;
  ending.overdue.assign(call.in_flight.begin(), place);
  if (call.hedge != hedges_.end()) hedges_.erase(call.hedge);
  calls_.erase(call.place);
  return ending;
}

bool BatchQueue::MayRepeat(const Call& call) const {
  return spare_calls_ >= 1 && call.attempts < options_.max_attempts &&
         std::any_of(call.entries.begin(), call.entries.end(),
                     [](const Entry& entry) { return entry.done && !entry.repeated; });
}

std::vector<Backend::Done> BatchQueue::Expire(Time now) {
  std::vector<Backend::Done> expired;
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Entry& entry = *timers_.begin()->second;
    expired.push_back(Settle(entry));
    if (!entry.waiting) continue;
    waiting_bytes_ -= entry.bytes;
    Leave(entry);
    waiting_.erase(entry.place);
  }
  return expired;
}

std::vector<Backend::Done> BatchQueue::Clear() {
  std::vector<Backend::Done> dones;
  for (Entry& entry : waiting_) {
    dones.push_back(Settle(entry));
    Leave(entry);
  }
  waiting_.clear();
  waiting_bytes_ = 0;
  return dones;
}

BatchQueue::Time BatchQueue::NextEvent() const {
  Time next = timers_.empty() ? Time::max() : timers_.begin()->first;
  if (const Call* holder = Holder(); holder != nullptr && !waiting_.empty()) {
    next = std::min(next, holder->started + options_.patience);
  }
  if (!hedges_.empty()) next = std::min(next, hedges_.begin()->first);
  return next;
}

const BatchQueue::Call* BatchQueue::Holder() const {
  if (calls_.size() < options_.calls) return nullptr;
  return std::prev(calls_.end(), static_cast<std::ptrdiff_t>(options_.calls))->get();
}

Backend::Done BatchQueue::Settle(Entry& entry) {
  timers_.erase(entry.timer);
  return std::exchange(entry.done, nullptr);
}

void BatchQueue::Leave(const Entry& entry) {
  bytes_ -= entry.bytes;
  --items_;
}

}  // namespace livekit::token::gateway
