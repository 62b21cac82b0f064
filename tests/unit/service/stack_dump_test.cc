#include "service/stack_dump.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Dump() {
  std::FILE* const file = std::tmpfile();
  DumpStacks(fileno(file));
  std::string text;
  std::rewind(file);
  for (int c = 0; (c = std::fgetc(file)) != EOF;) text.push_back(static_cast<char>(c));
  std::fclose(file);
  return text;
}

// A thread with this name that waits, with its signals blocked or not.
class Waiting {
 public:
  Waiting(const char* name, bool blocked)
      : thread_([this, name, blocked] {
          pthread_setname_np(pthread_self(), name);
          sigset_t all;
          sigfillset(&all);
          if (blocked) pthread_sigmask(SIG_BLOCK, &all, nullptr);
          waits_.set_value();
          end_.get_future().wait();
        }) {
    waits_.get_future().wait();
  }
  ~Waiting() {
    end_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> waits_;
  std::promise<void> end_;
  std::thread thread_;
};

// ThreadSanitizer holds signals back from threads that wait in calls which it does not know.
#ifdef _GLIBCXX_TSAN
constexpr bool kSignalsAreHeldBack = true;
#else
constexpr bool kSignalsAreHeldBack = false;
#endif

TEST(DumpStacks, WritesEveryThread) {
  if (kSignalsAreHeldBack) GTEST_SKIP();
  const Waiting one("first", false);
  const Waiting two("second", false);
  // Twice: nothing is used up.
  for (int i = 0; i < 2; ++i) {
    const std::string text = Dump();
    EXPECT_THAT(text, ContainsRegex("thread [0-9]+ first\n[^\n]*\\[0x[0-9a-f]+\\]\n")) << text;
    EXPECT_THAT(text, ContainsRegex("thread [0-9]+ second\n[^\n]*\\[0x[0-9a-f]+\\]\n")) << text;
    EXPECT_THAT(text, Not(HasSubstr("does not answer")));
  }
}

TEST(DumpStacks, PassesOverAThreadThatDoesNotAnswer) {
  if (kSignalsAreHeldBack) GTEST_SKIP();
  const Waiting one("deaf", true);
  const Waiting two("hearing", false);
  const std::string text = Dump();
  EXPECT_THAT(text, ContainsRegex("thread [0-9]+ deaf\ndoes not answer\n"));
  EXPECT_THAT(text, ContainsRegex("thread [0-9]+ hearing\n[^\n]*\\[0x[0-9a-f]+\\]\n"));
}

}  // namespace
}  // namespace livekit::token
