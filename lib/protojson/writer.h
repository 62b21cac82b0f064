// Protobuf messages as canonical proto3 JSON.
#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace livekit::token::protojson {

// Appends `message` to `out` as canonical proto3 JSON on one line: lowerCamelCase names in order of field number, enum
// values by name (by number if unknown), defaults without presence and unknown fields omitted, no null, maps sorted by
// key. Returns false if a string is not UTF-8 or a double not finite where JSON has no form for it; `out` then holds
// partial text.
//
// Thread safety: may be called concurrently.
bool Append(const google::protobuf::Message& message, std::string& out);

}  // namespace livekit::token::protojson
