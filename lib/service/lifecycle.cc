#include "service/lifecycle.h"

#include <signal.h>
#include <unistd.h>

#include <thread>

namespace livekit::token {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

int WaitForOne() {
  const sigset_t set = StopSignals();
  int number = 0;
  // sigwait fails only for a bad set; EINTR is possible under a debugger.
  while (sigwait(&set, &number) != 0) {
  }
  return number;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int WaitForStopSignal() {
  const int number = WaitForOne();
  // Whoever signals twice does not want to wait for the drain. _exit, since destructors could be what hangs.
  std::thread([] {
    WaitForOne();
    _exit(1);
  }).detach();
  return number;
}

}  // namespace livekit::token
