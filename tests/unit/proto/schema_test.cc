// The compiled descriptors against LiveKit's published schema. With our own declarations nothing may be missing and
// nothing extra; with LiveKit's files in their place (PROTO_ROOT_REPLACED), which may be newer, nothing may be missing.
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "livekit_token_source.pb.h"
#include "logger/options.pb.h"
#include "nlohmann/json.hpp"

namespace livekit::token {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

#ifdef PROTO_ROOT_REPLACED
constexpr bool kExact = false;
#else
constexpr bool kExact = true;
#endif

json DescribeType(const FieldDescriptor* field) {
  if (field->message_type() != nullptr) return field->message_type()->full_name();
  if (field->enum_type() != nullptr) return field->enum_type()->full_name();
  return nullptr;
}

std::string LabelOf(const FieldDescriptor* field) {
  if (field->is_map()) return "map";
  if (field->is_repeated()) return "repeated";
  return field->has_optional_keyword() ? "optional" : "singular";
}

json SensitivityOf(const FieldDescriptor* field) {
  switch (field->options().GetExtension(logger::sensitivity)) {
    case logger::SENSITIVITY_PII:
      return "PII";
    case logger::SENSITIVITY_SECRET:
      return "SECRET";
    default:
      return nullptr;
  }
}

// A field in the form of the schema data.
json Describe(const FieldDescriptor* field) {
  const auto* oneof = field->real_containing_oneof();
  json out = {{"number", field->number()},
              {"name", field->name()},
              {"json_name", field->json_name()},
              {"type", field->is_map() ? "map" : field->type_name()},
              {"label", LabelOf(field)},
              {"oneof", oneof != nullptr ? json(oneof->name()) : json()},
              {"has_presence", field->has_presence()},
              {"deprecated", field->options().deprecated()},
              {"log_sensitivity", SensitivityOf(field)}};
  if (field->is_map()) {
    out["map_key_type"] = field->message_type()->map_key()->type_name();
    out["map_value_type"] = field->message_type()->map_value()->type_name();
    if (!DescribeType(field->message_type()->map_value()).is_null()) {
      out["type_name"] = DescribeType(field->message_type()->map_value());
    }
  } else if (!DescribeType(field).is_null()) {
    out["type_name"] = DescribeType(field);
  }
  return out;
}

class Schema : public ::testing::Test {
 protected:
  Schema() {
    std::ifstream file(TEST_DATA_DIR "/livekit_schema.json");
    data_ = json::parse(file);
    for (const auto& root : data_["roots"]) Reach(Find(root.get<std::string>()));
  }

  static const Descriptor* Find(const std::string& name) {
    // The pool finds only what is linked in.
    livekit::TokenSourceRequest::descriptor();
    const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
    EXPECT_NE(type, nullptr) << name;
    return type;
  }

  void Reach(const Descriptor* type) {
    if (type == nullptr || messages_.count(type->full_name()) != 0) return;
    if (!type->options().map_entry()) messages_[type->full_name()] = type;
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      if (field->enum_type() != nullptr) enums_[field->enum_type()->full_name()] = field->enum_type();
      if (field->message_type() != nullptr) Reach(field->message_type());
    }
  }

  json data_;
  std::map<std::string, const Descriptor*> messages_;
  std::map<std::string, const EnumDescriptor*> enums_;
};

