// Refusals as gRPC statuses.
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace livekit::token {

// The gRPC status for `status`, with google.rpc.ErrorInfo, BadRequest, RetryInfo and, unless `request_id` is empty,
// RequestInfo as its details. Details stay under 4 KB, since clients refuse trailers of more than 8 KB; fields that do
// not fit are left out. `request_id` has at most 128 bytes.
grpc::Status ToRpcStatus(const absl::Status& status, std::string_view request_id);

}  // namespace livekit::token
