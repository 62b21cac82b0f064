// A client, and servers that do what a test writes, well-behaved or not.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "http/client.h"
#include "http/socket.h"
#include "support/status_matchers.h"

namespace livekit::token::http {

MATCHER_P2(HasCode, code, sentence, "has this code and its message contains " + std::string(sentence)) {
  const absl::Status& status = testing::GetStatus(arg);
  *result_listener << testing::Describe(status);
  return status.code() == code && std::string(status.message()).find(sentence) != std::string::npos;
}

// One connection of a ScriptedServer.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}

  // Reads a request with as much of a body as `Content-Length` says; empty if the client ends before.
  std::string ReadRequest() {
    std::string request;
    std::size_t end = std::string::npos;
    char buffer[4096];
    for (;;) {
      if (end == request.npos) end = request.find("\r\n\r\n");
      if (end != request.npos && request.size() >= end + 4 + BodyLength(request)) return request;
      const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
      if (count <= 0) return "";
      request.append(buffer, static_cast<std::size_t>(count));
    }
  }
  // False once the client has ended the connection.
  bool Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  // Waits until the client ends the connection.
  void AwaitEnd() const {
    char buffer[4096];
    while (recv(fd_, buffer, sizeof buffer, 0) > 0) {
    }
  }

 private:
  static std::size_t BodyLength(const std::string& request) {
    const std::size_t at = request.find("Content-Length: ");
    return at == request.npos ? 0 : std::strtoul(request.c_str() + at + 16, nullptr, 10);
  }

  int fd_;
};

// Calls the script for every connection, each in a thread of its own, and ends the connection after it. A script must
// end when its client does. What it uses must have been made before the server.
class ScriptedServer {
 public:
  using Script = std::function<void(Peer&)>;

  explicit ScriptedServer(Script script, const std::string& address = "127.0.0.1:0") : script_(std::move(script)) {
    auto listeners = Listen(address);
    if (!listeners.ok()) std::abort();  // the machine is out of sockets
    listeners_ = *std::move(listeners);
    thread_ = std::thread([this] { AcceptAll(); });
  }
  ~ScriptedServer() {
    shutdown(listeners_.fds.front().get(), SHUT_RDWR);
    thread_.join();
    for (const Fd& fd : open_) shutdown(fd.get(), SHUT_RDWR);
    for (std::thread& thread : serving_) thread.join();
  }

  int port() const { return listeners_.address.port; }
  std::string Url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port()) + path; }
  int connections() const { return connections_; }

 private:
  void AcceptAll() {
    for (;;) {
      pollfd ready{listeners_.fds.front().get(), POLLIN, 0};
      if (poll(&ready, 1, -1) < 0) return;
      const int fd = accept4(ready.fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0 && (ready.revents & POLLHUP) != 0) return;
      if (fd < 0) continue;
      ++connections_;
      open_.emplace_back(fd);
      serving_.emplace_back([this, fd] {
        Peer peer(fd);
        script_(peer);
        shutdown(fd, SHUT_RDWR);
      });
    }
  }

  const Script script_;
  Listeners listeners_;
  std::atomic<int> connections_ = 0;
  std::list<Fd> open_;                // of the accepting thread
  std::vector<std::thread> serving_;  // of the accepting thread
  std::thread thread_;
};

// Answers every request on a connection with what `answer` makes of it.
inline ScriptedServer::Script Answering(std::function<std::string(const std::string& request)> answer) {
  return [answer = std::move(answer)](Peer& peer) {
    for (;;) {
      const std::string request = peer.ReadRequest();
      if (request.empty() || !peer.Send(answer(request))) return;
    }
  };
}

// An answer whose body has its length, and `more` header lines, each with its line end.
inline std::string Answer(std::string_view status, std::string_view body = "", std::string_view more = "") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}
inline std::string RedirectTo(std::string_view location, std::string_view status = "302 Found") {
  return Answer(status, "", "Location: " + std::string(location) + "\r\n");
}

class ClientTest : public ::testing::Test {
 protected:
  using Result = absl::StatusOr<ClientResponse>;

  void SetUp() override { Restart(); }
  void Restart(const ClientOptions& options = {}) {
    client_.reset();
    ASSERT_OK_AND_ASSIGN(client_, Client::Start(options));
  }

  // A request over plain HTTP with so much time that no slow machine needs it.
  static ClientRequest Plain(const std::string& url) {
    ClientRequest request;
    request.url = url;
    request.allow_http = true;
    request.connect_timeout = std::chrono::seconds(60);
    request.timeout = std::chrono::seconds(60);
    return request;
  }
  // The same with so little that the test need not wait for it.
  static ClientRequest Impatient(const std::string& url) {
    ClientRequest request = Plain(url);
    request.timeout = std::chrono::milliseconds(200);
    return request;
  }

  std::future<Result> Begin(ClientRequest request) {
    auto promise = std::make_shared<std::promise<Result>>();
    auto result = promise->get_future();
    client_->Fetch(std::move(request), [promise](Result r) { promise->set_value(std::move(r)); });
    return result;
  }
  Result Ask(ClientRequest request) { return Begin(std::move(request)).get(); }
  Result Ask(const std::string& url) { return Ask(Plain(url)); }

  std::unique_ptr<Client> client_;
};

}  // namespace livekit::token::http
