// Checks and adjustments of the room configuration that a token carries as `roomConfig`.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "livekit_room.pb.h"

namespace livekit::token {

// Refuses a room configuration that carries a credential, which everyone who sees the token could read: a non-empty
// field that LiveKit's schema marks as secret (apart from the `access_key` of S3 and AliOSS uploads, which is a name),
// a stream output, even an empty one, and a URL with a password; at any depth, in current and in deprecated fields.
//
// Errors: CREDENTIALS_IN_ROOM_CONFIG with the path, such as `room_config.egress.tracks.s3.secret`.
absl::Status CheckRoomConfigCredentials(const livekit::RoomConfiguration& config);

// A version of livekit-server. The default is newer than every other.
class SfuVersion {
 public:
  SfuVersion() = default;
  constexpr SfuVersion(int major, int minor, int patch) : major_(major), minor_(minor), patch_(patch) {}

  // Reads `1.11`, `1.11.0` or `v1.11.0`; the empty text is the default.
  // Errors: FIELD_INVALID for the field `sfu_version`.
  static absl::StatusOr<SfuVersion> Parse(std::string_view text);

  friend constexpr bool operator<(const SfuVersion& a, const SfuVersion& b) {
    if (a.major_ != b.major_) return a.major_ < b.major_;
    if (a.minor_ != b.minor_) return a.minor_ < b.minor_;
    return a.patch_ < b.patch_;
  }
  friend constexpr bool operator==(const SfuVersion& a, const SfuVersion& b) { return !(a < b) && !(b < a); }

 private:
  static constexpr int kNewest = 1 << 30;
  int major_ = kNewest;
  int minor_ = 0;
  int patch_ = 0;
};

// Removes from `config` what a livekit-server of this version does not know, fields and enum values: below 1.12 it
// refuses the whole token because of them. From 1.12 on a server ignores them, and nothing is removed.
void PruneForSfu(SfuVersion version, livekit::RoomConfiguration& config);

}  // namespace livekit::token
