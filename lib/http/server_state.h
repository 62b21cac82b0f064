// What the loops and connections of one server share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>

#include "http/descriptors.h"
#include "http/server.h"
#include "http/socket.h"
#include "http/target_parser.h"

namespace livekit::token::http {

// The TLS of connections to come; null for plain HTTP. Thread safety: all methods may be called concurrently.
class CurrentTls {
 public:
  explicit CurrentTls(std::shared_ptr<TlsContext> tls) : tls_(std::move(tls)) {}

  std::shared_ptr<TlsContext> Get() const {
    std::lock_guard lock(mutex_);
    return tls_;
  }
  // The old one is freed by whoever uses it last.
  void Set(std::shared_ptr<TlsContext> tls) {
    std::lock_guard lock(mutex_);
    tls_.swap(tls);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<TlsContext> tls_;
};

// Thread safety: all methods may be called concurrently.
class ServerState {
 public:
  ServerState(const ServerOptions& o, Handler& h, int loops)
      : options(o),
        first_reserved(o.may_use_last_descriptors ? std::numeric_limits<int>::max() : FirstReservedDescriptor()),
        handler(h),
        tls(o.tls),
        accepting_(loops) {}

  // One connection has been accepted.
  void Count() {
    ++connections;
    if (options.metrics != nullptr) options.metrics->HttpConnections(1);
  }
  // One connection has ended, or was not taken.
  void Forget() {
    if (options.metrics != nullptr) options.metrics->HttpConnections(-1);
    if (--connections == 0 && draining) Tell();
  }
  // One connection is not served.
  void Reject(HttpRejection reason) {
    if (options.metrics != nullptr) options.metrics->HttpConnectionRejected(reason);
  }
  // One loop accepts no more.
  void StopAccepting() {
    --accepting_;
    Tell();
  }
  // Waits until no loop accepts connections.
  void AwaitNoAccepting() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return accepting_ == 0; });
  }
  // Waits until there are no connections; false if there are some at the deadline.
  bool AwaitNoConnections(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline, [this] { return connections == 0; });
  }

  const ServerOptions& options;
  const int first_reserved;  // descriptor that is none for connections
  Handler& handler;
  const TargetParser targets;
  CurrentTls tls;
  // Every answer ends its connection.
  std::atomic<bool> discouraged{false};
  // The same, and idle connections end at once.
  std::atomic<bool> draining{false};
  // Accepted and not ended.
  std::atomic<int> connections{0};

 private:
  void Tell() {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
  }

  std::atomic<int> accepting_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace livekit::token::http
