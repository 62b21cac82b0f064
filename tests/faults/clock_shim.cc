// Preloaded into a program, shifts its wall clock by what the file that FAULT_CLOCK names says (nanoseconds; shims.py
// writes it), as if somebody set the clock of the machine. The monotonic clock is left alone.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// How often a wait looks whether the clock was set; the kernel does so at once.
constexpr std::int64_t kLookEvery = kSecond / 20;

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::int64_t Shift() {
  static const std::atomic<std::int64_t>* const shift = [] {
    const char* path = std::getenv("FAULT_CLOCK");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void* const mapped = fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    if (mapped == MAP_FAILED) std::abort();
    return static_cast<const std::atomic<std::int64_t>*>(mapped);
  }();
  return *shift;
}

timespec ToTimespec(std::int64_t ns) { return {ns / kSecond, ns % kSecond}; }
std::int64_t Nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

std::int64_t RealNow() {
  static const auto real = Next<int(clockid_t, timespec*)>("clock_gettime");
  timespec now{};
  real(CLOCK_REALTIME, &now);
  return Nanoseconds(now);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* out) {
  static const auto real = Next<int(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, out);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    *out = ToTimespec(Nanoseconds(*out) + Shift());
  }
  return result;
}

extern "C" int gettimeofday(timeval* out, void* /*zone*/) {
  const timespec now = ToTimespec(RealNow() + Shift());
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

extern "C" time_t time(time_t* out) {
  const time_t now = ToTimespec(RealNow() + Shift()).tv_sec;
  if (out != nullptr) *out = now;
  return now;
}

// Abseil, and with it gRPC, waits for moments of the wall clock by futex; the kernel would know nothing of the shift.
extern "C" long syscall(long number, ...) {
  static const auto real = Next<long(long, ...)>("syscall");
  va_list arguments;
  va_start(arguments, number);
  long word[6];
  for (long& one : word) one = va_arg(arguments, long);
  va_end(arguments);
  auto* const until = reinterpret_cast<const timespec*>(word[3]);
  if (number != SYS_futex || (word[1] & FUTEX_CLOCK_REALTIME) == 0 || until == nullptr) {
    return real(number, word[0], word[1], word[2], word[3], word[4], word[5]);
  }
  for (;;) {
    const std::int64_t now = RealNow();
    const std::int64_t due = Nanoseconds(*until) - Shift();
    const timespec next = ToTimespec(std::max<std::int64_t>(0, std::min(due, now + kLookEvery)));
    const long result = real(number, word[0], word[1], word[2], &next, word[4], word[5]);
    if (result == 0 || errno != ETIMEDOUT || RealNow() >= Nanoseconds(*until) - Shift()) return result;
  }
}
