// Storing a value into the field that it is for.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/message.h"
#include "protojson/number.h"
#include "protojson/type_info.h"

namespace livekit::token::protojson {

// Where the next value goes.
struct Target {
  google::protobuf::Message* message = nullptr;
  const FieldInfo* field = nullptr;  // null: nowhere, the member is unknown
  bool append = false;               // to the list `field`
  bool element = false;              // of a list or a map, where null has no meaning

  // Whether a whole list or map is expected, not one value.
  bool IsContainer() const { return (field->list || field->map) && !append; }
};

// A JSON number: rounded, and exact if it is whole.
struct Number {
  double value;
  bool whole;
  Integer integer;
};

inline constexpr std::string_view kUnknownEnumName = "must be one of the names of its enumeration";

// What follows returns the empty text, or what is wrong: our own words without a subject, such as "must be a string".

// What a value of a type that is not the field's should have been; never empty.
std::string_view WrongType(const Target& target);

// Refuses a second member of a oneof.
std::string_view CheckOneof(const Target& target);

std::string_view StoreNull(const Target& target);
std::string_view StoreBool(const Target& target, bool value);
std::string_view StoreNumber(const Target& target, const Number& number);
// Strings also stand for bytes, enum values, numbers and times. An enum name that the schema does not know gives
// exactly kUnknownEnumName.
std::string_view StoreString(const Target& target, const std::string& text);

// Stores the key of an entry of a map. Every key has one text only, so that equal texts are equal keys.
std::string_view StoreKey(const FieldInfo& key, const std::string& text, google::protobuf::Message* entry);

// The message for a message field: a new one of a list, the only one otherwise.
google::protobuf::Message* MutableTarget(const Target& target);

}  // namespace livekit::token::protojson
