#include "http/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "http/connection.h"
#include "http/socket.h"
#include "httplib.h"
#include "service/log.h"

namespace livekit::token::http {
namespace {

// A request line as httplib's parser wants to see it: from memory, and without anybody to answer to.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view input) : input_(input) {}

  bool is_readable() const override { return !input_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const std::size_t count = std::min(size, input_.size());
    std::memcpy(to, input_.data(), count);
    input_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char*, size_t size) override { return static_cast<ssize_t>(size); }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  std::string_view input_;
};

// httplib parses request targets: query, fragment, percent-decoding. It gets the request line alone. Its connections
// tie a thread to each, have no limits on headers and lose framing after errors; its header reader skips lines that it
// does not understand and percent-decodes values, so that a client could put line breaks into them. Those parts are
// ours.
class TargetParser final : public httplib::Server {
 public:
  TargetParser() {
    set_pre_routing_handler(httplib::Server::HandlerWithResponse(
        [](const httplib::Request&, httplib::Response&) { return HandlerResponse::Handled; }));
  }

  // Thread safety: may be called concurrently.
  std::optional<std::string> PathOf(const std::string& target) {
    std::optional<std::string> path;
    const std::string head = "GET " + target + " HTTP/1.1\r\n\r\n";
    MemoryStream stream(head);
    try {
      Process(*this, stream, [&path](httplib::Request& request) { path = request.path; });
    } catch (...) {
      return std::nullopt;
    }
    return path;
  }

 private:
  // 4 arguments in 0.11 to 0.14, 8 later.
  template <typename Self>
  static void Process(Self& self, httplib::Stream& stream, const std::function<void(httplib::Request&)>& setup) {
    bool closed = false;
    if constexpr (requires { self.process_request(stream, true, closed, setup); }) {
      self.process_request(stream, true, closed, setup);
    } else {
      self.process_request(stream, std::string(), 0, std::string(), 0, true, closed, setup);
    }
  }
};

// Idle connections of at least this age make room for others. A client that is about to use its connection again, as
// most do at once, keeps it.
constexpr std::chrono::milliseconds kEvictAfter{100};
constexpr int kCrowdedPollMilliseconds = 20;

class ServerImpl final : public Server {
 public:
  ServerImpl(ServerOptions options, Handler& handler, Listeners listeners)
      : options_(std::move(options)),
        listeners_(std::move(listeners)),
        wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        context_{options_, handler, [this](const std::string& target) { return parser_.PathOf(target); }} {
    worker_count_ = std::max(1, std::min(options_.threads, options_.max_connections));
    for (int i = 0; i < worker_count_; ++i) workers_.emplace_back([this] { Work(); });
    acceptor_ = std::thread([this] { AcceptUntilDraining(); });
  }

  ~ServerImpl() override { Drain(std::chrono::steady_clock::now()); }

  std::string address() const override { return listeners_.address.ToString(); }
  int port() const override { return listeners_.address.port; }
  void Discourage() override { context_.discouraged = true; }

  bool Drain(std::chrono::steady_clock::time_point deadline) override {
    std::lock_guard once(drain_mutex_);
    if (drained_) return *drained_;
    context_.draining = true;
    Wake();
    acceptor_.join();
    listeners_.fds.clear();
    {
      std::unique_lock lock(mutex_);
      for (Connection* connection : connections_) {
        if (connection->idle_since() != 0) connection->StopReading();
      }
      const auto nothing_left = [this] { return active_ == 0; };
      drained_ = one_done_.wait_until(lock, deadline, nothing_left);
      for (Connection* connection : connections_) connection->Abort();
      stopping_ = true;
      work_added_.notify_all();
    }
    for (std::thread& worker : workers_) worker.join();
    return *drained_;
  }

 private:
  // Accepts connections as long as threads are free for them; the others wait in the kernel's queue.
  void AcceptUntilDraining() {
    while (!context_.draining) {
      if (!HasFreeWorker()) {
        MakeRoom();
        continue;
      }
      context_.crowded = false;
      PollListeners(-1);
      AcceptWhile([this] { return !context_.draining && HasFreeWorker(); });
    }
    // Those that are connected already get an answer, or at least an orderly end, before the listeners go.
    AcceptWhile([] { return true; });
  }

