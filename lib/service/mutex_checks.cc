#include "service/mutex_checks.h"

#include "absl/synchronization/mutex.h"

namespace livekit::token {

void SkipMutexChecks() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

}  // namespace livekit::token
