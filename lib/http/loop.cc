#include "http/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "http/tls.h"
#include "service/log.h"

namespace livekit::token::http {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 65536;
constexpr int kEvents = 256;
// Connections that are accepted before those that exist get their turn.
constexpr int kAcceptsPerTurn = 16;
// A loop keeps a connection that it has accepted unless another has so many fewer: handing over costs a wake-up.
constexpr int kLoadTolerance = 2;
// Connections beyond the limit that are told to come back later, if the limit is small.
constexpr int kLeastRefused = 8;
constexpr milliseconds kMakeRoomEvery{10};
constexpr milliseconds kAcceptPause{20};

constexpr milliseconds kLogEvery{1000};

// `owner` comes back with the events. Returns whether the kernel had memory for it.
bool Watch(const Fd& epoll, int fd, std::uint32_t events, const void* owner) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = const_cast<void*>(owner);
  return epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Loop::Loop(ServerState& server, const std::vector<Fd>& listeners, const std::vector<std::unique_ptr<Loop>>& loops)
    : listeners_(listeners),
      loops_(loops),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      state_{server, {}, std::make_shared<Mailbox>(), std::string(kReadBytes, '\0'), {}, {}, {}},
      heart_(server.options.heartbeats ? server.options.heartbeats->Add("http", Clock::now()) : nullptr) {
  if (!epoll_.valid()) throw std::bad_alloc();
  if (!Watch(epoll_, state_.mailbox->fd(), EPOLLIN, state_.mailbox.get()) || !ResumeAccepting()) throw std::bad_alloc();
}

Loop::~Loop() { state_.mailbox->Close(); }

void Loop::Drain() {
  drain_wanted_ = true;
  state_.mailbox->Wake();
}

void Loop::Stop() {
  stopping_ = true;
  state_.mailbox->Wake();
}

void Loop::Run() {
  state_.mailbox->Own();
  while (!stopping_) {
    try {
      Wait();
    } catch (const std::bad_alloc&) {
      Log(LogLevel::kError, "http_out_of_memory");
    }
  }
  graveyard_.clear();
  connections_.clear();
}

void Loop::Wait() {
  int timeout = -1;
  const auto until = [&](SteadyTime time) {
    // Rounded up, so as not to wake before it.
    const auto left = std::chrono::ceil<milliseconds>(time - Clock::now()).count();
    const int bounded = static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
    timeout = timeout < 0 ? bounded : std::min(timeout, bounded);
  };
  if (!ready_.empty()) {
    timeout = 0;
  } else {
    if (const auto next = state_.timers.next()) until(*next);
    if (accept_paused_) until(accept_again_);
    if (heart_) until(Clock::now() + state_.server.options.heartbeats->interval());
  }
  std::array<epoll_event, kEvents> events;
  const int count = epoll_wait(epoll_.get(), events.data(), kEvents, timeout);
  state_.woke = Clock::now();
  state_.woke_date = SystemClock().Now();
  if (heart_) heart_->Beat(state_.woke);
  for (int i = 0; i < count; ++i) {
    const void* const owner = events[i].data.ptr;
    const auto listener =
        std::find_if(listeners_.begin(), listeners_.end(), [&](const Fd& candidate) { return owner == &candidate; });
    if (owner == state_.mailbox.get()) {
      TakeArrivals();
    } else if (listener != listeners_.end()) {
      Accept(*listener);
    } else {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      Drive(connection, [&] { return connection.OnReady(events[i].events); });
    }
  }
  // Those that had more to do before this round.
  ready_now_.swap(ready_);
  for (Connection* const connection : ready_now_) {
    if (connection == nullptr) continue;  // ended meanwhile
    connection->queued = false;
    Drive(*connection, [&] { return connection->Continue(); });
  }
  ready_now_.clear();
  FireTimers();
  if (accept_paused_ && Clock::now() >= accept_again_ && !ResumeAccepting()) PauseAccepting();
  graveyard_.clear();
}

template <typename Step>
void Loop::Drive(Connection& connection, Step step) {
  if (connection.closed()) return;
  try {
    if (step() && !connection.closed() && !connection.queued) {
      ready_.push_back(&connection);
      connection.queued = true;
    }
  } catch (...) {
    // Only the allocator throws here. This client is out of luck; the others go on.
    connection.Close();
  }
  if (connection.closed()) Remove(connection);
}

void Loop::Remove(Connection& connection) {
  connection.Close();
  if (connection.queued) {
    std::erase(ready_, &connection);
    std::replace(ready_now_.begin(), ready_now_.end(), &connection, static_cast<Connection*>(nullptr));
  }
  const std::size_t index = connection.index;
  graveyard_.push_back(std::move(connections_[index]));
  if (index + 1 != connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
  Forget();
}

void Loop::FireTimers() {
  const auto now = Clock::now();
  while (Timer* const timer = state_.timers.TakeExpired(now)) {
    auto& connection = *static_cast<Connection*>(timer);
    Drive(connection, [&] { return connection.OnDeadline(); });
  }
}

void Loop::TakeArrivals() {
  state_.mailbox->Take(replies_);
  for (const auto& reply : replies_) {
    // Null: the connection has ended or no longer waits.
    if (Connection* const connection = reply->connection) {
      Drive(*connection, [&] { return connection->OnAnswer(); });
    }
  }
  replies_.clear();
  std::vector<Accepted> adopted;
  {
    std::lock_guard lock(mutex_);
    adopted.swap(adopted_);
  }
  for (Accepted& accepted : adopted) Add(std::move(accepted));
  if (drain_wanted_.exchange(false)) StartDraining();
}

void Loop::Accept(const Fd& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Accepted accepted = http::Accept(listener.get());
    if (!accepted.fd.valid()) return OnAcceptError(errno);
    Place(std::move(accepted));
  }
}

void Loop::OnAcceptError(int error) {
  // None is left, another loop had it, or the client went away meanwhile.
  if (error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO) return;
  // Not a listening socket any more, as when an administrator has the kernel close it (ss --kill).
  if (error == EINVAL || error == EBADF || error == ENOTSOCK) return OnListenerLost();
  // Out of descriptors or memory: both come back, so the listener has to live on. Idle connections give some.
  if (const auto now = Clock::now(); now - error_logged_ >= kLogEvery) {
    error_logged_ = now;
    Log(LogLevel::kWarn, "http_accept_failed", {{"errno", error}});
  }
  MakeRoom();
  PauseAccepting();
}

void Loop::OnListenerLost() {
  PauseAccepting();
  accept_again_ = SteadyTime::max();
  Log(LogLevel::kError, "http_listener_lost");
  if (state_.server.options.on_listener_lost) state_.server.options.on_listener_lost();
}

void Loop::PauseAccepting() {
  accept_paused_ = true;
  accept_again_ = Clock::now() + kAcceptPause;
  for (const Fd& listener : listeners_) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.get(), nullptr);
}