  // Takes connections from all listeners as long as there are some and `condition` holds.
  template <typename Condition>
  void AcceptWhile(Condition condition) {
    for (const Fd& listener : listeners_.fds) {
      while (condition()) {
        Accepted accepted = Accept(listener.get());
        if (!accepted.fd.valid()) {
          OnAcceptError(errno);
          break;
        }
        std::lock_guard lock(mutex_);
        ++active_;
        queue_.push_back(std::move(accepted));
        work_added_.notify_one();
      }
    }
  }

  void OnAcceptError(int error) {
    // The client went away meanwhile, or another listener had the connection.
    if (error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO) return;
    // Out of descriptors or memory: both come back, so the listener has to live on. Idle connections give some.
    Log(LogLevel::kWarn, "http_accept_failed", {{"errno", error}});
    EvictIdle();
    PollWake(kCrowdedPollMilliseconds);
  }

  // Waits until a thread is free, and asks idle connections to leave when somebody waits for one.
  void MakeRoom() {
    if (!context_.crowded) {
      if (!PollListeners(kCrowdedPollMilliseconds)) return;
      context_.crowded = true;
    }
    EvictIdle();
    if (!HasFreeWorker()) PollWake(kCrowdedPollMilliseconds);
  }

  // Ends the connection that has been idle longest.
  void EvictIdle() {
    const auto oldest_allowed = (std::chrono::steady_clock::now() - kEvictAfter).time_since_epoch().count();
    std::lock_guard lock(mutex_);
    Connection* victim = nullptr;
    std::int64_t victim_since = 0;
    for (Connection* connection : connections_) {
      const std::int64_t since = connection->idle_since();
      if (since == 0 || since > oldest_allowed) continue;
      if (victim == nullptr || since < victim_since) {
        victim = connection;
        victim_since = since;
      }
    }
    if (victim != nullptr) victim->StopReading();
  }

  bool HasFreeWorker() {
    std::lock_guard lock(mutex_);
    return active_ < worker_count_;
  }

  // Whether a listener has something.
  bool PollListeners(int milliseconds) {
    std::vector<pollfd> entries{{wake_.get(), POLLIN, 0}};
    for (const Fd& listener : listeners_.fds) entries.push_back({listener.get(), POLLIN, 0});
    poll(entries.data(), entries.size(), milliseconds);
    ClearWake();
    return std::any_of(entries.begin() + 1, entries.end(), [](const pollfd& entry) { return entry.revents != 0; });
  }

  void PollWake(int milliseconds) {
    pollfd entry{wake_.get(), POLLIN, 0};
    poll(&entry, 1, milliseconds);
    ClearWake();
  }

  void Wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  }

  void ClearWake() {
    std::uint64_t count;
    [[maybe_unused]] const ssize_t size = read(wake_.get(), &count, sizeof count);
  }

  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_added_.wait(lock, [this] { return !queue_.empty() || stopping_; });
      if (queue_.empty()) return;
      Accepted accepted = std::move(queue_.front());
      queue_.pop_front();
      {
        Connection connection(std::move(accepted), context_);
        connections_.insert(&connection);
        if (stopping_) connection.Abort();
        lock.unlock();
        connection.Serve();
        lock.lock();
        // Before its descriptor is closed: nobody may shut down one that has another owner by then.
        connections_.erase(&connection);
      }
      --active_;
      if (context_.crowded) Wake();
      if (context_.draining) one_done_.notify_all();
    }
  }

  const ServerOptions options_;
  Listeners listeners_;
  const Fd wake_;
  TargetParser parser_;
  ConnectionContext context_;
  int worker_count_ = 0;

  std::mutex mutex_;
  std::condition_variable work_added_;
  std::condition_variable one_done_;   // told only while draining
  std::deque<Accepted> queue_;         // accepted, not served yet; only a drain takes more than there are free threads
  std::set<Connection*> connections_;  // being served
  int active_ = 0;                     // in either
  bool stopping_ = false;

  std::vector<std::thread> workers_;
  std::thread acceptor_;
  std::mutex drain_mutex_;
  std::optional<bool> drained_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Handler& handler) {
  auto listeners = Listen(options.address);
  if (!listeners.ok()) return listeners.status();
  return std::unique_ptr<Server>(std::make_unique<ServerImpl>(std::move(options), handler, *std::move(listeners)));
}

}  // namespace livekit::token::http
