#include "service/sd_notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace livekit::token {
namespace {

// The variable's value, which nobody sees any more.
std::string Take(const char* name) {
  const char* const value = std::getenv(name);
  const std::string result = value == nullptr ? "" : value;
  unsetenv(name);
  return result;
}

std::optional<std::int64_t> ParseNumber(const std::string& text) {
  std::int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

}  // namespace

SystemdNotifier::SystemdNotifier() {
  const std::string socket_name = Take("NOTIFY_SOCKET");
  const auto timeout = ParseNumber(Take("WATCHDOG_USEC"));
  const std::string pid = Take("WATCHDOG_PID");
  const bool known = !socket_name.empty() && (socket_name[0] == '/' || socket_name[0] == '@');
  if (!known || socket_name.size() >= sizeof(sockaddr_un::sun_path)) return;
  // Open all the time: when descriptors have run out the process still is alive.
  fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const timeval patience{1, 0};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  address_ = socket_name;
  if (address_[0] == '@') address_[0] = '\0';
  if (timeout && (pid.empty() || ParseNumber(pid) == getpid())) {
    watchdog_timeout_ = std::chrono::microseconds(*timeout);
  }
}

SystemdNotifier::~SystemdNotifier() {
  if (fd_ >= 0) close(fd_);
}

void SystemdNotifier::Reloading() const {
  // CLOCK_MONOTONIC, as the protocol wants it, is what this clock is in Linux.
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  Send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros));
}

void SystemdNotifier::Send(const std::string& message) const {
  if (fd_ < 0) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  sendto(fd_, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace livekit::token
