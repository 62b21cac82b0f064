#include "service/stack_dump.h"

#include <dirent.h>
#include <execinfo.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace livekit::token {
namespace {

constexpr int kFrames = 64;
constexpr long kPatienceNanos = 200'000'000;

// What the dumping thread and the handler share.
std::atomic<pid_t> turn{0};  // the thread that is to write; 0 as soon as it does, or nobody is asked
std::atomic<int> target_fd{-1};
sem_t written;

pid_t ThreadId() { return static_cast<pid_t>(syscall(SYS_gettid)); }

// Runs in every thread by turns. Only what POSIX and glibc allow in a handler: backtrace allocates when it is called
// first, which DumpStacks has done.
void WriteOwnStack(int /*signal*/) {
  const int error = errno;
  pid_t self = ThreadId();
  if (turn.compare_exchange_strong(self, 0)) {
    void* frames[kFrames];
    backtrace_symbols_fd(frames, backtrace(frames, kFrames), target_fd);
    sem_post(&written);
  }
  errno = error;
}

std::vector<pid_t> Threads() {
  std::vector<pid_t> threads;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/task"), closedir);
  if (folder == nullptr) return threads;
  while (const dirent* const entry = readdir(folder.get())) {
    if (const int id = std::atoi(entry->d_name); id > 0) threads.push_back(id);
  }
  return threads;
}

std::string NameOf(pid_t thread) {
  std::string name;
  std::getline(std::ifstream("/proc/self/task/" + std::to_string(thread) + "/comm"), name);
  return name;
}

// Whether the thread has written its stack.
bool Ask(pid_t thread, int signal) {
  turn = thread;
  if (syscall(SYS_tgkill, getpid(), thread, signal) != 0) return false;
  timespec until{};
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += kPatienceNanos;
  until.tv_sec += until.tv_nsec / 1'000'000'000;
  until.tv_nsec %= 1'000'000'000;
  int result = 0;
  while ((result = sem_timedwait(&written, &until)) != 0 && errno == EINTR) {
  }
  if (result == 0) return true;
  // It may have begun just now; then it is waited for, since it would write into the next one's part.
  if (turn.compare_exchange_strong(thread, 0)) return false;
  while (sem_wait(&written) != 0) {
  }
  return true;
}

}  // namespace

void DumpStacks(int fd) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  void* frame = nullptr;
  backtrace(&frame, 1);
  // The handler stays: a thread that was passed over may still get its signal.
  const int signal = SIGRTMIN;
  struct sigaction action {};
  action.sa_handler = WriteOwnStack;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
  sem_init(&written, 0, 0);
  target_fd = fd;
  for (const pid_t thread : Threads()) {
    dprintf(fd, "thread %d %s\n", thread, NameOf(thread).c_str());
    if (!Ask(thread, signal)) dprintf(fd, "does not answer\n");
  }
  turn = 0;
}

void DumpStacksOnQuit() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGQUIT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A thread of its own, since the main thread may be what hangs.
  std::thread([set] {
    pthread_setname_np(pthread_self(), "stack_dump");
    for (;;) {
      int number = 0;
      if (sigwait(&set, &number) != 0) continue;
      DumpStacks(STDERR_FILENO);
#ifndef NDEBUG
      std::abort();
#endif
    }
  }).detach();
}

}  // namespace livekit::token
