#include "base/status.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"

namespace livekit::token {
namespace {

constexpr char kPayloadUrl[] = "type.googleapis.com/livekit.token.v1.Error";
constexpr char kDetailUrl[] = "livekit.token/detail";

using Code = absl::StatusCode;

std::vector<ReasonInfo> MakeTable() {
  return {
      {v1::INVALID_JSON, Code::kInvalidArgument, 400, "The request body is not a valid JSON object."},
      {v1::FIELD_INVALID, Code::kInvalidArgument, 400, "A field is invalid."},
      {v1::FIELD_REQUIRED, Code::kInvalidArgument, 400, "A required field is missing."},
      {v1::FIELD_TOO_LONG, Code::kInvalidArgument, 400, "A field is too long."},
      {v1::TOKEN_TOO_LARGE, Code::kInvalidArgument, 400,
       "The token would be too large; send less metadata, fewer attributes or a smaller room configuration."},
      {v1::AMBIGUOUS_CREDENTIALS, Code::kInvalidArgument, 400,
       "The request carries credentials of more than one kind."},
      {v1::MALFORMED_REQUEST, Code::kInvalidArgument, 400, "The request is malformed."},
      {v1::BATCH_SIZE_INVALID, Code::kInvalidArgument, 400,
       "A batch holds between 1 and 1000 items and at most 1 MiB."},
      {v1::AUTHENTICATION_REQUIRED, Code::kUnauthenticated, 401, "Authentication is required."},
      {v1::AUTHENTICATION_FAILED, Code::kUnauthenticated, 401, "The credential is not valid."},
      // A gateway's own credential is the operator's fault, not the end user's.
      {v1::CALLER_AUTHENTICATION_FAILED, Code::kUnauthenticated, 500, "The calling program is not authenticated."},
      {v1::NO_POLICY, Code::kPermissionDenied, 403, "No policy allows this request."},
      {v1::FIELD_NOT_PERMITTED, Code::kPermissionDenied, 403, "A field may not be set by the client."},
      {v1::ROOM_NOT_PERMITTED, Code::kPermissionDenied, 403, "This room is not permitted."},
      {v1::IDENTITY_NOT_PERMITTED, Code::kPermissionDenied, 403, "This identity is not permitted."},
      {v1::AGENT_NOT_PERMITTED, Code::kPermissionDenied, 403, "This agent is not permitted."},
      {v1::GRANT_NOT_PERMITTED, Code::kPermissionDenied, 403, "A grant is not permitted."},
      {v1::CLAIM_MISSING, Code::kPermissionDenied, 403, "The credential lacks a claim that is needed."},
      {v1::CLAIM_AMBIGUOUS, Code::kPermissionDenied, 403, "A claim of the credential cannot be used."},
      {v1::CREDENTIALS_IN_ROOM_CONFIG, Code::kPermissionDenied, 403,
       "The room configuration must not contain credentials or stream outputs."},
      {v1::PARTICIPANT_BLOCKED, Code::kPermissionDenied, 403, "This participant is blocked."},
      {v1::ORIGIN_NOT_ALLOWED, Code::kPermissionDenied, 403, "This web origin is not allowed."},
      {v1::HOST_NOT_ALLOWED, Code::kPermissionDenied, 403,
       "Development mode answers only loopback and private addresses."},
      {v1::METHOD_NOT_PERMITTED, Code::kPermissionDenied, 403, "The calling program may not use this method."},
      {v1::PROJECT_NOT_PERMITTED, Code::kPermissionDenied, 403, "The calling program may not use this project."},
      {v1::TTL_NOT_PERMITTED, Code::kPermissionDenied, 403, "The lifetime is longer than permitted."},
      {v1::NOT_FOUND, Code::kNotFound, 404, "There is nothing at this path."},
      {v1::METHOD_NOT_ALLOWED, Code::kUnimplemented, 405, "This path does not support the request's method."},
      {v1::REQUEST_TIMEOUT, Code::kDeadlineExceeded, 408, "The request did not arrive in time."},
      {v1::BODY_TOO_LARGE, Code::kInvalidArgument, 413, "The request body is too large."},
      {v1::UNSUPPORTED_MEDIA_TYPE, Code::kInvalidArgument, 415,
       "The request body must be application/json without content encoding."},
      {v1::HEADERS_TOO_LARGE, Code::kInvalidArgument, 431, "The request headers are too large."},
      {v1::RATE_LIMITED, Code::kResourceExhausted, 429, "Too many requests."},
      {v1::UNAVAILABLE, Code::kUnavailable, 503, "The service is not available; try again."},
      {v1::DEADLINE_EXCEEDED, Code::kDeadlineExceeded, 504, "The answer was not ready in time."},
      {v1::INTERNAL, Code::kInternal, 500, "The service failed; the request id helps its operator to find out why."},
  };
}

// The reason for a status that did not start as a refusal.
v1::ErrorReason ReasonOfCode(absl::StatusCode code) {
  switch (code) {
    case Code::kUnavailable:
    case Code::kCancelled:
      return v1::UNAVAILABLE;
    case Code::kDeadlineExceeded:
      return v1::DEADLINE_EXCEEDED;
    case Code::kResourceExhausted:
      return v1::RATE_LIMITED;
    default:
      return v1::INTERNAL;
  }
}

std::optional<v1::Error> PayloadOf(const absl::Status& status) {
  auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return std::nullopt;
  v1::Error error;
  if (!error.ParseFromString(std::string(*payload))) return std::nullopt;
  return error;
}

absl::Status MakeStatus(const v1::Error& error) {
  absl::Status status(GetReasonInfo(error.reason()).code, Sv(error.message()));
  status.SetPayload(kPayloadUrl, absl::Cord(error.SerializeAsString()));
  return status;
}

}  // namespace

const std::vector<ReasonInfo>& AllReasons() {
  static const auto* const table = new std::vector<ReasonInfo>(MakeTable());
  return *table;
}

const ReasonInfo& GetReasonInfo(v1::ErrorReason reason) {
  const auto& table = AllReasons();
  auto row = std::find_if(table.begin(), table.end(), [&](const ReasonInfo& r) { return r.reason == reason; });
  return row == table.end() ? table.back() : *row;
}

absl::Status Refuse(v1::ErrorReason reason) { return Refuse(reason, GetReasonInfo(reason).sentence); }

absl::Status Refuse(v1::ErrorReason reason, std::string_view sentence) {
  v1::Error error;
  error.set_reason(reason);
  error.set_message(std::string(sentence));
  return MakeStatus(error);
}

absl::Status RefuseField(v1::ErrorReason reason, std::string_view field, std::string_view message) {
  v1::Error error;
  error.set_reason(reason);
  error.set_message(std::string(GetReasonInfo(reason).sentence));
  auto* violation = error.add_fields();
  violation->set_field(std::string(field));
  violation->set_message(std::string(message));
  return MakeStatus(error);
}

absl::Status FromError(const v1::Error& error) {
  v1::Error known = error;
  known.set_reason(GetReasonInfo(error.reason()).reason);
  return MakeStatus(known);
}

v1::Error ToError(const absl::Status& status) {
  if (auto error = PayloadOf(status)) return *std::move(error);
  v1::Error error;
  error.set_reason(ReasonOfCode(status.code()));
  error.set_message(std::string(GetReasonInfo(error.reason()).sentence));
  return error;
}

v1::ErrorReason ReasonOf(const absl::Status& status) { return ToError(status).reason(); }

absl::Status PrefixFields(const absl::Status& status, std::string_view prefix) {
  auto error = PayloadOf(status);
  if (!error) return status;
  for (auto& violation : *error->mutable_fields()) {
    std::string path(prefix);
    if (!violation.field().empty()) path.append(".").append(violation.field());
    violation.set_field(std::move(path));
  }
  return MakeStatus(*error);
}

absl::Status WithCredentialPresented(const absl::Status& status) {
  v1::Error error = ToError(status);
  error.set_credential_presented(true);
  return MakeStatus(error);
}

absl::Status WithDetail(absl::Status status, std::string_view detail) {
  status.SetPayload(kDetailUrl, absl::Cord(Sv(detail)));
  return status;
}

std::string DetailOf(const absl::Status& status) {
  const auto detail = status.GetPayload(kDetailUrl);
  return detail ? std::string(*detail) : std::string();
}

absl::Status WithRetryDelay(const absl::Status& status, std::chrono::milliseconds delay) {
  v1::Error error = ToError(status);
  error.mutable_retry_delay()->set_seconds(delay.count() / 1000);
  error.mutable_retry_delay()->set_nanos(static_cast<int>(delay.count() % 1000) * 1'000'000);
  return MakeStatus(error);
}

int HttpStatusOf(absl::StatusCode code) { return GetReasonInfo(ReasonOfCode(code)).http_status; }

}  // namespace livekit::token
