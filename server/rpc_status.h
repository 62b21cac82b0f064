// Refusals as gRPC statuses.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace livekit::token {

// The gRPC status for `status`, with google.rpc.ErrorInfo, BadRequest and RetryInfo as its details. Details stay under
// 4 KB, since clients refuse trailers of more than 8 KB; fields that do not fit are left out.
grpc::Status ToRpcStatus(const absl::Status& status);

}  // namespace livekit::token
