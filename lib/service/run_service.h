// What a program does from the moment that it listens to its end.
#pragma once

#include <chrono>
#include <functional>

#include "service/heartbeat.h"
#include "service/lifecycle.h"
#include "service/metrics.h"
#include "service/process.h"
#include "service/sd_notify.h"

namespace livekit::token {

struct Service {
  Lifecycle& lifecycle;
  Metrics& metrics;
  const Heartbeats& heartbeats;
  const SystemdNotifier& systemd;

  // Whether everything that a start needs has been there once; null: it has. Must not block.
  std::function<bool()> has_started = nullptr;
  // Hears of every change of readiness, and at the start that it is ready; null: nobody cares.
  std::function<void(bool)> set_ready = nullptr;
  // Called in the main thread for every SIGHUP; null: nothing is reloaded.
  std::function<void()> reload = nullptr;
  // From now on clients are to move on; they are still served.
  std::function<void()> discourage = nullptr;
  // Refuses new work and finishes what is in progress until the deadline; whether all of it did.
  std::function<bool(std::chrono::steady_clock::time_point)> drain = nullptr;
  std::chrono::milliseconds drain_delay{0};    // from `discourage` to `drain` after SIGTERM; after SIGINT there is none
  std::chrono::milliseconds drain_timeout{0};  // from `drain` to its deadline
};

// Tells probes and supervisor of the start, waits for the signal to stop, and stops in order. Returns how the program
// is to end.
ExitCode RunService(const Service& service);

}  // namespace livekit::token
