#include "server/connection_guard.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <malloc.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <iterator>

#include "server/token_service.h"
#include "service/flood_limit.h"
#include "service/log.h"

namespace livekit::token {
namespace {

// With fewer bytes than this nobody opens kMostStreams: a stream takes 14 at least.
constexpr std::uint64_t kExamineEvery = 8 << 10;

constexpr std::array<std::string_view, 2> kSentences = {"too many streams", "more bytes than its streams can carry"};

using SteadyClock = std::chrono::steady_clock;

// Of this thread. By the clock a sweep takes long just when a flood takes the processors.
SteadyClock::duration CpuTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Unlike the number of a descriptor never used again (SO_COOKIE); 0 if `fd` is no socket.
std::uint64_t CookieOf(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

// As gRPC writes peers; empty if the connection is over.
std::string PeerOf(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return std::string("ipv4:") + text.data() + ":" + std::to_string(ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  const std::string port = std::to_string(ntohs(v6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
    return std::string("ipv4:") + text.data() + ":" + port;
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return std::string("ipv6:%5B") + text.data() + "%5D:" + port;
}

// Bytes that have come and nobody has taken.
std::optional<std::uint64_t> BytesWaiting(int fd) {
  int waiting = 0;
  if (ioctl(fd, SIOCINQ, &waiting) != 0) return {};
  return static_cast<std::uint64_t>(waiting);
}

// Bytes that gRPC has taken.
std::optional<std::uint64_t> BytesTaken(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  // In this order, since what comes in between must not count as waiting only.
  const auto waiting = BytesWaiting(fd);
  if (!waiting || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
  return info.tcpi_bytes_received > *waiting ? info.tcpi_bytes_received - *waiting : 0;
}

}  // namespace

ConnectionGuard::ConnectionGuard(Metrics& metrics) : metrics_(metrics), thread_([this] { Run(); }) {}

ConnectionGuard::~ConnectionGuard() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ConnectionGuard::Add(int fd) {
  const std::uint64_t cookie = CookieOf(fd);
  if (cookie == 0) return;
  {
    const std::lock_guard lock(mutex_);
    const auto now = SteadyClock::now();
    Connection& connection = connections_[fd];
    NoteEnd(connection);  // of the one that had the descriptor before, if any
    connection = {.cookie = cookie, .peer = PeerOf(fd), .begin = now, .window = now, .id = {}};
  }
  changed_.notify_all();
}

bool ConnectionGuard::Waits(const std::string& address) {
  const std::lock_guard lock(mutex_);
  return penalty_.Waits(address, SteadyClock::now()) ||
         std::any_of(resets_.begin(), resets_.end(), [&](const Reset& reset) { return reset.address == address; });
}

bool ConnectionGuard::Floods(int fd, const std::string& address) {
  if (BytesWaiting(fd).value_or(0) <= kWithoutStream) return false;
  const std::lock_guard lock(mutex_);
  NoteReset(address, GrpcAbuse::kBytes);
  return true;
}

void ConnectionGuard::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !connections_.empty() || !resets_.empty(); });
    // A twentieth of a processor, unless that would be too late for a flood.
    const auto twentieth = 20 * Sweep();
    const auto pause = busy_ ? std::clamp<SteadyClock::duration>(twentieth, kShortInterval, kInterval)
                             : std::clamp<SteadyClock::duration>(twentieth, kInterval, 5 * kInterval);
    const auto begin = SteadyClock::now();
    if (changed_.wait_for(lock, pause, [this] { return ending_; })) return;
    if (const auto now = SteadyClock::now(); now - begin > pause + kHalt) lenient_until_ = now + 2 * kHalt;
  }
}

SteadyClock::duration ConnectionGuard::Sweep() {
  const auto cleared = std::erase_if(
      resets_, [now = SteadyClock::now()](const Reset& reset) { return now > reset.end || !CountStreams(reset.id); });
  // Otherwise the C library keeps what each flood took, in the arenas of several threads.
  if (cleared != 0 && resets_.empty()) malloc_trim(0);
  const auto used = CpuTime();
  busy_ = false;
  for (auto it = connections_.begin(); it != connections_.end();) {
    it = Ended(it->first, it->second) ? connections_.erase(it) : std::next(it);
  }
  return CpuTime() - used;
}

bool ConnectionGuard::Ended(int fd, Connection& connection) {
  const auto taken = CookieOf(fd) == connection.cookie ? BytesTaken(fd) : std::nullopt;
  if (!taken) {
    NoteEnd(connection);
    return true;
  }
  // Looked at again and again, since gRPC may have read a request that it has not yet understood.
  const bool idle = connection.started == 0 && *taken > kWithoutStream;
  if (*taken < connection.examined + kExamineEvery && !idle && !connection.busy) return false;
  connection.examined = *taken;
  // One that gRPC does not know is in a handshake, or gRPC ends it but goes on reading.
  const StreamCounts streams = StreamsOf(connection).value_or(StreamCounts{});
  connection.started = std::max(connection.started, streams.started);
  if (*taken > MostBytes(connection)) {
    Close(fd, connection, GrpcAbuse::kBytes);
    return true;
  }
  if (!TooMany(connection, streams)) return false;
  Close(fd, connection, GrpcAbuse::kStreams);
  return true;
}

bool ConnectionGuard::TooMany(Connection& connection, const StreamCounts& streams) {
  const auto now = SteadyClock::now();
  const std::int64_t silent = streams.started - streams.messages;
  if (now - connection.window > kWindow) {
    connection.window = now;
    connection.silent = silent;
  }
  const std::int64_t lately = silent - connection.silent;
  connection.busy = std::max(streams.live, lately) > kManyStreams;
  if (!connection.busy) return false;
  busy_ = true;
  if (streams.live > kMostStreams) return true;
  if (now < lenient_until_) return false;
  return lately > (penalty_.Knows(PeerAddress(connection.peer)) ? kMostSilentStreamsAgain : kMostSilentStreams);
}

void ConnectionGuard::NoteEnd(const Connection& connection) {
  if (connection.examined <= MostBytes(connection)) return;
  penalty_.Add(PeerAddress(connection.peer), SteadyClock::now());
}

std::uint64_t ConnectionGuard::MostBytes(const Connection& connection) {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - connection.begin);
  return kWithoutStream + kPerSecond * static_cast<std::uint64_t>(age.count()) +
         kPerStream * static_cast<std::uint64_t>(connection.started);
}

std::optional<StreamCounts> ConnectionGuard::StreamsOf(Connection& connection) {
  if (!connection.id) {
    const auto all = ServerConnections();
    const auto found = all.find(connection.peer);
    if (found == all.end()) return std::nullopt;
    connection.id = found->second;
  }
  return CountStreams(*connection.id);
}

void ConnectionGuard::Close(int fd, const Connection& connection, GrpcAbuse reason) {
  // A descriptor of our own, which nobody else closes and opens anew meanwhile.
  const http::Fd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own.valid() || CookieOf(own.get()) != connection.cookie) return;
  const std::string address = PeerAddress(connection.peer);
  NoteReset(address, reason);
  // Unlike shutdown() this also throws away what has come and not been read, up to 6 MiB.
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  (void)connect(own.get(), &none, sizeof none);
  if (connection.id) resets_.push_back({address, *connection.id, SteadyClock::now() + kMostRecovery});
}

void ConnectionGuard::NoteReset(const std::string& address, GrpcAbuse reason) {
  metrics_.GrpcConnectionAborted(reason);
  const auto now = SteadyClock::now();
  penalty_.Add(address, now);
  static FloodLimit limit;
  const auto suppressed = limit.Admit(std::hash<std::string>()(address), now);
  if (!suppressed) return;
  Log(LogLevel::kWarn, "grpc_connection_aborted",
      {{"peer_ip", std::string_view(address)},
       {"why", kSentences[static_cast<std::size_t>(reason)]},
       {"suppressed", *suppressed}});
}

}  // namespace livekit::token
