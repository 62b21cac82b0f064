// Load generator of `./dev bench http` for what wrk cannot measure: a new connection per request with the time from
// connect() on (wrk starts its clock when the connection stands), and requests at a fixed rate whose times count from
// when they were due. Prints one line of JSON. Only to 127.0.0.1.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace livekit::token {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr char kUsage[] =
    "usage: http_load --port=N --body=FILE [--path=/getToken] [--connections=1] [--threads=1] [--seconds=3]\n"
    "                 [--close] [--rate=requests/s] [--requests=at most]\n";

struct Options {
  int port = 0;
  int connections = 1;  // at a time, over all threads
  int threads = 1;
  int seconds = 3;
  int rate = 0;                 // per second and thread; 0: the next request as soon as one is answered
  std::uint64_t requests = 0;   // per thread; 0: no bound but time
  bool close = false;           // a new connection per request
  milliseconds patience{2000};  // for an answer, then it is an error
  std::string request;          // as sent
};

struct Result {
  std::uint64_t in_time = 0;  // answers within the measured seconds
  std::uint64_t connect_errors = 0;
  std::uint64_t status_errors = 0;  // answers other than 2xx
  std::uint64_t read_errors = 0;    // ended or unreadable before the answer was whole, or not closed after it
  std::uint64_t timeouts = 0;
  std::vector<std::uint32_t> times;  // of every answer and timeout, in microseconds

  void Add(const Result& other) {
    in_time += other.in_time;
    connect_errors += other.connect_errors;
    status_errors += other.status_errors;
    read_errors += other.read_errors;
    timeouts += other.timeouts;
    times.insert(times.end(), other.times.begin(), other.times.end());
  }
};

// The length of the answer at the start of `bytes`; nothing as long as its header is incomplete, 0 if it has no length.
std::optional<std::size_t> AnswerSize(std::string_view bytes) {
  const auto header = bytes.find("\r\n\r\n");
  if (header == std::string_view::npos) return std::nullopt;
  constexpr std::string_view kName = "\r\ncontent-length:";
  for (std::size_t line = bytes.find("\r\n"); line < header; line = bytes.find("\r\n", line + 2)) {
    if (strncasecmp(bytes.data() + line, kName.data(), kName.size()) != 0) continue;
    const std::size_t begin = bytes.find_first_not_of(' ', line + kName.size());
    std::size_t body = 0;
    std::from_chars(bytes.data() + begin, bytes.data() + header, body);
    return header + 4 + body;
  }
  return 0;
}

