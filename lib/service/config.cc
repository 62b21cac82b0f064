#include "service/config.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <set>

#include "base/status.h"
#include "base/text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/struct.pb.h"
#include "service/duration_text.h"
#include "service/file_snapshot.h"
#include "service/yaml_tree.h"

namespace livekit::token {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == google::protobuf::Duration::descriptor()->full_name();
}

std::string JoinNames(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

// `FieldMode` with the value `FIELD_MODE_IF_EQUAL` is written `if_equal`.
std::string ShortName(const EnumValueDescriptor& value) {
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (c >= 'A' && c <= 'Z' && !prefix.empty()) prefix.push_back('_');
    prefix.push_back(c);
  }
  prefix = AsciiLower(prefix) + "_";
  std::string name = AsciiLower(value.name());
  if (name.size() > prefix.size() && name.compare(0, prefix.size(), prefix) == 0) name.erase(0, prefix.size());
  return name;
}

// Reads trees into messages and collects the problems.
class Reader {
 public:
  explicit Reader(ConfigProblems& problems) : problems_(problems) {}

  void ReadMessage(const YamlNode& node, const std::string& path, Message& message) {
    if (!IsUsable(node, path, YamlNode::Kind::kMap, "must be a mapping of keys to values")) return;
    std::set<std::string_view> seen;
    for (const auto& [key, value] : node.members) {
      const std::string member_path = ConfigPath(path, key);
      if (!seen.insert(key).second) {
        AddProblem(member_path, "is given twice");
        continue;
      }
      const FieldDescriptor* field = FindField(*message.GetDescriptor(), key);
      if (field == nullptr) {
        AddProblem(member_path, "is not a known key; known here: " + KnownKeys(*message.GetDescriptor()));
      } else if (CheckOneof(node, *field, member_path)) {
        ReadField(value, member_path, *field, message);
      }
    }
  }

  void AddProblem(const std::string& path, std::string_view text) { problems_.push_back({path, std::string(text)}); }

 private:
  // The key of a field: its name, without the underscore at the end of names that mean something else in C++.
  static std::string KeyOf(const FieldDescriptor& field) {
    std::string key = field.name();
    if (key.back() == '_') key.pop_back();
    return key;
  }
  static const FieldDescriptor* FindField(const Descriptor& type, const std::string& key) {
    if (key.empty() || key.back() == '_') return nullptr;
    const FieldDescriptor* field = type.FindFieldByName(key);
    return field != nullptr ? field : type.FindFieldByName(key + "_");
  }

  static std::string KnownKeys(const Descriptor& type) {
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(KeyOf(*type.field(i)));
    return names.empty() ? "none" : JoinNames(names);
  }

  bool IsUsable(const YamlNode& node, const std::string& path, YamlNode::Kind kind, std::string_view otherwise) {
    if (!node.problem.empty()) {
      AddProblem(path, node.problem);
    } else if (node.kind == YamlNode::Kind::kNull) {
      AddProblem(path, "has no value");
    } else if (node.kind != kind) {
      AddProblem(path, otherwise);
    } else {
      return true;
    }
    return false;
  }

  // Of several members of one oneof, all but the first are problems.
  bool CheckOneof(const YamlNode& parent, const FieldDescriptor& field, const std::string& path) {
    const auto* oneof = field.real_containing_oneof();
    if (oneof == nullptr) return true;
    for (const auto& [key, value] : parent.members) {
      if (key == KeyOf(field)) return true;
      const FieldDescriptor* other = FindField(*field.containing_type(), key);
      if (other == nullptr || other->real_containing_oneof() != oneof) continue;
      std::vector<std::string> names;
      for (int i = 0; i < oneof->field_count(); ++i) names.push_back(oneof->field(i)->name());
      AddProblem(path, "cannot stand beside " + other->name() + "; only one of: " + JoinNames(names));
      return false;
    }
    return true;
  }