bool Loop::ResumeAccepting() {
  accept_paused_ = false;
  // Exclusive: a connection wakes one loop and not all of them.
  return std::all_of(listeners_.begin(), listeners_.end(), [this](const Fd& listener) {
    return Watch(epoll_, listener.get(), EPOLLIN | EPOLLEXCLUSIVE, &listener);
  });
}

void Loop::Place(Accepted accepted) {
  Loop* target = this;
  for (const auto& loop : loops_) {
    if (loop->load_ + kLoadTolerance < target->load_) target = loop.get();
  }
  // Counted before it is there, lest a burst be given to one loop as a whole.
  ++target->load_;
  state_.server.Count();
  if (target == this) return Add(std::move(accepted));
  try {
    target->Adopt(std::move(accepted));
  } catch (const std::bad_alloc&) {
    state_.server.Reject(HttpRejection::kMemory);
    target->Forget();
  }
}

void Loop::Forget() {
  --load_;
  state_.server.Forget();
}

void Loop::Adopt(Accepted accepted) {
  {
    std::lock_guard lock(mutex_);
    adopted_.push_back(std::move(accepted));
  }
  state_.mailbox->Wake();
}

void Loop::Add(Accepted accepted) {
  const int limit = state_.server.options.max_connections;
  const auto over_limit = [&] {
    return std::max(state_.server.connections - limit, accepted.fd.get() - state_.server.first_reserved + 1);
  };
  if (over_limit() > 0) MakeRoom();
  const int over = over_limit();
  // So many more are told to come back later. Beyond, the end of the connection has to say it.
  if (over > std::max(kLeastRefused, limit / 16) || accepted.fd.get() - state_.server.first_reserved >= kLeastRefused) {
    state_.server.Reject(HttpRejection::kFull);
    return Forget();
  }
  if (over > 0) state_.server.Reject(HttpRejection::kBusy);
  try {
    const auto tls = state_.server.tls.Get();
    auto transport = tls ? tls->Accept(std::move(accepted.fd)) : MakePlainTransport(std::move(accepted.fd));
    connections_.push_back(
        std::make_unique<Connection>(std::move(transport), std::move(accepted.peer_address), state_, over > 0));
  } catch (const std::bad_alloc&) {
    state_.server.Reject(HttpRejection::kMemory);
    return Forget();
  }
  Connection& added = *connections_.back();
  added.index = connections_.size() - 1;
  // Edge-triggered, both ways: no call to the kernel when what is waited for changes.
  if (!Watch(epoll_, added.fd(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &added)) {
    state_.server.Reject(HttpRejection::kMemory);
    Remove(added);
  }
}

void Loop::MakeRoom() {
  const auto now = Clock::now();
  if (now - room_made_ < kMakeRoomEvery) return;
  room_made_ = now;
  std::vector<std::pair<Clock::duration, Connection*>> waiting;
  for (const auto& connection : connections_) {
    if (const auto waited = connection->Overstayed(now)) waiting.push_back({*waited, connection.get()});
  }
  // Some at a time, since looking for them costs.
  const auto count = std::min<std::size_t>(waiting.size(), 1 + connections_.size() / 64);
  std::partial_sort(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count), waiting.end(),
                    [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t i = 0; i < count; ++i) {
    waiting[i].second->EndIdle();
    Remove(*waiting[i].second);
  }
}

void Loop::StartDraining() {
  if (!accept_paused_) PauseAccepting();
  accept_again_ = SteadyTime::max();
  // Those that are connected already get an answer, or at least an orderly end, before the listeners go.
  for (const Fd& listener : listeners_) {
    for (;;) {
      Accepted accepted = http::Accept(listener.get());
      if (!accepted.fd.valid()) break;
      Place(std::move(accepted));
    }
  }
  state_.server.StopAccepting();
  for (std::size_t i = 0; i < connections_.size();) {
    Connection& connection = *connections_[i];
    Drive(connection, [&] { return connection.OnDrain(); });
    // Unless it was removed and another moved into its place.
    if (i < connections_.size() && connections_[i].get() == &connection) ++i;
  }
}

}  // namespace livekit::token::http
