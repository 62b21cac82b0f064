#include "service/lifecycle.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

// Runs `body` in a child, since signals and _exit concern the whole process; returns its exit status, or -1 if a signal
// ended it.
template <typename Body>
int RunInChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(WaitForStopSignal, ReturnsTheSignal) {
  for (const int number : {SIGINT, SIGTERM}) {
    EXPECT_EQ(RunInChild([number] {
                BlockStopSignals();
                kill(getpid(), number);
                return WaitForStopSignal() == number ? 42 : 1;
              }),
              42);
  }
}

TEST(WaitForStopSignal, ASecondSignalEndsTheProcess) {
  EXPECT_EQ(RunInChild([] {
              BlockStopSignals();
              kill(getpid(), SIGTERM);
              WaitForStopSignal();
              kill(getpid(), SIGTERM);
              for (;;) pause();
              return 42;
            }),
            1);
}

TEST(BlockStopSignals, IgnoresBrokenPipes) {
  EXPECT_EQ(RunInChild([] {
              BlockStopSignals();
              kill(getpid(), SIGPIPE);
              return 42;
            }),
            42);
}

TEST(Lifecycle, IsReadyBetweenStartAndDrain) {
  Lifecycle lifecycle;
  EXPECT_FALSE(lifecycle.ready());
  lifecycle.SetStarted();
  EXPECT_TRUE(lifecycle.ready());
  lifecycle.SetDraining();
  EXPECT_FALSE(lifecycle.ready());
  EXPECT_TRUE(lifecycle.started());
}

}  // namespace
}  // namespace livekit::token
