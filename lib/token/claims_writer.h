// Claims as JSON text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// The registered claims of a token.
struct RegisteredClaims {
  std::string_view issuer;
  std::string_view jti;  // empty: omitted
  std::int64_t issued_at;
  std::int64_t expires_at;
};

// Appends the claims to `out` as one JSON object, with the omissions of LiveKit's Go SDK: plain fields when empty or
// false, tri-state booleans only when unset, objects only when absent. `room_config` is written in place of the one in
// `grants`; null for none. The grants must have passed CheckGrants.
//
// Errors: FIELD_INVALID with the path of the field whose text is not UTF-8; `out` then holds partial text.
absl::Status AppendClaims(const RegisteredClaims& registered, const v1::Grants& grants,
                          const livekit::RoomConfiguration* room_config, std::string& out);

}  // namespace livekit::token