// One thread's connections and its loop.
class Worker {
 public:
  Worker(const Options& options, int connections)
      : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)), connections_(connections) {}
  ~Worker() { ::close(epoll_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Result Run() {
    start_ = Clock::now();
    end_ = start_ + std::chrono::seconds(options_.seconds);
    auto next_check = start_ + kCheckEvery;
    for (auto& connection : connections_) idle_.push_back(&connection);
    for (;;) {
      const auto now = Clock::now();
      StartDue(now);
      if (busy_ == 0 && (now >= end_ || AllSent())) break;
      Wait(now);
      if (Clock::now() < next_check) continue;
      next_check += kCheckEvery;
      DropLate();
    }
    CountUnsent();
    for (auto& connection : connections_) {
      if (connection.fd >= 0) ::close(connection.fd);
    }
    return std::move(result_);
  }

 private:
  enum class State { kIdle, kConnecting, kAwaitingAnswer, kAwaitingEnd };
  struct Connection {
    int fd = -1;
    State state = State::kIdle;
    Clock::time_point since;  // when the request was due, or the answer whole
    std::string answer;
  };
  static constexpr milliseconds kCheckEvery{100};

  bool AllSent() const { return options_.requests != 0 && sent_ >= options_.requests; }

  // Starts the requests that are due and for which there is a connection.
  void StartDue(Clock::time_point now) {
    while (!idle_.empty() && now < end_ && !AllSent()) {
      auto due = now;
      if (options_.rate != 0) {
        due = Due();
        if (due > now) return;
      }
      ++sent_;
      Connection* connection = idle_.front();
      idle_.pop_front();
      Start(connection, due);
    }
  }

  Clock::time_point Due() const { return start_ + std::chrono::nanoseconds(1'000'000'000 / options_.rate * sent_); }

  void Start(Connection* connection, Clock::time_point due) {
    ++busy_;
    connection->since = due;
    connection->answer.clear();
    if (connection->fd >= 0) {
      Send(connection);
      return;
    }
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    const int yes = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    const int status = connect(connection->fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    if (status != 0 && errno != EINPROGRESS) {
      Fail(connection, &result_.connect_errors);
      return;
    }
    connection->state = State::kConnecting;
    epoll_event event{};
    event.events = status == 0 ? EPOLLIN : EPOLLOUT;
    event.data.ptr = connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event);
    if (status == 0) Send(connection);
  }

  void Send(Connection* connection) {
    // Requests are far smaller than any socket buffer.
    const auto sent = send(connection->fd, options_.request.data(), options_.request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(options_.request.size())) {
      Fail(connection, &result_.read_errors);
      return;
    }
    connection->state = State::kAwaitingAnswer;
  }

  void Wait(Clock::time_point now) {
    auto until = now + kCheckEvery;
    if (options_.rate != 0 && !idle_.empty() && !AllSent()) until = std::min(until, Due());
    const auto left = std::max<std::int64_t>(0, (until - now).count());
    const timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
    epoll_event events[256];
    const int count = epoll_pwait2(epoll_, events, std::size(events), &timeout, nullptr);
    for (int i = 0; i < count; ++i) Handle(static_cast<Connection*>(events[i].data.ptr));
  }

  void Handle(Connection* connection) {
    if (connection->state == State::kConnecting) {
      int error = 0;
      socklen_t size = sizeof(error);
      getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        Fail(connection, &result_.connect_errors);
        return;
      }
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = connection;
      epoll_ctl(epoll_, EPOLL_CTL_MOD, connection->fd, &event);
      Send(connection);
      return;
    }
    char bytes[16384];
    const auto count = recv(connection->fd, bytes, sizeof(bytes), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      if (connection->state == State::kAwaitingAnswer) {
        Fail(connection, &result_.read_errors);
      } else {
        Close(connection);
      }
      return;
    }
    if (connection->state != State::kAwaitingAnswer) {  // bytes that nobody asked for
      Fail(connection, &result_.read_errors);
      return;
    }
    connection->answer.append(bytes, static_cast<std::size_t>(count));
    const auto size = AnswerSize(connection->answer);
    if (!size || connection->answer.size() < *size) return;
    if (connection->answer.size() != *size) {
      Fail(connection, &result_.read_errors);
      return;
    }
    Finish(connection);
  }

  void Finish(Connection* connection) {
    const auto now = Clock::now();
    result_.times.push_back(static_cast<std::uint32_t>(duration_cast<microseconds>(now - connection->since).count()));
    if (now < end_) ++result_.in_time;
    // "HTTP/1.1 2".
    if (connection->answer.size() < 10 || connection->answer[9] != '2') ++result_.status_errors;
    if (options_.close) {
      // The server closes, so that its side keeps the TIME_WAIT and we do not run out of ports.
      connection->state = State::kAwaitingEnd;
      connection->since = now;
      return;
    }
    connection->state = State::kIdle;
    --busy_;
    idle_.push_back(connection);
  }

  void Fail(Connection* connection, std::uint64_t* counter) {
    ++*counter;
    Close(connection);
  }

  void Close(Connection* connection) {
    ::close(connection->fd);
    connection->fd = -1;
    if (connection->state == State::kIdle) return;  // parked: still in the queue
    connection->state = State::kIdle;
    --busy_;
    idle_.push_back(connection);
  }

  // Requests that were due, but all connections hung. They are as late as it gets.
  void CountUnsent() {
    std::uint64_t all = static_cast<std::uint64_t>(options_.rate) * options_.seconds;
    if (options_.requests != 0) all = std::min(all, options_.requests);
    for (; sent_ < all; ++sent_) AddTimeout();
  }

  void AddTimeout() {
    ++result_.timeouts;
    result_.times.push_back(static_cast<std::uint32_t>(duration_cast<microseconds>(options_.patience).count()));
  }

  void DropLate() {
    const auto now = Clock::now();
    for (auto& connection : connections_) {
      if (connection.state == State::kIdle || now - connection.since < options_.patience) continue;
      if (connection.state == State::kAwaitingEnd) {
        Fail(&connection, &result_.read_errors);
      } else {
        AddTimeout();
        Close(&connection);
      }
    }
  }

  const Options& options_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::deque<Connection*> idle_;
  Clock::time_point start_, end_;
  std::uint64_t sent_ = 0;
  int busy_ = 0;
  Result result_;
};

double Percentile(const std::vector<std::uint32_t>& sorted, double part) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(part * static_cast<double>(sorted.size()));
  return sorted[std::min(index, sorted.size() - 1)];
}

void Print(const Options& options, Result result) {
  std::sort(result.times.begin(), result.times.end());
  std::printf(
      "{\"requests\": %zu, \"per_second\": %.1f, \"p50_us\": %.0f, \"p99_us\": %.0f, \"max_us\": %.0f, "
      "\"connect_errors\": %llu, \"status_errors\": %llu, \"read_errors\": %llu, \"timeouts\": %llu}\n",
      result.times.size(), static_cast<double>(result.in_time) / options.seconds, Percentile(result.times, 0.5),
      Percentile(result.times, 0.99), Percentile(result.times, 1.0),
      static_cast<unsigned long long>(result.connect_errors), static_cast<unsigned long long>(result.status_errors),
      static_cast<unsigned long long>(result.read_errors), static_cast<unsigned long long>(result.timeouts));
}

[[noreturn]] void Usage() {
  std::fputs(kUsage, stderr);
  std::exit(2);
}

int Number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number <= 0) Usage();
  return number;
}

