#include "service/run_service.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "service/clock_watch.h"
#include "service/log.h"

namespace livekit::token {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kStartInterval{20};
constexpr std::chrono::milliseconds kInterval{1000};
// From the deadline of the drain to the end of the process.
constexpr std::chrono::milliseconds kGrace{1000};
// For the lines that are left then.
constexpr std::chrono::milliseconds kLastFlush{100};

// Ends the process then if it is still there. Requests that were cut off may wait for somebody who is asked about a
// credential, and what they need cannot go before they end.
void EndBy(Clock::time_point time) {
  std::thread([time] {
    std::this_thread::sleep_until(time);
    Log(LogLevel::kWarn, "stopped", {{"clean", false}});
    FlushLog(kLastFlush);
    _exit(kExitDrainDeadline);
  }).detach();
}

// Looks at the process from time to time, in a thread of its own, and tells others what has become of it.
class Watcher {
 public:
  explicit Watcher(const Service& service) : service_(service) {
    Look();
    thread_ = std::thread([this] { Run(); });
  }
  ~Watcher() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void Run() {
    Clock::duration interval = kInterval;
    // Half of it, as sd_watchdog_enabled(3) recommends.
    if (const auto timeout = service_.systemd.watchdog_timeout())
      interval = std::min<Clock::duration>(interval, *timeout / 2);
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(
        lock, service_.lifecycle.started() ? interval : std::min<Clock::duration>(interval, kStartInterval),
        [this] { return stopping_; })) {
      Look();
    }
  }

  void Look() {
    if (!service_.lifecycle.started() && (!service_.has_started || service_.has_started())) {
      service_.lifecycle.SetStarted();
      Log(LogLevel::kInfo, "started");
      service_.systemd.Ready();
    }
    const bool ready = service_.lifecycle.Ready();
    if (ready != was_ready_ && service_.set_ready) service_.set_ready(ready);
    was_ready_ = ready;
    if (const auto jump = clock_.Look(std::chrono::system_clock::now(), Clock::now())) {
      service_.metrics.ClockJumped();
      Log(LogLevel::kWarn, "clock_jump", {{"seconds", jump->count()}});
    }
    const std::vector<std::string> late = service_.heartbeats.Late(Clock::now());
    if (late.empty()) service_.systemd.Watchdog();
    if (was_stuck_ && late.empty()) Log(LogLevel::kInfo, "no_longer_stuck");
    if (!was_stuck_ && !late.empty()) Log(LogLevel::kError, "stuck", {{"name", std::string_view(late.front())}});
    was_stuck_ = !late.empty();
  }

  const Service& service_;
  ClockWatch clock_{std::chrono::system_clock::now(), Clock::now()};
  bool was_ready_ = false;
  bool was_stuck_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace

ExitCode RunService(const Service& service) {
  Watcher watcher(service);
  const int signal = WaitForStopSignal([&service] {
    if (!service.reload) return;
    // What has not started yet has nothing to go back to, and must not be called ready.
    const bool tell = service.lifecycle.started();
    if (tell) service.systemd.Reloading();
    service.reload();
    if (tell) service.systemd.Ready();
  });
  const bool failed = service.lifecycle.failed();
  Log(LogLevel::kInfo, "draining", {{"signal", signal}});
  service.lifecycle.SetDraining();
  service.metrics.Draining();
  service.systemd.Stopping();
  service.discourage();
  if (signal == SIGTERM && !failed) std::this_thread::sleep_for(service.drain_delay);
  const auto deadline = Clock::now() + service.drain_timeout;
  EndBy(deadline + kGrace);
  const bool clean = service.drain(deadline);
  Log(clean ? LogLevel::kInfo : LogLevel::kWarn, "stopped", {{"clean", clean}});
  if (failed) return kExitFailure;
  return clean ? kExitClean : kExitDrainDeadline;
}

}  // namespace livekit::token
