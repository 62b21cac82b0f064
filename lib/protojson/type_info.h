// What reader and writer need to know of a message type, prepared once per type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace livekit::token::protojson {

// The JSON form of a message type. proto3 JSON gives some well-known types forms of their own; those without support
// here are refused rather than written as plain messages.
enum class Form : std::uint8_t { kMessage, kStruct, kValue, kListValue, kTimestamp, kDuration, kUnsupported };

// The type of a field's value.
enum class Kind : std::uint8_t {
  kBool,
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kFloat,
  kDouble,
  kString,
  kBytes,
  kEnum,
  kNull,  // google.protobuf.NullValue
  kMessage,
};

struct TypeInfo;

struct FieldInfo {
  const google::protobuf::FieldDescriptor* field;
  const google::protobuf::OneofDescriptor* oneof;  // null outside oneofs and for the one of a proto3 `optional`
  const TypeInfo* type;                            // of a message field, else null; of the entry for a map
  std::string key;                                 // `"jsonName":`, escaped
  std::size_t index;                               // position in TypeInfo::fields
  Kind kind;
  bool map;
  bool list;  // repeated and not a map
  bool has_presence;
};

struct TypeInfo {
  const google::protobuf::Descriptor* descriptor;
  Form form;
  std::vector<FieldInfo> fields;  // in order of field number

  // The field with this proto or JSON name, or null.
  const FieldInfo* Find(std::string_view name) const;

  // The key and the value of a map's entry.
  const FieldInfo& MapKey() const { return fields[0]; }
  const FieldInfo& MapValue() const { return fields[1]; }

 private:
  friend class TypeTable;
  struct Name {
    std::string_view text;
    const FieldInfo* field;
  };
  void AddName(std::string_view text, const FieldInfo* field);
  std::vector<Name> names_;  // open addressing; the size is a power of two and at least twice the number of names
};

// TypeInfos of a set of types.
class TypeTable {
 public:
  // Returns the information on `descriptor` and everything that it reaches. Not thread-safe.
  const TypeInfo& Get(const google::protobuf::Descriptor* descriptor);

 private:
  std::unordered_map<const google::protobuf::Descriptor*, std::unique_ptr<TypeInfo>> types_;
};

// The information on a type: for the duration of one call. Types compiled into the program are kept for good, so that
// the memory used is bounded by the program's own schemas; those of other pools, which may go away, are not kept.
//
// Thread safety: may be constructed concurrently.
class TypeLookup {
 public:
  explicit TypeLookup(const google::protobuf::Descriptor* descriptor);
  const TypeInfo& operator*() const { return *type_; }

 private:
  std::unique_ptr<TypeTable> own_;
  const TypeInfo* type_;
};

}  // namespace livekit::token::protojson
