// Refusals: an absl::Status with a reason from livekit.token.v1.ErrorReason and, where fields are at fault, their
// paths. This is the one table of reasons and the one place that maps codes to HTTP.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "livekit/token/v1/errors.pb.h"

namespace livekit::token {

// Debian's absl::string_view is a type of its own that std::string_view does not convert to.
inline absl::string_view Sv(std::string_view text) { return {text.data(), text.size()}; }

// A reason's row in the table.
struct ReasonInfo {
  v1::ErrorReason reason;
  absl::StatusCode code;      // gRPC status code
  int http_status;            // status of the HTTP answer
  std::string_view sentence;  // default sentence, safe to show to an end user
};

// The row of `reason`; INTERNAL's row for a number that this build does not know.
const ReasonInfo& GetReasonInfo(v1::ErrorReason reason);

// All rows, ordered by number, for documentation and tests.
const std::vector<ReasonInfo>& AllReasons();

// Makes the refusal `reason` with its default sentence.
absl::Status Refuse(v1::ErrorReason reason);

// Makes the refusal `reason` with `sentence`, which must be our own text: never input, never a library's message.
absl::Status Refuse(v1::ErrorReason reason, std::string_view sentence);

// Makes a refusal that names one field. `message` is our own text. Paths are those of the request in snake_case, such
// as `room_config.agents[0].agent_name`.
absl::Status RefuseField(v1::ErrorReason reason, std::string_view field, std::string_view message);

// Makes a status from an Error that came from elsewhere, such as a batch item; its reason decides the code.
absl::Status FromError(const v1::Error& error);

// The Error inside `status`. A status without one (one that did not start as a refusal) becomes INTERNAL, UNAVAILABLE,
// DEADLINE_EXCEEDED or what its code says, with that reason's own sentence: the status's message is not passed on.
v1::Error ToError(const absl::Status& status);

// The reason of `status`, as in ToError.
v1::ErrorReason ReasonOf(const absl::Status& status);

// Puts `prefix` and a dot before the path of every field of a refusal; an empty path becomes `prefix`.
absl::Status PrefixFields(const absl::Status& status, std::string_view prefix);

// Marks a refusal as caused by a credential that was presented (RFC 6750 section 3.1: `invalid_token`).
absl::Status WithCredentialPresented(const absl::Status& status);

// Adds what an operator may know about a refusal and its receiver may not, such as that a token has expired. It stays
// in this process: ToError leaves it out, and the functions above that change a refusal drop it. `detail` is our own
// text.
absl::Status WithDetail(absl::Status status, std::string_view detail);
// What WithDetail added; empty without.
std::string DetailOf(const absl::Status& status);

// Adds the time after which a retry may succeed.
absl::Status WithRetryDelay(const absl::Status& status, std::chrono::milliseconds delay);

// HTTP status of a gRPC code, for statuses that carry no reason.
int HttpStatusOf(absl::StatusCode code);

// The two control-flow macros of this code base.
#define LKT_RETURN_IF_ERROR(expr)            \
  do {                                       \
    absl::Status lkt_status = (expr);        \
    if (!lkt_status.ok()) return lkt_status; \
  } while (false)
#define LKT_CONCAT_INNER(a, b) a##b
#define LKT_CONCAT(a, b) LKT_CONCAT_INNER(a, b)
#define LKT_ASSIGN_OR_RETURN(lhs, expr) LKT_ASSIGN_OR_RETURN_IMPL(LKT_CONCAT(lkt_or_, __LINE__), lhs, expr)
#define LKT_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return tmp.status();             \
  lhs = *std::move(tmp)

}  // namespace livekit::token
