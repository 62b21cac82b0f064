// Keeps what the process knows from other processes.
#pragma once

#include "absl/status/status.h"

namespace livekit::token {

// From now on the kernel writes no core dump of this process, and other processes of its user can neither attach to it
// nor read its memory or its environment; those with CAP_SYS_PTRACE still can. What the process reads of itself in
// /proc stays readable. With `allow_core_dumps`, for debugging, everything stays as it is, and a line of the log warns
// of it. Call it before secrets are read. Errors: the kernel refuses.
absl::Status ProtectProcess(bool allow_core_dumps);

}  // namespace livekit::token
