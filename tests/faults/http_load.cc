#include "faults/http_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <deque>
#include <iterator>
#include <list>
#include <optional>
#include <string_view>
#include <utility>

#include "faults/http_answer.h"
#include "nlohmann/json.hpp"

namespace livekit::token::faults {
namespace {

constexpr std::size_t kMostConnections = 2000;
constexpr std::chrono::milliseconds kTick{10};

struct Address {
  std::string text;
  sockaddr_in socket{};
  bool leaving = false;
};

struct Connection {
  enum class State { kConnecting, kAwaitingAnswer, kIdle };
  int fd = -1;
  State state = State::kConnecting;
  Address* address = nullptr;
  DueRequest request;
  std::string answer;
  std::list<Connection>::iterator self;
};

std::vector<Address> ParseAddresses(const std::vector<std::string>& texts) {
  std::vector<Address> addresses;
  for (const std::string& text : texts) {
    Address address;
    address.text = text;
    address.socket.sin_family = AF_INET;
    const std::size_t colon = text.rfind(':');
    int port = 0;
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    address.socket.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.socket.sin_addr);
    addresses.push_back(std::move(address));
  }
  return addresses;
}

class Loop {
 public:
  Loop(const HttpLoadOptions& options, Schedule schedule, TokenCheck& check, Tally& tally)
      : options_(options),
        schedule_(schedule),
        check_(check),
        tally_(tally),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        addresses_(ParseAddresses(options.addresses)) {}
  ~Loop() {
    for (Connection& connection : connections_) ::close(connection.fd);
    ::close(epoll_);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Run(const std::atomic<bool>& stop) {
    while (true) {
      const auto now = Clock::now();
      if (stop) schedule_.EndAt(now);
      while (const auto request = schedule_.Take(now)) waiting_.push_back(*request);
      StartWaiting();
      if (schedule_.Over() && waiting_.empty() && idle_.size() == connections_.size()) return;
      Wait(now);
      DropLate();
    }
  }

 private:
  void StartWaiting() {
    while (!waiting_.empty()) {
      const bool more = connections_.size() < options_.connections;
      if (!more && !idle_.empty()) {
        Connection* connection = idle_.front();
        idle_.pop_front();
        connection->request = waiting_.front();
        waiting_.pop_front();
        Send(connection);
      } else if (connections_.size() < kMostConnections) {
        const DueRequest request = waiting_.front();
        waiting_.pop_front();
        Open(request);
      } else {
        return;
      }
    }
  }

  // The next address in turn to which new connections go.
  Address* NextAddress() {
    while (true) {
      Address* address = &addresses_[next_address_++ % addresses_.size()];
      if (!address->leaving) return address;
    }
  }

  void SetLeaving(Address* address) {
    address->leaving = true;
    if (!std::all_of(addresses_.begin(), addresses_.end(), [](const Address& a) { return a.leaving; })) return;
    for (Address& other : addresses_) other.leaving = &other == address && addresses_.size() > 1;
  }

  void Open(const DueRequest& request) {
    connections_.emplace_back();
    Connection* connection = &connections_.back();
    connection->self = std::prev(connections_.end());
    connection->address = NextAddress();
    connection->request = request;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    const auto* address = reinterpret_cast<const sockaddr*>(&connection->address->socket);
    if (connect(connection->fd, address, sizeof(sockaddr_in)) != 0 && errno != EINPROGRESS) {
      return FailConnect(connection, errno);
    }
    epoll_event event{};
    event.events = EPOLLOUT;
    event.data.ptr = connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event);
  }

  void Send(Connection* connection) {
    nlohmann::json body{{"room_name", options_.room}, {"participant_identity", connection->request.identity()}};
    const std::string json = body.dump();
    std::string text = "POST " + options_.path + " HTTP/1.1\r\nHost: " + connection->address->text +
                       "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(json.size());
    if (options_.forwarded) {
      char address[32];
      ++forwarded_;
      std::snprintf(address, sizeof address, "2001:db8:%x:%x::1", forwarded_ >> 16 & 0xffff, forwarded_ & 0xffff);
      text += std::string("\r\nX-Forwarded-For: ") + address;
    }
    if (!options_.credential.empty()) text += "\r\nAuthorization: Bearer " + options_.credential;
    text += "\r\n\r\n" + json;
    connection->answer.clear();
    connection->state = Connection::State::kAwaitingAnswer;
    // Requests are far smaller than any socket buffer.
    const auto sent = send(connection->fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(text.size())) Fail(connection, "reset", std::strerror(errno));
  }

