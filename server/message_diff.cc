#include "server/message_diff.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.h"

namespace livekit::token {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Walks over the fields of messages.
class Walk {
 public:
  explicit Walk(std::vector<StatedField>& out) : out_(out) {}

  void Members(const Message& message, const std::string& path) {
    const std::size_t before = out_.size();
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) Field(message, *field, path.empty() ? "" : path + ".");
    if (out_.size() == before && !path.empty()) out_.push_back({path, "{}", false, true});
  }

 private:
  void Field(const Message& message, const FieldDescriptor& field, const std::string& prefix) {
    const std::string path = prefix + field.name();
    const Reflection& reflection = *message.GetReflection();
    if (field.is_map()) {
      // In any order in the message, so sorted here.
      std::map<std::string, const Message*> entries;
      for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
        const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
        const auto* key = entry.GetDescriptor()->map_key();
        entries[Scalar(entry, *key, -1).value] = &entry;
      }
      for (const auto& [key, entry] : entries)
        Value(*entry, *entry->GetDescriptor()->map_value(), -1, path + "." + key);
    } else if (field.is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
        Value(message, field, i, path + "[" + std::to_string(i) + "]");
      }
    } else {
      Value(message, field, -1, path);
    }
  }

  // One value; `index` is -1 for a field that is not repeated.
  void Value(const Message& message, const FieldDescriptor& field, int index, const std::string& path) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const Reflection& reflection = *message.GetReflection();
      return Members(
          index < 0 ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index),
          path);
    }
    StatedField stated = Scalar(message, field, index);
    stated.path = path;
    out_.push_back(std::move(stated));
  }

  static StatedField Scalar(const Message& message, const FieldDescriptor& field, int index) {
    const Reflection& r = *message.GetReflection();
    const bool one = index < 0;
    StatedField out;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        out.value = one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index);
        out.is_text = true;
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        out.value = (one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index)) ? "true" : "false";
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        out.value = (one ? r.GetEnum(message, &field) : r.GetRepeatedEnum(message, &field, index))->name();
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        out.value = std::to_string(one ? r.GetInt32(message, &field) : r.GetRepeatedInt32(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        out.value = std::to_string(one ? r.GetInt64(message, &field) : r.GetRepeatedInt64(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        out.value = std::to_string(one ? r.GetUInt32(message, &field) : r.GetRepeatedUInt32(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        out.value = std::to_string(one ? r.GetUInt64(message, &field) : r.GetRepeatedUInt64(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        out.value = Number(one ? r.GetFloat(message, &field) : r.GetRepeatedFloat(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        out.value = Number(one ? r.GetDouble(message, &field) : r.GetRepeatedDouble(message, &field, index));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;  // has members
    }
    return out;
  }

  static std::string Number(double number) { return nlohmann::json(number).dump(); }

  std::vector<StatedField>& out_;
};

const StatedField* Find(const std::vector<StatedField>& fields, const std::string& path) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.path == path; });
  return found == fields.end() ? nullptr : &*found;
}

bool Satisfies(const StatedField& expected, const StatedField& actual) {
  return expected.is_text ? GlobMatches(expected.value, actual.value) : expected.value == actual.value;
}

}  // namespace

std::vector<StatedField> StatedFields(const Message& message) {
  std::vector<StatedField> fields;
  Walk(fields).Members(message, "");
  return fields;
}

std::string Shown(const StatedField& field) {
  if (!field.is_text) return field.value;
  return nlohmann::json(field.value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> Differences(const Message& expected, const Message& actual) {
  const std::vector<StatedField> wanted = StatedFields(expected);
  const std::vector<StatedField> got = StatedFields(actual);
  std::vector<std::string> lines;
  for (const StatedField& field : wanted) {
    const StatedField* found = Find(got, field.path);
    if (found != nullptr && Satisfies(field, *found)) continue;
    // A message that must be empty and is not: what is in it has lines of its own.
    const bool more = field.is_empty_message && std::any_of(got.begin(), got.end(), [&](const StatedField& other) {
                        return other.path.compare(0, field.path.size() + 1, field.path + ".") == 0;
                      });
    if (more) continue;
    lines.push_back(field.path + ": expected " + Shown(field) + ", got " +
                    (found != nullptr ? Shown(*found) : std::string("nothing")));
  }
  for (const StatedField& field : got) {
    if (Find(wanted, field.path) == nullptr) lines.push_back(field.path + ": not expected, got " + Shown(field));
  }
  return lines;
}

}  // namespace livekit::token
