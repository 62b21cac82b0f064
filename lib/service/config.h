// Configuration files: YAML into protobuf messages, strictly.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "service/config_problem.h"
#include "service/file_snapshot.h"

namespace livekit::token {

// Reads YAML text into `message`: keys are field names, durations are written as `1h30m`, enum values as their names in
// lower case without the enum's prefix, scalars by the field's type (a string field takes any plain scalar, a bool only
// `true` and `false`, integers only decimal digits), a list of strings also as one string. The underscore at the end of
// a field's name is no part of its key. Free values (google.protobuf.Struct and ListValue) are text, except plain
// `true`, `false` and decimal integers of at most 15 digits. Unknown and duplicate keys, anchors, aliases, tags, more
// than one document and depth over 32 are problems. Returns every problem found; empty means the message is complete.
ConfigProblems ReadYaml(std::string_view yaml, google::protobuf::Message& message);

// The same with the mapping below the top-level key `section` read into `section_message` and the rest into `message`;
// `has_section` tells whether it was there.
ConfigProblems ReadYamlWithSection(std::string_view yaml, google::protobuf::Message& message, std::string_view section,
                                   google::protobuf::Message& section_message, bool& has_section);

// Reads a whole file of at most `max_bytes`. Errors name the file, not its content.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes = 1 << 20);

}  // namespace livekit::token
