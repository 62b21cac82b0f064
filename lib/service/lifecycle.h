// Start and stop of a process: signals, readiness.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace livekit::token {

// Blocks SIGINT, SIGTERM and SIGHUP in this thread and all that it starts, and ignores SIGPIPE. To be called first in
// main, before any thread exists.
void BlockSignals();

// Waits for SIGINT or SIGTERM and returns its number. Until then every SIGHUP calls `on_hangup`, if there is one, in
// this thread: while it runs nothing else is waited for. After the first SIGINT or SIGTERM a further one ends the
// process at once with status 1.
int WaitForStopSignal(const std::function<void()>& on_hangup);

// One thing that readiness depends on.
struct Check {
  std::string name;
  bool ok = true;
  std::string detail;  // if not `ok`, why: our own text, shown to operators on this machine
};

// What the probes tell. Thread safety: all methods may be called concurrently.
class Lifecycle {
 public:
  // `checks` tells what readiness depends on beside start and stop; null: nothing. It is called by several threads,
  // must not block and must stay callable as long as this lives.
  explicit Lifecycle(std::function<std::vector<Check>()> checks = nullptr) : checks_(std::move(checks)) {}

  // Everything serves: /startupz and, unless a check says no, /readyz answer 200.
  void SetStarted() { started_ = true; }
  // The process is stopping: /readyz answers 503 from now on.
  void SetDraining() { draining_ = true; }

  // Something without which the process is of no use has gone and does not come back: stops the process in order, but
  // without delay, and with an exit code that says so. Nothing if it is stopping already.
  void Fail();

  bool started() const { return started_; }
  bool draining() const { return draining_; }
  bool failed() const { return failed_; }
  // Started, not draining, and every check is ok.
  bool Ready() const;
  // What Ready looks at, one by one.
  std::vector<Check> Checks() const;

 private:
  const std::function<std::vector<Check>()> checks_;
  std::atomic<bool> started_{false};
  std::atomic<bool> draining_{false};
  std::atomic<bool> failed_{false};
};

}  // namespace livekit::token