TEST_F(Schema, HasEveryMessageWithEveryFieldAndNoOther) {
  ASSERT_GE(data_["messages"].size(), 20u);
  std::set<std::string> known;
  for (const auto& expected : data_["messages"]) {
    const std::string name = expected["name"];
    known.insert(name);
    ASSERT_EQ(messages_.count(name), 1u) << name;
    const Descriptor* type = messages_[name];
    EXPECT_EQ("protobufs/" + type->file()->name(), expected["file"].get<std::string>()) << name;
    EXPECT_EQ(type->options().deprecated(), expected["deprecated"].get<bool>()) << name;
    std::set<int> numbers;
    for (const auto& field : expected["fields"]) {
      const int number = field["number"];
      numbers.insert(number);
      const auto* compiled = type->FindFieldByNumber(number);
      ASSERT_NE(compiled, nullptr) << name << " " << field["name"];
      json want = field;
      want.erase("json_name_is_custom");  // json_name says it
      // A newer schema may mark what was not marked before, never the other way round.
      if (!kExact && want["log_sensitivity"].is_null()) want["log_sensitivity"] = SensitivityOf(compiled);
      EXPECT_EQ(Describe(compiled), want) << name;
    }
    std::set<std::string> oneofs;
    for (int i = 0; i < type->real_oneof_decl_count(); ++i) oneofs.insert(type->oneof_decl(i)->name());
    for (const auto& oneof : expected["oneofs"]) EXPECT_EQ(oneofs.count(oneof), 1u) << name << " " << oneof;
    if (!kExact) continue;
    EXPECT_EQ(oneofs.size(), expected["oneofs"].size()) << name;
    for (int i = 0; i < type->field_count(); ++i) {
      EXPECT_EQ(numbers.count(type->field(i)->number()), 1u) << name << " has in addition " << type->field(i)->name();
    }
    EXPECT_EQ(type->reserved_range_count(), static_cast<int>(expected["reserved_ranges"].size())) << name;
    EXPECT_EQ(type->reserved_name_count(), static_cast<int>(expected["reserved_names"].size())) << name;
  }
  for (const auto& [name, type] : messages_) {
    if (kExact) {
      EXPECT_EQ(known.count(name), 1u) << "in addition " << name;
    }
  }
}

TEST_F(Schema, HasEveryEnumWithEveryValueAndNoOther) {
  ASSERT_GE(data_["enums"].size(), 11u);
  std::set<std::string> known;
  for (const auto& expected : data_["enums"]) {
    const std::string name = expected["name"];
    known.insert(name);
    ASSERT_EQ(enums_.count(name), 1u) << name;
    const EnumDescriptor* type = enums_[name];
    EXPECT_EQ("protobufs/" + type->file()->name(), expected["file"].get<std::string>()) << name;
    EXPECT_EQ(type->options().allow_alias(), expected["allow_alias"].get<bool>()) << name;
    for (const auto& value : expected["values"]) {
      const auto* compiled = type->FindValueByName(value["name"]);
      ASSERT_NE(compiled, nullptr) << name << " " << value["name"];
      EXPECT_EQ(compiled->number(), value["number"].get<int>()) << name << " " << value["name"];
      EXPECT_EQ(compiled->options().deprecated(), value["deprecated"].get<bool>()) << name << " " << value["name"];
    }
    if (kExact) {
      EXPECT_EQ(type->value_count(), static_cast<int>(expected["values"].size())) << name;
    }
  }
  for (const auto& [name, type] : enums_) {
    if (kExact) {
      EXPECT_EQ(known.count(name), 1u) << "in addition " << name;
    }
  }
}

TEST(LoggerOptions, AreDeclaredAsLiveKitDeclaresThem) {
  const auto* file = logger::Sensitivity_descriptor()->file();
  EXPECT_EQ(file->name(), "logger/options.proto");
  const std::map<std::string, std::pair<int, FieldDescriptor::Type>> expected = {
      {"redact_format", {1286, FieldDescriptor::TYPE_STRING}},
      {"name", {1287, FieldDescriptor::TYPE_STRING}},
      {"sensitivity", {1288, FieldDescriptor::TYPE_ENUM}}};
  for (const auto& [name, number_and_type] : expected) {
    const auto* extension = file->FindExtensionByName(name);
    ASSERT_NE(extension, nullptr) << name;
    EXPECT_EQ(extension->number(), number_and_type.first) << name;
    EXPECT_EQ(extension->type(), number_and_type.second) << name;
    EXPECT_EQ(extension->containing_type()->full_name(), "google.protobuf.FieldOptions") << name;
  }
  EXPECT_EQ(logger::SENSITIVITY_UNSPECIFIED, 0);
  EXPECT_EQ(logger::SENSITIVITY_PII, 1);
  EXPECT_EQ(logger::SENSITIVITY_SECRET, 2);
}

}  // namespace
}  // namespace livekit::token
