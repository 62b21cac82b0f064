#include "http/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "service/log.h"

namespace livekit::token::http {
namespace {

constexpr rlim_t kReserved = 256;

}  // namespace

void RaiseDescriptorLimit(int connections) {
  const rlim_t needed = static_cast<rlim_t>(connections) + kReserved;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  limit.rlim_cur = std::min(needed, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < needed) {
    Log(LogLevel::kWarn, "few_descriptors",
        {{"limit", static_cast<std::int64_t>(limit.rlim_cur)}, {"needed", static_cast<std::int64_t>(needed)}});
  }
}

int FirstReservedDescriptor() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<int>::max();
  const rlim_t first = limit.rlim_cur - std::min(kReserved, limit.rlim_cur / 4);
  return static_cast<int>(std::min<rlim_t>(first, std::numeric_limits<int>::max()));
}

}  // namespace livekit::token::http
