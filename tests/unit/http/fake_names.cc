#include "fake_names.h"

#include <dlfcn.h>
#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>

namespace livekit::token::testing {
namespace {

struct Names {
  std::mutex mutex;
  std::map<std::string, std::string> addresses;
  std::condition_variable released;
  bool is_released = false;
  int waiters = 0;
};

// Lives for ever, since libcurl leaves threads to themselves that still look a name up.
Names& TheNames() {
  static Names& names = *new Names;
  return names;
}

}  // namespace

void SetName(const std::string& name, const std::string& address) {
  Names& names = TheNames();
  const std::lock_guard lock(names.mutex);
  names.addresses[name] = address;
}

void HoldSlowName() {
  Names& names = TheNames();
  const std::lock_guard lock(names.mutex);
  names.is_released = false;
}

void ReleaseSlowName() {
  Names& names = TheNames();
  const std::lock_guard lock(names.mutex);
  names.is_released = true;
  names.released.notify_all();
}

int SlowNameWaiters() {
  Names& names = TheNames();
  const std::lock_guard lock(names.mutex);
  return names.waiters;
}

}  // namespace livekit::token::testing

// libcurl's calls come here, since the program's own functions go before those of libraries.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
  const std::string name = node == nullptr ? "" : node;
  if (name.size() < 5 || name.compare(name.size() - 5, 5, ".test") != 0) return real(node, service, hints, result);
  auto& names = livekit::token::testing::TheNames();
  std::unique_lock lock(names.mutex);
  if (name == "slow.test") {
    ++names.waiters;
    names.released.wait(lock, [&] { return names.is_released; });
    --names.waiters;
  }
  const auto found = names.addresses.find(name);
  if (found == names.addresses.end()) return EAI_NONAME;
  const std::string addresses = found->second;
  lock.unlock();
  // One list of the lists of all addresses, in their order.
  addrinfo numeric{};
  if (hints != nullptr) numeric = *hints;
  numeric.ai_family = AF_UNSPEC;
  numeric.ai_flags = AI_NUMERICHOST;
  *result = nullptr;
  addrinfo** end = result;
  for (std::size_t at = 0; at < addresses.size();) {
    const std::size_t comma = std::min(addresses.find(',', at), addresses.size());
    const int code = real(addresses.substr(at, comma - at).c_str(), service, &numeric, end);
    if (code != 0) return code;
    while (*end != nullptr) end = &(*end)->ai_next;
    at = comma + 1;
  }
  return 0;
}
