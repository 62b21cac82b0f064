// Claims as JSON text.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "base/buffer.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// Appends the beginning of the claims, the brace and `iss`, which AppendClaims continues. The issuer must be UTF-8.
void AppendIssuer(std::string_view issuer, Buffer& out);

// The registered claims of a token that change from one to the next.
struct RegisteredClaims {
  std::string_view jti;  // empty: omitted
  std::int64_t issued_at;
  std::int64_t expires_at;
};

// Appends the rest of the claims to `out`, with the omissions of LiveKit's Go SDK: plain fields when empty or false,
// tri-state booleans only when unset, objects only when absent. `room_config` is written in place of the one in
// `grants`; null for none. The grants must have passed CheckGrants.
//
// Errors: FIELD_INVALID with the path of the field whose text is not UTF-8; `out` then holds partial text.
absl::Status AppendClaims(const RegisteredClaims& registered, const v1::Grants& grants,
                          const livekit::RoomConfiguration* room_config, Buffer& out);

}  // namespace livekit::token