Options Parse(int argc, char** argv) {
  Options options;
  std::string path = "/getToken", body;
  const std::map<std::string_view, int*> numbers = {{"--port", &options.port},
                                                    {"--connections", &options.connections},
                                                    {"--threads", &options.threads},
                                                    {"--seconds", &options.seconds},
                                                    {"--rate", &options.rate}};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto equals = std::min(argument.find('='), argument.size());
    const auto name = argument.substr(0, equals);
    const auto value = argument.substr(std::min(equals + 1, argument.size()));
    if (const auto number = numbers.find(name); number != numbers.end()) {
      *number->second = Number(value);
    } else if (name == "--requests") {
      options.requests = static_cast<std::uint64_t>(Number(value));
    } else if (name == "--path") {
      path = value;
    } else if (argument == "--close") {
      options.close = true;
    } else if (name == "--body") {
      std::ifstream file{std::string(value), std::ios::binary};
      body.assign(std::istreambuf_iterator<char>(file), {});
    } else {
      Usage();
    }
  }
  if (options.port == 0 || body.empty() || options.connections < options.threads) Usage();
  options.request = "POST " + path +
                    " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
                    std::to_string(body.size()) + (options.close ? "\r\nConnection: close" : "") + "\r\n\r\n" + body;
  return options;
}

int Main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  std::vector<Result> results(options.threads);
  std::vector<std::thread> threads;
  for (int i = 0; i < options.threads; ++i) {
    const int connections = options.connections / options.threads + (i < options.connections % options.threads ? 1 : 0);
    threads.emplace_back([&, i, connections] { results[i] = Worker(options, connections).Run(); });
  }
  for (auto& thread : threads) thread.join();
  Result all;
  for (const auto& result : results) all.Add(result);
  Print(options, std::move(all));
  return 0;
}

}  // namespace
}  // namespace livekit::token

int main(int argc, char** argv) { return livekit::token::Main(argc, argv); }
