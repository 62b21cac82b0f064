// Timestamp and Duration as strings, base64 of bytes.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/message.h"
#include "protojson/type_info.h"

namespace livekit::token::protojson {

// Reads the string form of `message`, whose type has the form kTimestamp or kDuration. Returns false for text that is
// not in that form or out of the type's range.
bool ReadTimeForm(std::string_view text, const TypeInfo& type, google::protobuf::Message& message);

// Appends the string form with quotes. Returns false for values out of the type's range.
bool AppendTimeForm(const google::protobuf::Message& message, const TypeInfo& type, std::string& out);

// Reads base64 in the standard or the URL alphabet, padded or not; every other leniency is refused.
bool ReadBase64(std::string_view text, std::string& out);

// Appends padded base64 in the standard alphabet.
void AppendBase64(std::string_view bytes, std::string& out);

}  // namespace livekit::token::protojson
