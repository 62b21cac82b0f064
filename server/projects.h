// LiveKit projects: where clients connect and whose keys sign.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "livekit/token/api_key.h"
#include "livekit/token/room_config.h"

namespace livekit::token {

class KeyRecord;

// One project. Thread safety: immutable.
struct Project {
  std::string name;
  // Address for clients, `ws://` or `wss://`; empty in development mode without LIVEKIT_URL, where it is made from the
  // request's own host.
  std::string client_url;
  std::shared_ptr<const ApiKey> signing_key;
  std::shared_ptr<KeyRecord> signing_record;  // is told of every token that `signing_key` signs
  std::shared_ptr<const KeyRing> keys;        // all that verify, the signing key among them
  std::optional<SfuVersion> sfu_version;
};

}  // namespace livekit::token
