#include "http/server.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "base/status.h"
#include "http/descriptors.h"
#include "http/loop.h"
#include "http/server_state.h"
#include "http/socket.h"

namespace livekit::token::http {
namespace {

class ServerImpl final : public Server {
 public:
  ServerImpl(ServerOptions options, Handler& handler, Listeners listeners)
      : options_(std::move(options)),
        listeners_(std::move(listeners)),
        state_(options_, handler, std::max(1, options_.threads)) {
    // All of them before the first runs, since they look at each other.
    for (int i = 0; i < std::max(1, options_.threads); ++i) {
      loops_.push_back(std::make_unique<Loop>(state_, listeners_.fds, loops_));
    }
    try {
      for (const auto& loop : loops_) threads_.emplace_back([&loop = *loop] { loop.Run(); });
    } catch (...) {
      Stop();
      throw;
    }
  }

  ~ServerImpl() override { Drain(std::chrono::steady_clock::now()); }

  std::string address() const override { return listeners_.address.ToString(); }
  int port() const override { return listeners_.address.port; }
  void SetTls(std::shared_ptr<TlsContext> tls) override { state_.tls.Set(std::move(tls)); }
  void Discourage() override { state_.discouraged = true; }

  bool Drain(std::chrono::steady_clock::time_point deadline) override {
    std::lock_guard once(drain_mutex_);
    if (drained_) return *drained_;
    state_.draining = true;
    for (const auto& loop : loops_) loop->Drain();
    state_.AwaitNoAccepting();
    // The loops go on looking at the list, though not at what is in it.
    for (Fd& listener : listeners_.fds) listener.Reset();
    drained_ = state_.AwaitNoConnections(deadline);
    Stop();
    return *drained_;
  }

 private:
  void Stop() {
    for (const auto& loop : loops_) loop->Stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  const ServerOptions options_;
  Listeners listeners_;
  ServerState state_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
  std::mutex drain_mutex_;
  std::optional<bool> drained_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Handler& handler) {
  if (options.threads <= 0) options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  LKT_ASSIGN_OR_RETURN(Listeners listeners, Listen(options.address));
  RaiseDescriptorLimit(options.max_connections);
  try {
    return std::unique_ptr<Server>(std::make_unique<ServerImpl>(std::move(options), handler, std::move(listeners)));
  } catch (const std::exception&) {
    return absl::ResourceExhaustedError("the system has no memory, descriptors or threads left for an HTTP listener");
  }
}

}  // namespace livekit::token::http