  void Wait(Clock::time_point now) {
    auto until = now + kTick;
    if (!schedule_.Over()) until = std::min<Clock::time_point>(until, schedule_.Next());
    const auto left = std::max<std::int64_t>(0, std::chrono::nanoseconds(until - Clock::now()).count());
    const timespec timeout{0, static_cast<long>(left)};
    epoll_event events[256];
    const int count = epoll_pwait2(epoll_, events, std::size(events), &timeout, nullptr);
    // One event for each connection, so that none has gone by the time it is handled.
    for (int i = 0; i < count; ++i) Handle(static_cast<Connection*>(events[i].data.ptr));
  }

  void Handle(Connection* connection) {
    if (connection->state == Connection::State::kConnecting) return FinishConnect(connection);
    char bytes[16384];
    const auto count = recv(connection->fd, bytes, sizeof(bytes), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (connection->state == Connection::State::kIdle) {
      idle_.erase(std::find(idle_.begin(), idle_.end(), connection));
      tally_.CountEvent(count > 0 ? "unasked_bytes" : "idle_closed");
      return Close(connection);
    }
    if (count < 0) return Fail(connection, errno == ECONNRESET ? "reset" : "closed", std::strerror(errno));
    if (count == 0) return Fail(connection, "closed", std::to_string(connection->answer.size()) + " bytes had come");
    connection->answer.append(bytes, static_cast<std::size_t>(count));
    HttpAnswer answer;
    switch (ReadHttpAnswer(connection->answer, answer)) {
      case HttpProgress::kPartial:
        return;
      case HttpProgress::kBroken:
        return Fail(connection, "broken", connection->answer.substr(0, 200));
      case HttpProgress::kWhole:
        return Finish(connection, answer);
    }
  }

  void FinishConnect(Connection* connection) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return FailConnect(connection, error);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection->fd, &event);
    tally_.CountEvent("connected");
    Send(connection);
  }

  void Finish(Connection* connection, const HttpAnswer& answer) {
    std::string detail;
    const std::string outcome = Judge(connection->request, answer, &detail);
    tally_.Count(outcome, outcome == "201", connection->request.due, detail);
    if (answer.close) {
      tally_.CountEvent("connection_close");
      SetLeaving(connection->address);
      return Close(connection);
    }
    connection->state = Connection::State::kIdle;
    idle_.push_back(connection);
  }

  // The name of the outcome.
  std::string Judge(const DueRequest& request, const HttpAnswer& answer, std::string* detail) {
    if (answer.status != 201) {
      *detail = answer.body.substr(0, 200);
      if (answer.status == 503 && !answer.retry_after) return "503_without_retry_after";
      return std::to_string(answer.status);
    }
    const auto json = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    const auto token = json.is_object() ? json.find("participant_token") : json.end();
    if (!json.is_object() || token == json.end() || !token->is_string()) return "wrong_body";
    const std::string problem = check_.Check(token->get_ref<const std::string&>(), request.identity(), detail);
    return problem.empty() ? "201" : problem;
  }

  void FailConnect(Connection* connection, int error) {
    Fail(connection, error == ECONNREFUSED ? "connect_refused" : "connect_failed", std::strerror(error));
  }

  void Fail(Connection* connection, std::string_view outcome, std::string_view detail) {
    tally_.Count(outcome, false, connection->request.due, connection->address->text + ": " + std::string(detail));
    SetLeaving(connection->address);
    Close(connection);
  }

  void Close(Connection* connection) {
    ::close(connection->fd);
    connections_.erase(connection->self);
  }

  void DropLate() {
    const auto oldest = Clock::now() - options_.patience;
    while (!waiting_.empty() && waiting_.front().due < oldest) {
      tally_.Count("unsent", false, waiting_.front().due);
      waiting_.pop_front();
    }
    for (auto at = connections_.begin(); at != connections_.end();) {
      Connection* connection = &*at++;
      if (connection->state == Connection::State::kIdle || connection->request.due >= oldest) continue;
      const bool connecting = connection->state == Connection::State::kConnecting;
      Fail(connection, connecting ? "connect_timeout" : "timeout", "");
    }
  }

  const HttpLoadOptions& options_;
  unsigned forwarded_ = 0;  // addresses claimed so far
  Schedule schedule_;
  TokenCheck& check_;
  Tally& tally_;
  const int epoll_;
  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  std::list<Connection> connections_;
  std::deque<Connection*> idle_;
  std::deque<DueRequest> waiting_;
};

}  // namespace

void RunHttpLoad(const HttpLoadOptions& options, Schedule schedule, const std::atomic<bool>& stop, TokenCheck& check,
                 Tally& tally) {
  Loop(options, schedule, check, tally).Run(stop);
}

}  // namespace livekit::token::faults
