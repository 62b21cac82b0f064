// Rules that hold for the grants of every token.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// LiveKit's limits, in bytes of UTF-8 (livekit-server `limit.*`).
inline constexpr std::size_t kMaxRoomNameBytes = 256;
inline constexpr std::size_t kMaxIdentityBytes = 256;
inline constexpr std::size_t kMaxNameBytes = 256;
inline constexpr std::size_t kMaxMetadataBytes = 512 * 1024;
inline constexpr std::size_t kMaxAttributesBytes = 64 * 1024;  // keys and values together

// The names of all participant kinds and kind details that LiveKit knows.
const std::vector<std::string_view>& ParticipantKinds();
const std::vector<std::string_view>& KindDetails();

// Whether LiveKit knows the participant kind, kind detail or track source of this name. Case matters: its publish check
// compares sources exactly.
bool IsParticipantKind(std::string_view name);
bool IsKindDetail(std::string_view name);
bool IsTrackSource(std::string_view name);

// Checks what every SDK and server needs: a room and an identity for `room_join`, limits, known names, the form of
// `sha256`, and extra claims that do not shadow known ones. Errors: FIELD_REQUIRED, FIELD_TOO_LONG or FIELD_INVALID
// with the field's path inside `Grants`, such as `video.room`. Text that is not UTF-8 is found when the token is
// written.
absl::Status CheckGrants(const v1::Grants& grants);

}  // namespace livekit::token
