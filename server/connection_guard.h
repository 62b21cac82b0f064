// Ends connections whose peers ask for more than gRPC 1.51 can bear.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "http/socket.h"
#include "server/channelz.h"
#include "server/reset_penalty.h"
#include "service/limits.h"
#include "service/metrics.h"

namespace livekit::token {

// Looks again and again at the connections that gRPC has been given. While more comes than gRPC can take in, it writes
// nothing (the combiner of a transport writes when it has nothing to read), and so neither calls that have been reset
// nor answers to pings ever end; and its limits on streams and headers hold only once the peer has acknowledged our
// settings, which one that means harm does not do. Each way a few seconds took gigabytes. So those are reset that have
// more live streams than an honest client can have, or from which more has come than their streams can carry.
//
// Thread safety: all methods may be called concurrently.
class ConnectionGuard {
 public:
  static constexpr std::chrono::milliseconds kInterval{20};
  // Three times what a connection may have open: a gateway gives up on calls that take too long, and while the process
  // is not running (a halt of five seconds) it makes that many anew.
  static constexpr std::int64_t kMostStreams = 2100;
  // Bytes that may come without a stream, and with each. How much comes beside what is answered says nothing: an end
  // user may have a gateway send large requests whose refusals are small.
  static constexpr std::uint64_t kWithoutStream = 1 << 20;
  static constexpr std::uint64_t kPerStream = limits::kRequestMessageBytes + limits::kMetadataBytes;
  // From a connection that ends without ever having had a stream: more than this is a flood that gRPC has ended itself,
  // such as one of pings. Whoever made it waits as if it had been reset. Keepalive takes ten hours to come this far.
  static constexpr std::uint64_t kIdleBytes = 64 << 10;
  // How long an address waits at most for gRPC to clear up.
  static constexpr std::chrono::seconds kMostRecovery{5};

  // Begins, on a thread of its own: the one that accepts takes in, for gRPC, what new connections bring. `metrics` must
  // outlive the object.
  explicit ConnectionGuard(Metrics& metrics);
  ~ConnectionGuard();
  ConnectionGuard(const ConnectionGuard&) = delete;
  ConnectionGuard& operator=(const ConnectionGuard&) = delete;

  // Watches a TCP connection from now on, until it ends. gRPC owns `fd` and may close it at any time.
  void Add(int fd);
  // Whether new connections from this address (as http::Accept has it) have to wait: while gRPC clears up after one
  // that was reset, since they would add to it faster than it is done, and as ResetPenalty says.
  bool Waits(const std::string& address);

 private:
  struct Connection {
    std::uint64_t cookie;            // tells it from any other that gets the same descriptor
    std::string peer;                // as gRPC writes it
    std::uint64_t examined = 0;      // bytes that had come when its streams were last looked at
    std::int64_t started = 0;        // streams, at that time
    std::optional<std::int64_t> id;  // gRPC's
  };

  struct Reset {
    std::string address;
    std::int64_t id;
    std::chrono::steady_clock::time_point end;
  };

  void Run();
  void Sweep();
  // Whether the connection has ended, by itself or by this.
  bool Ended(int fd, Connection& connection);
  // Notes one that has ended by itself.
  void NoteEnd(const Connection& connection);
  static std::optional<StreamCounts> StreamsOf(Connection& connection);
  void Close(int fd, const Connection& connection, GrpcAbuse reason);

  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;                              // guarded by mutex_
  std::unordered_map<int, Connection> connections_;  // guarded by mutex_
  std::vector<Reset> resets_;                        // that gRPC still knows; guarded by mutex_
  ResetPenalty penalty_;                             // guarded by mutex_
  std::thread thread_;
};

}  // namespace livekit::token
