// The JSON of the token endpoint: request bodies, answers and error bodies.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "livekit/token/v1/errors.pb.h"
#include "livekit/token/v1/token_service.pb.h"
#include "livekit_token_source.pb.h"

namespace livekit::token::gateway {

// Largest error body in bytes. SDKs show error bodies to users.
inline constexpr std::size_t kMaxErrorBody = 1024;

// Reads a request body; an empty one is `{}`. Whether `""`, `null` or `{}` count as absent is for the policy to say:
// the message tells them apart as far as JSON does. `unknown_fields`, if given, becomes the number of members that were
// ignored. Errors: INVALID_JSON and FIELD_INVALID as in protojson::Read.
absl::StatusOr<livekit::TokenSourceRequest> ReadTokenRequest(std::string_view body, int* unknown_fields = nullptr);

// The body of a success: `{"server_url":…,"participant_token":…}`. With `extended` also `room_name`,
// `participant_name`, `participant_identity` and `expires_at`, which is RFC 3339 in UTC with whole seconds
// (`2026-01-02T03:04:05Z`), the form that proto3 JSON gives a Timestamp. Nothing if the address or the token is missing
// or a string is not UTF-8: SDKs take any 2xx answer for a token.
std::optional<std::string> WriteTokenResponse(const v1::IssueParticipantTokenResponse& token, bool extended);

// What an end user may see of `error`. Faults between the gateway and the token server (the gateway's own credential,
// its rights, its batches) and reasons that this build does not know become INTERNAL.
v1::Error ForEndUser(const v1::Error& error);

// `{"error":…,"reason":…,"fields":[{"field":…,"message":…}],"request_id":…}`, at most kMaxErrorBody bytes: fields that
// do not fit are left out, and so is `fields` when empty. `request_id` is one that the handler accepted or made.
std::string WriteErrorBody(const v1::Error& error, std::string_view request_id);

}  // namespace livekit::token::gateway
