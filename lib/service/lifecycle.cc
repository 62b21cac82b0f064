#include "service/lifecycle.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <thread>

namespace livekit::token {
namespace {

sigset_t Set(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

int WaitForOne(const sigset_t& set) {
  int number = 0;
  // sigwait fails only for a bad set; EINTR is possible under a debugger.
  while (sigwait(&set, &number) != 0) {
  }
  return number;
}

}  // namespace

void BlockSignals() {
  const sigset_t set = Set({SIGINT, SIGTERM, SIGHUP});
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int WaitForStopSignal(const std::function<void()>& on_hangup) {
  const sigset_t set = Set({SIGINT, SIGTERM, SIGHUP});
  int number = WaitForOne(set);
  for (; number == SIGHUP; number = WaitForOne(set)) {
    if (on_hangup) on_hangup();
  }
  // Whoever signals twice does not want to wait for the drain. _exit, since destructors could be what hangs.
  std::thread([] {
    WaitForOne(Set({SIGINT, SIGTERM}));
    _exit(1);
  }).detach();
  return number;
}

std::vector<Check> Lifecycle::Checks() const {
  std::vector<Check> checks;
  checks.push_back({"started", started(), "something does not serve yet"});
  checks.push_back({"draining", !draining(), "the process is stopping"});
  if (!checks_) return checks;
  for (Check& check : checks_()) checks.push_back(std::move(check));
  return checks;
}

void Lifecycle::Fail() {
  // Once: a second signal would end the process at once.
  if (!draining_ && !failed_.exchange(true)) kill(getpid(), SIGTERM);
}

bool Lifecycle::Ready() const {
  if (!started_ || draining_) return false;
  if (!checks_) return true;
  const std::vector<Check> checks = checks_();
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
}

}  // namespace livekit::token
