#include "support/raw_client.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>

namespace livekit::token::testing {

namespace {

void SetPatience(int fd) {
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

}  // namespace

std::optional<std::string> RawResponse::Header(std::string_view lower_name) const {
  std::optional<std::string> found;
  for (const auto& [name, value] : headers) {
    if (name == lower_name) found = found ? *found + ", " + value : value;
  }
  return found;
}

RawClient::RawClient(int port, const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return;
  fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SetPatience(fd_);
  if (connect(fd_, found->ai_addr, found->ai_addrlen) != 0) {
    close(fd_);
    fd_ = -1;
  }
  freeaddrinfo(found);
}

RawClient::RawClient(Connected connection) : fd_(connection.fd) { SetPatience(fd_); }

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = Put(bytes.data(), bytes.size());
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

ssize_t RawClient::Put(const char* data, std::size_t size) { return send(fd_, data, size, MSG_NOSIGNAL); }
ssize_t RawClient::Get(char* to, std::size_t size) { return recv(fd_, to, size, 0); }

std::string RawClient::ReadBytes(std::size_t size) {
  while (input_.size() < size && Receive()) {
  }
  std::string bytes = input_.substr(0, size);
  input_.erase(0, size);
  return bytes;
}

void RawClient::EndSending() { shutdown(fd_, SHUT_WR); }

bool RawClient::Receive() {
  char buffer[65536];
  const ssize_t size = Get(buffer, sizeof buffer);
  if (size <= 0) return false;
  input_.append(buffer, static_cast<std::size_t>(size));
  return true;
}

std::optional<RawResponse> RawClient::Read(bool after_head_request) {
  std::size_t head_end;
  while ((head_end = input_.find("\r\n\r\n")) == std::string::npos) {
    if (!Receive()) return std::nullopt;
  }
  const std::string head = input_.substr(0, head_end + 2);
  input_.erase(0, head_end + 4);
  if (head.rfind("HTTP/1.1 ", 0) != 0 || head.size() < 13) return std::nullopt;
  RawResponse response;
  response.status = std::atoi(head.c_str() + 9);
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    if (colon == std::string::npos || colon > end) return std::nullopt;
    std::string name = head.substr(at, colon - at);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    response.headers.emplace_back(std::move(name), head.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  const std::optional<std::string> length = response.Header("content-length");
  const std::size_t size = after_head_request || !length ? 0 : std::strtoull(length->c_str(), nullptr, 10);
  while (input_.size() < size) {
    if (!Receive()) return std::nullopt;
  }
  response.body = input_.substr(0, size);
  input_.erase(0, size);
  return response;
}

bool RawClient::AtEnd() {
  if (!input_.empty()) return false;
  char byte;
  return Get(&byte, 1) == 0;
}

std::optional<RawResponse> RawClient::Exchange(std::string_view bytes) {
  Send(bytes);
  return Read();
}

std::string PostRequest(std::string_view path, std::string_view body, std::string_view more) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + std::string(more) + "\r\n" + std::string(body);
}

std::string GetRequest(std::string_view path, std::string_view more) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) + "\r\n";
}

}  // namespace livekit::token::testing