  void ReadField(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    if (field.is_map()) {
      ReadMap(node, path, field, message);
    } else if (field.is_repeated()) {
      // One text stands for a list of one.
      if (node.kind == YamlNode::Kind::kScalar && field.type() == FieldDescriptor::TYPE_STRING) {
        return ReadValue(node, path, field, message);
      }
      if (!IsUsable(node, path, YamlNode::Kind::kList, "must be a list")) return;
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        ReadValue(node.items[i], ConfigPath(path, static_cast<int>(i)), field, message);
      }
    } else {
      ReadValue(node, path, field, message);
    }
  }

  void ReadMap(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    if (!IsUsable(node, path, YamlNode::Kind::kMap, "must be a mapping of names to values")) return;
    const Reflection& reflection = *message.GetReflection();
    std::set<std::string_view> seen;
    for (const auto& [key, value] : node.members) {
      const std::string member_path = ConfigPath(path, key);
      if (!seen.insert(key).second) {
        AddProblem(member_path, "is given twice");
        continue;
      }
      // A map is a list of entries with the fields `key` and `value`.
      Message& entry = *reflection.AddMessage(&message, &field);
      const FieldDescriptor& key_field = *field.message_type()->map_key();
      if (key_field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
        AddProblem(path, "cannot be set in a configuration file");
        return;
      }
      entry.GetReflection()->SetString(&entry, &key_field, key);
      ReadValue(value, member_path, *field.message_type()->map_value(), entry);
    }
  }

  // Reads one value: that of a singular field, or an element to add to a repeated one.
  void ReadValue(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    const Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message& child =
          field.is_repeated() ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field);
      if (IsDuration(field)) {
        ReadDuration(node, path, child);
      } else if (auto* json = dynamic_cast<google::protobuf::Struct*>(&child)) {
        ReadStruct(node, path, *json);
      } else if (auto* list = dynamic_cast<google::protobuf::ListValue*>(&child)) {
        ReadListValue(node, path, *list);
      } else {
        ReadMessage(node, path, child);
      }
      return;
    }
    if (!IsUsable(node, path, YamlNode::Kind::kScalar, "must be a single value")) return;
    const bool repeated = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (field.type() == FieldDescriptor::TYPE_BYTES) {
          AddProblem(path, "cannot be set in a configuration file");
        } else if (repeated) {
          reflection.AddString(&message, &field, node.scalar);
        } else {
          reflection.SetString(&message, &field, node.scalar);
        }
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!node.plain || (node.scalar != "true" && node.scalar != "false")) {
          AddProblem(path, "must be true or false");
        } else if (repeated) {
          reflection.AddBool(&message, &field, node.scalar == "true");
        } else {
          reflection.SetBool(&message, &field, node.scalar == "true");
        }
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        if (const EnumValueDescriptor* value = ReadEnum(node, path, *field.enum_type())) {
          if (repeated) {
            reflection.AddEnum(&message, &field, value);
          } else {
            reflection.SetEnum(&message, &field, value);
          }
        }
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        ReadInteger<std::int32_t>(node, path, [&](std::int32_t value) {
          repeated ? reflection.AddInt32(&message, &field, value) : reflection.SetInt32(&message, &field, value);
        });
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        ReadInteger<std::int64_t>(node, path, [&](std::int64_t value) {
          repeated ? reflection.AddInt64(&message, &field, value) : reflection.SetInt64(&message, &field, value);
        });
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        ReadInteger<std::uint32_t>(node, path, [&](std::uint32_t value) {
          repeated ? reflection.AddUInt32(&message, &field, value) : reflection.SetUInt32(&message, &field, value);
        });
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        ReadInteger<std::uint64_t>(node, path, [&](std::uint64_t value) {
          repeated ? reflection.AddUInt64(&message, &field, value) : reflection.SetUInt64(&message, &field, value);
        });
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        ReadNumber(node, path, [&](double value) {
          repeated ? reflection.AddDouble(&message, &field, value) : reflection.SetDouble(&message, &field, value);
        });
        return;
      default:
        AddProblem(path, "cannot be set in a configuration file");
    }
  }

  // Decimal digits with or without a point; YAML knows further forms, `.inf` and `.nan` among them.
  template <typename Set>
  void ReadNumber(const YamlNode& node, const std::string& path, Set set) {
    const std::string_view text = node.scalar;
    const std::string_view digits = text.substr(!text.empty() && text[0] == '-' ? 1 : 0);
    const bool is_decimal = node.plain && !digits.empty() && digits.front() != '.' && digits.back() != '.' &&
                            (digits[0] != '0' || digits.size() == 1 || digits[1] == '.') &&
                            digits.find_first_not_of("0123456789.") == std::string_view::npos;
    double value{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (!is_decimal || result.ec != std::errc{} || result.ptr != text.data() + text.size()) {
      AddProblem(path, "must be a number in decimal digits, such as 0.1");
    } else {
      set(value);
    }
  }

  // Decimal digits only: what YAML makes of `010`, `0x10` or `1_000` depends on the library.
  template <typename Integer, typename Set>
  void ReadInteger(const YamlNode& node, const std::string& path, Set set) {
    const std::string_view text = node.scalar;
    const std::string_view digits = text.substr(!text.empty() && text[0] == '-' ? 1 : 0);
    const bool is_decimal = node.plain && !digits.empty() && (digits == "0" || digits[0] != '0') &&
                            digits.find_first_not_of("0123456789") == std::string_view::npos;
    Integer value{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (!is_decimal || (result.ec == std::errc{} && result.ptr != text.data() + text.size())) {
      AddProblem(path, "must be a whole number in decimal digits");
    } else if (result.ec != std::errc{}) {
      AddProblem(path, "is out of range");
    } else {
      set(value);
    }
  }

  const EnumValueDescriptor* ReadEnum(const YamlNode& node, const std::string& path, const EnumDescriptor& type) {
    std::vector<std::string> names;
    for (int i = 0; i < type.value_count(); ++i) {
      // The zero value means "not stated", which is said by leaving the key out.
      if (type.value(i)->number() == 0) continue;
      names.push_back(ShortName(*type.value(i)));
      if (names.back() == node.scalar) return type.value(i);
    }
    AddProblem(path, "must be one of: " + JoinNames(names));
    return nullptr;
  }

  // --- free values

  void ReadStruct(const YamlNode& node, const std::string& path, google::protobuf::Struct& out) {
    if (!IsUsable(node, path, YamlNode::Kind::kMap, "must be a mapping of names to values")) return;
    for (const auto& [key, value] : node.members) {
      const std::string member_path = ConfigPath(path, key);
      if (out.fields().count(key) != 0) {
        AddProblem(member_path, "is given twice");
      } else {
        ReadFreeValue(value, member_path, (*out.mutable_fields())[key]);
      }
    }
  }

  void ReadListValue(const YamlNode& node, const std::string& path, google::protobuf::ListValue& out) {
    // One value stands for a list of one.
    if (node.kind == YamlNode::Kind::kScalar) return ReadFreeValue(node, path, *out.add_values());
    if (!IsUsable(node, path, YamlNode::Kind::kList, "must be a list")) return;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      ReadFreeValue(node.items[i], ConfigPath(path, static_cast<int>(i)), *out.add_values());
    }
  }

  // Plain `true`, `false` and decimal integers are what they look like, everything else is text.
  void ReadFreeValue(const YamlNode& node, const std::string& path, google::protobuf::Value& out) {
    if (node.kind == YamlNode::Kind::kMap) return ReadStruct(node, path, *out.mutable_struct_value());
    if (node.kind == YamlNode::Kind::kList) return ReadListValue(node, path, *out.mutable_list_value());
    if (!IsUsable(node, path, YamlNode::Kind::kScalar, "must be a value")) return;
    const std::string_view text = node.scalar;
    const std::string_view digits = text.substr(!text.empty() && text[0] == '-' ? 1 : 0);
    if (node.plain && (text == "true" || text == "false")) {
      out.set_bool_value(text == "true");
    } else if (node.plain && !digits.empty() && digits.size() <= 15 && (digits == "0" || digits[0] != '0') &&
               digits.find_first_not_of("0123456789") == std::string_view::npos) {
      out.set_number_value(std::stod(node.scalar));
    } else {
      out.set_string_value(node.scalar);
    }
  }

  void ReadDuration(const YamlNode& node, const std::string& path, Message& message) {
    if (!IsUsable(node, path, YamlNode::Kind::kScalar, "must be a duration such as 15m")) return;
    const auto duration = ParseDurationText(node.scalar);
    if (!duration) {
      AddProblem(path, "must be a duration such as 1h30m, 15m, 5s or 500ms");
      return;
    }
    const Descriptor& type = *message.GetDescriptor();
    const Reflection& reflection = *message.GetReflection();
    reflection.SetInt64(&message, type.FindFieldByName("seconds"), duration->count() / 1000);
    reflection.SetInt32(&message, type.FindFieldByName("nanos"),
                        static_cast<std::int32_t>(duration->count() % 1000 * 1'000'000));
  }

  ConfigProblems& problems_;
};

}  // namespace

ConfigProblems ReadYaml(std::string_view yaml, Message& message) {
  ConfigProblems problems;
  const YamlDocument document = ParseYaml(yaml);
  if (!document.problem.empty()) return {{"", document.problem}};
  message.Clear();
  Reader(problems).ReadMessage(document.root, "", message);
  return problems;
}

ConfigProblems ReadYamlWithSection(std::string_view yaml, Message& message, std::string_view section,
                                   Message& section_message, bool& has_section) {
  ConfigProblems problems;
  has_section = false;
  YamlDocument document = ParseYaml(yaml);
  if (!document.problem.empty()) return {{"", document.problem}};
  message.Clear();
  section_message.Clear();
  Reader reader(problems);
  auto& members = document.root.members;
  for (auto it = members.begin(); it != members.end();) {
    if (it->key != section) {
      ++it;
      continue;
    }
    if (has_section) {
      reader.AddProblem(std::string(section), "is given twice");
    } else {
      reader.ReadMessage(it->value, std::string(section), section_message);
    }
    has_section = true;
    it = members.erase(it);
  }
  reader.ReadMessage(document.root, "", message);
  return problems;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  return FileSnapshot().Read(path, max_bytes);
}

}  // namespace livekit::token
