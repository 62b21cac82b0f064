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

#include "base/clock.h"
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
// more live streams than an honest client can have, or from which more has come than their streams can carry. While
// gRPC takes in what a flood brings and clears it up, its two threads serve nobody else; so this has to be found out
// soon.
//
// Thread safety: all methods may be called concurrently.
class ConnectionGuard {
 public:
  static constexpr std::chrono::milliseconds kInterval{20};
  // While a connection has more than kManyStreams of either kind.
  static constexpr std::chrono::milliseconds kShortInterval{5};
  static constexpr std::int64_t kManyStreams = 100;
  // Three times what a connection may have open: a gateway gives up on calls that take too long, and while the process
  // is not running (a halt of five seconds) it makes that many anew.
  static constexpr std::int64_t kMostStreams = 2100;
  // That begin in this time without a request reaching their call, whether they have ended or not: half as many again
  // as a client may have that sends many calls at once, whose messages wait until it has been told that there is room.
  static constexpr std::chrono::seconds kWindow{1};
  static constexpr std::int64_t kMostSilentStreams = 1050;
  // The same from an address that has to wait if it is reset once more.
  static constexpr std::int64_t kMostSilentStreamsAgain = 700;
  // By how much this comes too late when the process was not running: then calls have piled up whose requests nobody
  // has taken, and for twice as long kMostStreams alone holds.
  static constexpr std::chrono::milliseconds kHalt{500};
  // Bytes that may come without a stream, beside those of each second (pings, one each five seconds, take 3.4) and
  // those of each stream. How much comes beside what is answered says nothing: an end user may have a gateway send
  // large requests whose refusals are small. Who has to wait must not send more than this at all: the libraries of gRPC
  // begin with calls when they have been told our settings.
  static constexpr std::uint64_t kWithoutStream = 64 << 10;
  static constexpr std::uint64_t kPerSecond = 16;
  static constexpr std::uint64_t kPerStream = limits::kRequestMessageBytes + limits::kMetadataBytes;
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
  // Whether so much has come on a connection that waits that it is a flood. Then its address waits on.
  bool Floods(int fd, const std::string& address);

 private:
  struct Connection {
    std::uint64_t cookie = 0;  // tells it from any other that gets the same descriptor
    std::string peer;          // as gRPC writes it
    SteadyTime begin;
    std::uint64_t examined = 0;      // bytes that had come when its streams were last looked at
    std::int64_t started = 0;        // streams, at that time
    SteadyTime window;               // when this one began
    std::int64_t silent = 0;         // streams without a request until then
    bool busy = false;               // it had more than kManyStreams
    std::optional<std::int64_t> id;  // gRPC's
  };

  struct Reset {
    std::string address;
    std::int64_t id;
    std::chrono::steady_clock::time_point end;
  };

  void Run();
  // Time of the processor that it took to look at the connections.
  std::chrono::steady_clock::duration Sweep();
  // Whether it has more streams than it may have.
  bool TooMany(Connection& connection, const StreamCounts& streams);
  // Whether the connection has ended, by itself or by this.
  bool Ended(int fd, Connection& connection);
  // Notes one that has ended by itself, or by gRPC: that ends floods such as those of pings.
  void NoteEnd(const Connection& connection);
  static std::optional<StreamCounts> StreamsOf(Connection& connection);
  // Bytes that may have come by now.
  static std::uint64_t MostBytes(const Connection& connection);
  void Close(int fd, const Connection& connection, GrpcAbuse reason);
  // Counts and logs what has been reset, and lets its address wait.
  void NoteReset(const std::string& address, GrpcAbuse reason);

  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;                              // guarded by mutex_
  std::unordered_map<int, Connection> connections_;  // guarded by mutex_
  std::vector<Reset> resets_;                        // that gRPC still knows; guarded by mutex_
  ResetPenalty penalty_;                             // guarded by mutex_
  bool busy_ = false;                                // one of the connections is; guarded by mutex_
  SteadyTime lenient_until_;                         // guarded by mutex_
  std::thread thread_;
};

}  // namespace livekit::token
