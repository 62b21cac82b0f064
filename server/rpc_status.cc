#include "server/rpc_status.h"

#include <string>

#include "base/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace livekit::token {
namespace {

constexpr char kDomain[] = "livekit.token.v1";
constexpr std::size_t kMaxFieldBytes = 3 * 1024;
constexpr std::size_t kFramingBytes = 4;  // of a field among the others

}  // namespace

grpc::Status ToRpcStatus(const absl::Status& status, std::string_view request_id) {
  if (status.ok()) return grpc::Status::OK;
  const v1::Error error = ToError(status);
  const auto code = static_cast<grpc::StatusCode>(GetReasonInfo(error.reason()).code);

  google::rpc::Status details;
  details.set_code(code);
  details.set_message(error.message());
  google::rpc::ErrorInfo info;
  info.set_reason(v1::ErrorReason_Name(error.reason()));
  info.set_domain(kDomain);
  details.add_details()->PackFrom(info);
  if (error.fields_size() > 0) {
    google::rpc::BadRequest bad_request;
    std::size_t bytes = 0;
    for (const auto& field : error.fields()) {
      bytes += field.ByteSizeLong() + kFramingBytes;
      if (bytes > kMaxFieldBytes) break;
      auto* violation = bad_request.add_field_violations();
      violation->set_field(field.field());
      violation->set_description(field.message());
    }
    details.add_details()->PackFrom(bad_request);
  }
  if (error.has_retry_delay()) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = error.retry_delay();
    details.add_details()->PackFrom(retry);
  }
  if (!request_id.empty()) {
    google::rpc::RequestInfo request;
    request.set_request_id(std::string(request_id));
    details.add_details()->PackFrom(request);
  }
  return {code, error.message(), details.SerializeAsString()};
}

}  // namespace livekit::token
