#include "service/process_protection.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "service/log.h"

namespace livekit::token {

absl::Status ProtectProcess(bool allow_core_dumps) {
  if (allow_core_dumps) {
    Log(LogLevel::kWarn, "core_dumps_allowed", {{"hint", "core dumps and debuggers show every secret"}});
    return absl::OkStatus();
  }
  const rlimit none{0, 0};
  // The limit does not hold for dumps that are piped to a program (core(5)); that the process is not dumpable does.
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return absl::FailedPreconditionError(
        "core dumps, which would hold every secret, cannot be turned off here; --allow_core_dumps starts nevertheless");
  }
  return absl::OkStatus();
}

}  // namespace livekit::token
