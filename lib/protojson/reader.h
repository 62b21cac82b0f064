// Strict proto3 JSON into protobuf messages.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace livekit::token::protojson {

// How a reader behaves.
struct ReadOptions {
  int max_depth = 32;        // nesting of objects and arrays, the top one included
  int max_elements = 10000;  // members and array elements in all
  // Treats an enum value whose name is unknown as absent instead of refusing it, as livekit-server does with tokens.
  bool ignore_unknown_enum_names = false;
};

// What was ignored.
struct ReadReport {
  int unknown_fields = 0;  // members that the schema does not know, at any level
};

// Reads one JSON object into `message`, which is cleared first.
//
// Accepts the proto3 JSON mapping with snake_case or lowerCamelCase names: enum values as names or numbers, integers as
// numbers or decimal strings, `null` as absent. Members that the schema does not know are checked as JSON and ignored.
// Refuses what protobuf's own parser lets through: duplicate members (also one name in both spellings), two members of
// a oneof, null inside lists and maps, text that is not UTF-8, NUL, BOM, trailing text, depth and size beyond the
// options.
//
// Errors: INVALID_JSON for text that is not one JSON object, FIELD_INVALID with the path in snake_case for the rest.
// The message never contains input. On an error the content of `message` is unspecified.
absl::Status Read(std::string_view json, const ReadOptions& options, google::protobuf::Message& message,
                  ReadReport* report = nullptr);

}  // namespace livekit::token::protojson
