// Which livekit-server knows which part of the room configuration.
#pragma once

#include <string_view>

#include "livekit/token/room_config.h"

namespace livekit::token {

// The first version of livekit-server that ignores members of `roomConfig` that it does not know.
inline constexpr SfuVersion kFirstLenientSfu(1, 12, 0);

// A field or an enum value that came after the oldest version considered.
struct SchemaAddition {
  std::string_view owner;  // message or enum, without the package
  std::string_view name;   // field or enum value
  SfuVersion since;        // the first version known to have it
};

// The first versions, of those that were looked at, that know an addition.
inline constexpr SfuVersion kSfu1_8_4(1, 8, 4);
inline constexpr SfuVersion kSfu1_9_12(1, 9, 12);
inline constexpr SfuVersion kSfu1_11_0(1, 11, 0);

// All additions. What LiveKit's schema has and this table has not is known to every server that reads `roomConfig`.
//
// From the `github.com/livekit/protocol` versions that livekit-server releases pin: 1.8.0 (protocol of 2024-10-16, does
// not read `roomConfig`), 1.8.4 (1.34.0), 1.9.12 (of 2026-02-11), 1.11.0 (1.45.3). Releases between two of these may
// know an addition earlier than stated; stating it late costs a member, stating it early would cost the token.
inline constexpr SchemaAddition kSchemaAdditions[] = {
    {"RoomCompositeEgressRequest", "audio_mixing", kSfu1_8_4},

    {"RoomConfiguration", "metadata", kSfu1_9_12},
    {"RoomCompositeEgressRequest", "webhooks", kSfu1_9_12},
    {"WebhookConfig", "url", kSfu1_9_12},
    {"WebhookConfig", "signing_key", kSfu1_9_12},
    {"WebhookConfig", "filter_params", kSfu1_9_12},
    {"FilterParams", "include_events", kSfu1_9_12},
    {"FilterParams", "exclude_events", kSfu1_9_12},
    {"S3Upload", "assume_role_arn", kSfu1_9_12},
    {"S3Upload", "assume_role_external_id", kSfu1_9_12},
    {"AudioCodec", "AC_MP3", kSfu1_9_12},
    {"EncodedFileType", "MP3", kSfu1_9_12},
    {"ImageFileSuffix", "IMAGE_SUFFIX_NONE_OVERWRITE", kSfu1_9_12},

    {"RoomConfiguration", "tags", kSfu1_11_0},
    {"RoomAgentDispatch", "restart_policy", kSfu1_11_0},
    {"StreamProtocol", "WEBSOCKET", kSfu1_11_0},

    {"RoomAgentDispatch", "deployment", kFirstLenientSfu},
    {"RoomAgentDispatch", "attributes", kFirstLenientSfu},
    {"EncodingOptionsPreset", "PASSTHROUGH", kFirstLenientSfu},
    // Not in the schema declared here, but in LiveKit's own files from protocol 1.54 on.
    {"RoomAgentDispatch", "thread_id", kFirstLenientSfu},
    {"StreamOutput", "destinations", kFirstLenientSfu},
    {"StreamDestination", "id", kFirstLenientSfu},
    {"StreamDestination", "url", kFirstLenientSfu},
    {"EncodedFileType", "MCAP", kFirstLenientSfu},
    {"SegmentedFileProtocol", "HLS_FMP4_PROTOCOL", kFirstLenientSfu},
};

}  // namespace livekit::token
