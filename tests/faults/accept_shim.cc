// Preloaded into a program, lets accept4() fail as the file that FAULT_ACCEPT names says; shims.py writes it.
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

struct Plan {
  std::int32_t port;                // of the listener whose calls fail
  std::int32_t error;               // errno
  std::atomic<std::int32_t> left;   // how many calls fail
  std::atomic<std::int32_t> calls;  // that came for this port
};

Plan* Map() {
  const char* path = std::getenv("FAULT_ACCEPT");
  const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  void* const plan = fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  if (plan == MAP_FAILED) std::abort();
  return static_cast<Plan*>(plan);
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return -1;
  // At the same place in both forms.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static Plan* const plan = Map();
  static const auto real = reinterpret_cast<decltype(&accept4)>(dlsym(RTLD_NEXT, "accept4"));
  if (PortOf(fd) == plan->port) {
    ++plan->calls;
    if (plan->left > 0) {
      --plan->left;
      errno = plan->error;
      return -1;
    }
  }
  return real(fd, address, size, flags);
}
