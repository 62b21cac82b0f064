// Start and stop of a process: signals, readiness.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>

namespace livekit::token {

// Blocks SIGINT and SIGTERM in this thread and all that it starts, and ignores SIGPIPE. To be called first in main,
// before any thread exists.
void BlockStopSignals();

// Waits for SIGINT or SIGTERM and returns its number. A further one ends the process at once with status 1.
int WaitForStopSignal();

// What the probes tell. Thread safety: all methods may be called concurrently.
class Lifecycle {
 public:
  // Everything serves: /startupz and, unless `ready` says no, /readyz answer 200.
  void SetStarted() { started_ = true; }
  // The process is stopping: /readyz answers 503 from now on.
  void SetDraining() { draining_ = true; }
  bool started() const { return started_; }
  bool draining() const { return draining_; }
  bool ready() const { return started_ && !draining_; }

 private:
  std::atomic<bool> started_{false};
  std::atomic<bool> draining_{false};
};

}  // namespace livekit::token
