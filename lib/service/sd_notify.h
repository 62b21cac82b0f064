// Tells systemd how far the process is: the protocol of sd_notify(3), which is a datagram, without its library.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace livekit::token {

// Speaks to the supervisor that NOTIFY_SOCKET names; without one every method does nothing. What cannot be sent is
// lost.
//
// Thread safety: all methods may be called concurrently.
class SystemdNotifier {
 public:
  // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, lest a child speak for this process. To
  // be called while there is one thread.
  SystemdNotifier();
  ~SystemdNotifier();
  SystemdNotifier(const SystemdNotifier&) = delete;
  SystemdNotifier& operator=(const SystemdNotifier&) = delete;

  // Everything serves, for the first time or again after Reloading.
  void Ready() const { Send("READY=1"); }
  void Reloading() const;
  void Stopping() const { Send("STOPPING=1"); }
  // Still alive.
  void Watchdog() const { Send("WATCHDOG=1"); }
  // How long the supervisor waits for Watchdog before it ends the process; nothing if it does not.
  std::optional<std::chrono::microseconds> watchdog_timeout() const { return watchdog_timeout_; }

 private:
  void Send(const std::string& message) const;

  std::string address_;  // path, or a NUL and a name in the abstract namespace
  int fd_ = -1;
  std::optional<std::chrono::microseconds> watchdog_timeout_;
};

}  // namespace livekit::token
