#include "service/lifecycle.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

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
                BlockSignals();
                kill(getpid(), number);
                return WaitForStopSignal(nullptr) == number ? 42 : 1;
              }),
              42);
  }
}

TEST(WaitForStopSignal, ASecondSignalEndsTheProcess) {
  EXPECT_EQ(RunInChild([] {
              BlockSignals();
              kill(getpid(), SIGTERM);
              WaitForStopSignal(nullptr);
              kill(getpid(), SIGTERM);
              for (;;) pause();
              return 42;
            }),
            1);
}

TEST(WaitForStopSignal, CallsBackForEveryHangup) {
  EXPECT_EQ(RunInChild([] {
              BlockSignals();
              int calls = 0;
              kill(getpid(), SIGHUP);
              const int number = WaitForStopSignal([&calls] { kill(getpid(), ++calls == 3 ? SIGTERM : SIGHUP); });
              return number == SIGTERM ? calls : 100;
            }),
            3);
}

TEST(WaitForStopSignal, OutlivesAHangupThatNobodyCaresFor) {
  EXPECT_EQ(RunInChild([] {
              BlockSignals();
              kill(getpid(), SIGHUP);
              std::thread later([] {
                sigset_t pending;
                do sigpending(&pending);
                while (sigismember(&pending, SIGHUP) != 0);
                kill(getpid(), SIGINT);
              });
              const int number = WaitForStopSignal(nullptr);
              later.join();
              return number == SIGINT ? 42 : 1;
            }),
            42);
}

TEST(BlockSignals, IgnoresBrokenPipes) {
  EXPECT_EQ(RunInChild([] {
              BlockSignals();
              kill(getpid(), SIGPIPE);
              return 42;
            }),
            42);
}

TEST(Lifecycle, IsReadyBetweenStartAndDrain) {
  Lifecycle lifecycle;
  EXPECT_FALSE(lifecycle.Ready());
  lifecycle.SetStarted();
  EXPECT_TRUE(lifecycle.Ready());
  lifecycle.SetDraining();
  EXPECT_FALSE(lifecycle.Ready());
  EXPECT_TRUE(lifecycle.started());
}

TEST(Lifecycle, IsReadyOnlyWhileEveryCheckIsOk) {
  std::vector<Check> checks{{"a", true, "no a"}, {"b", false, "no b"}};
  Lifecycle lifecycle([&checks] { return checks; });
  lifecycle.SetStarted();
  EXPECT_FALSE(lifecycle.Ready());
  ASSERT_EQ(lifecycle.Checks().size(), 4U);
  EXPECT_EQ(lifecycle.Checks()[3].detail, "no b");
  checks[1].ok = true;
  EXPECT_TRUE(lifecycle.Ready());
  checks.clear();
  EXPECT_TRUE(lifecycle.Ready());
}

}  // namespace
}  // namespace livekit::token
