#include "gateway/token_source_json.h"

#include <ctime>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "protojson/reader.h"

namespace livekit::token::gateway {
namespace {

// Longer sentences than ours come from a newer server at best; the reason's own is shown in place of them.
constexpr std::size_t kMaxSentence = 300;

bool AppendMember(std::string_view key, std::string_view value, std::string& out) {
  out += out.back() == '{' ? "\"" : ",\"";
  out.append(key).append("\":");
  return AppendJsonString(value, out);
}

// RFC 3339 with whole seconds, rounded down so that nobody relies on a token for longer than it lives.
std::string Rfc3339(std::int64_t unix_seconds) {
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm utc{};
  if (gmtime_r(&time, &utc) == nullptr) return "";
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return std::string(text, size);
}

}  // namespace

absl::StatusOr<livekit::TokenSourceRequest> ReadTokenRequest(std::string_view body, int* unknown_fields) {
  absl::StatusOr<livekit::TokenSourceRequest> request(absl::in_place);
  protojson::ReadReport report;
  if (!body.empty()) {
    if (absl::Status problem = protojson::Read(body, {}, *request, &report); !problem.ok()) {
      report.unknown_fields = 0;
      request = std::move(problem);
    }
  }
  if (unknown_fields != nullptr) *unknown_fields = report.unknown_fields;
  return request;
}

std::optional<std::string> WriteTokenResponse(const v1::IssueParticipantTokenResponse& token, bool extended) {
  if (token.server_url().empty() || token.participant_token().empty()) return std::nullopt;
  std::string body;
  body.reserve(token.participant_token().size() + 128);
  body = "{";
  bool valid = AppendMember("server_url", token.server_url(), body) &&
               AppendMember("participant_token", token.participant_token(), body);
  if (extended) {
    valid = valid && AppendMember("room_name", token.room_name(), body) &&
            AppendMember("participant_name", token.participant_name(), body) &&
            AppendMember("participant_identity", token.participant_identity(), body) &&
            AppendMember("expires_at", Rfc3339(token.expire_time().seconds()), body);
  }
  if (!valid) return std::nullopt;
  body += "}";
  return body;
}

v1::Error ForEndUser(const v1::Error& error) {
  switch (error.reason()) {
    case v1::CALLER_AUTHENTICATION_FAILED:
    case v1::METHOD_NOT_PERMITTED:
    case v1::BATCH_SIZE_INVALID:
    case v1::INTERNAL:
      return ToError(Refuse(v1::INTERNAL));
    default:
      // The table has no row for a reason that is newer than this build.
      if (GetReasonInfo(error.reason()).reason != error.reason()) return ToError(Refuse(v1::INTERNAL));
      return error;
  }
}

std::string WriteErrorBody(const v1::Error& error, std::string_view request_id) {
  const std::string_view default_sentence = GetReasonInfo(error.reason()).sentence;
  std::string_view sentence = error.message();
  if (sentence.empty() || sentence.size() > kMaxSentence || !IsValidUtf8(sentence)) sentence = default_sentence;

  std::string head = "{";
  AppendMember("error", sentence, head);
  AppendMember("reason", v1::ErrorReason_Name(GetReasonInfo(error.reason()).reason), head);
  std::string tail;
  tail = ",\"request_id\":";
  AppendJsonString(request_id, tail);
  tail += "}";

  std::string fields;
  for (const auto& violation : error.fields()) {
    std::string entry = "{";
    if (!AppendMember("field", violation.field(), entry) || !AppendMember("message", violation.message(), entry)) {
      continue;
    }
    entry += "}";
    // 14 for `,"fields":[`, `,` and `]`, with one to spare.
    if (head.size() + fields.size() + entry.size() + tail.size() + 14 > kMaxErrorBody) continue;
    if (!fields.empty()) fields += ",";
    fields += entry;
  }
  if (!fields.empty()) head.append(",\"fields\":[").append(fields).append("]");
  return head + tail;
}

}  // namespace livekit::token::gateway
