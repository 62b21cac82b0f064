#include "service/revision.h"

namespace livekit::token {

const char kRevision[] = LIVEKIT_TOKEN_REVISION;

}  // namespace livekit::token
