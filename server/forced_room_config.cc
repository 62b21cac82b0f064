#include "server/forced_room_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "livekit/token/room_config.h"
#include "protojson/reader.h"

namespace livekit::token {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Value;
using nlohmann::json;

// Stands for a text that is not known yet; nobody writes this.
std::string Placeholder(std::size_t slot) { return "\x01" + std::to_string(slot) + "\x01"; }

std::string Joined(const std::string& path, const std::string& name) { return path.empty() ? name : path + "." + name; }

}  // namespace

class ForcedRoomConfigBuilder {
 public:
  using Problem = ForcedRoomConfig::Problem;

  ForcedRoomConfigBuilder(const TemplateOptions& options, std::vector<Problem>& problems)
      : options_(options), problems_(problems) {}

  std::unique_ptr<const ForcedRoomConfig> Build(const google::protobuf::Struct& value) {
    const json probe = Probe(value, "");
    if (!problems_.empty()) return nullptr;
    protojson::ReadReport report;
    if (const absl::Status read = protojson::Read(probe.dump(-1, ' ', false, json::error_handler_t::replace), {},
                                                  result_->constant_, &report);
        !read.ok()) {
      const v1::Error error = ToError(read);
      if (error.fields_size() == 0) {
        Note("", "is not a room configuration");
      } else {
        Note(error.fields(0).field(), error.fields(0).message() + "; a variable can stand only where text does");
      }
      return nullptr;
    }
    if (report.unknown_fields > 0) {
      Note("", "has a name that livekit.RoomConfiguration does not");
      return nullptr;
    }
    if (const absl::Status safe = CheckRoomConfigCredentials(result_->constant_); !safe.ok()) {
      Note("", "holds a credential or a stream output, which everyone who has the token could read");
    }
    std::vector<ForcedRoomConfig::Step> way;
    FindSlots(result_->constant_, way);
    if (!problems_.empty()) return nullptr;
    return std::move(result_);
  }

 private:
  using Step = ForcedRoomConfig::Step;
  using Slot = ForcedRoomConfig::Slot;

  void Note(const std::string& path, std::string message) { problems_.push_back({path, std::move(message)}); }

  // The value as JSON, with placeholders for what depends on the principal.
  json Probe(const google::protobuf::Struct& value, const std::string& path) {
    json object = json::object();
    for (const auto& [name, member] : value.fields()) object[name] = Probe(member, Joined(path, name), name);
    return object;
  }

  json Probe(const Value& value, const std::string& path, const std::string& name) {
    // Metadata of the room or an agent, which is text by its type; elsewhere there are maps of that name.
    const bool metadata = name == "metadata" && std::count(path.begin(), path.end(), '.') == (path[0] == 'a' ? 1 : 0);
    if (metadata && (value.has_struct_value() || value.has_list_value())) return ProbeJson(value, path);
    switch (value.kind_case()) {
      case Value::kStringValue:
        return ProbeText(value.string_value(), path);
      case Value::kBoolValue:
        return value.bool_value();
      case Value::kNumberValue:
        return static_cast<std::int64_t>(value.number_value());  // the configuration has no others
      case Value::kListValue: {
        json list = json::array();
        for (int i = 0; i < value.list_value().values_size(); ++i) {
          list.push_back(Probe(value.list_value().values(i), path + "[" + std::to_string(i) + "]", ""));
        }
        return list;
      }
      case Value::kStructValue:
        return Probe(value.struct_value(), path);
      default:
        return nullptr;
    }
  }

  json ProbeJson(const Value& value, const std::string& path) {
    std::string place = path;
    auto parsed = JsonTemplate::Parse(value, options_, place);
    if (!parsed.ok()) {
      Note(place, ToError(parsed.status()).message());
      return nullptr;
    }
    texts_.push_back({std::make_shared<const JsonTemplate>(*std::move(parsed)), nullptr, path});
    return Placeholder(texts_.size() - 1);
  }

  json ProbeText(const std::string& text, const std::string& path) {
    if (text.empty()) return text;
    auto parsed = Template::Parse(text, options_);
    if (!parsed.ok()) {
      Note(path, ToError(parsed.status()).message());
      return nullptr;
    }
    if (auto constant = parsed->Constant()) return *std::move(constant);
    texts_.push_back({nullptr, std::make_shared<const Template>(*std::move(parsed)), path});
    return Placeholder(texts_.size() - 1);
  }

  // Finds the placeholders in `message`, which `way` leads to, and empties their fields.
  void FindSlots(Message& message, std::vector<Step>& way) {
    const auto* reflection = message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->is_map()) {
        FindMapSlots(message, *field, way);
        continue;
      }
      const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        way.push_back({field, field->is_repeated() ? i : -1});
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
          FindSlots(field->is_repeated() ? *reflection->MutableRepeatedMessage(&message, field, i)
                                         : *reflection->MutableMessage(&message, field),
                    way);
        } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
          const std::string text = field->is_repeated() ? reflection->GetRepeatedString(message, field, i)
                                                        : reflection->GetString(message, field);
          if (const Text* found = Find(text)) AddSlot(*found, *field, way, "");
        }
        way.pop_back();
      }
    }
  }

  void FindMapSlots(Message& message, const FieldDescriptor& field, std::vector<Step>& way) {
    const auto* reflection = message.GetReflection();
    for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
      const Message& entry = reflection->GetRepeatedMessage(message, &field, i);
      const auto* type = entry.GetDescriptor();
      if (type->map_value()->cpp_type() != FieldDescriptor::CPPTYPE_STRING) continue;
      const Text* found = Find(entry.GetReflection()->GetString(entry, type->map_value()));
      if (found == nullptr) continue;
      if (message.GetDescriptor() != livekit::RoomConfiguration::descriptor() &&
          message.GetDescriptor() != livekit::RoomAgentDispatch::descriptor()) {
        Note(found->path, "has a variable where only constant text can stand");
        continue;
      }
      way.push_back({&field, -1});
      AddSlot(*found, field, way, entry.GetReflection()->GetString(entry, type->map_key()));
      way.pop_back();
    }
  }

  struct Text {
    std::shared_ptr<const JsonTemplate> json;
    std::shared_ptr<const Template> text;
    std::string path;
  };

  const Text* Find(const std::string& placeholder) const {
    if (placeholder.empty() || placeholder.front() != '\x01') return nullptr;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (placeholder == Placeholder(i)) return &texts_[i];
    }
    return nullptr;
  }

  void AddSlot(const Text& text, const FieldDescriptor& field, const std::vector<Step>& way, std::string key) {
    const bool named = field.containing_type() == livekit::RoomAgentDispatch::descriptor() && !field.is_map() &&
                       field.name() != "metadata";
    if (text.text != nullptr && text.text->MayBeAbsent() && (named || field.is_repeated()) && !field.is_map()) {
      // Without its name an agent would be another one: the workers that have none.
      Note(text.path, "has a claim with `?` where the value cannot be left out");
    }
    result_->slots_.push_back({way, std::move(key), text.json, text.text});
  }

  const TemplateOptions& options_;
  std::vector<Problem>& problems_;
  std::vector<Text> texts_;
  std::unique_ptr<ForcedRoomConfig> result_ = std::make_unique<ForcedRoomConfig>();
};

std::unique_ptr<const ForcedRoomConfig> ForcedRoomConfig::Build(const google::protobuf::Struct& value,
                                                                const TemplateOptions& options,
                                                                std::vector<Problem>& problems) {
  return ForcedRoomConfigBuilder(options, problems).Build(value);
}

absl::Status ForcedRoomConfig::Render(const Principal& principal, livekit::RoomConfiguration& out) const {
  out = constant_;
  for (const Slot& slot : slots_) {
    LKT_ASSIGN_OR_RETURN(std::string text,
                         slot.json != nullptr ? slot.json->Render(principal) : slot.text->Render(principal));
    Fill(slot, std::move(text), out);
  }
  return absl::OkStatus();
}

void ForcedRoomConfig::Fill(const Slot& slot, std::string text, livekit::RoomConfiguration& out) {
  Message* message = &out;
  for (std::size_t i = 0; i + 1 < slot.way.size(); ++i) {
    const auto& [field, index] = slot.way[i];
    message = index < 0 ? message->GetReflection()->MutableMessage(message, field)
                        : message->GetReflection()->MutableRepeatedMessage(message, field, index);
  }
  const auto& [field, index] = slot.way.back();
  if (field->is_map()) {
    auto& map = message == &out ? *out.mutable_tags()
                                : *static_cast<livekit::RoomAgentDispatch*>(message)->mutable_attributes();
    if (text.empty()) {
      map.erase(slot.key);
    } else {
      map[slot.key] = std::move(text);
    }
  } else if (index < 0) {
    message->GetReflection()->SetString(message, field, std::move(text));
  } else {
    message->GetReflection()->SetRepeatedString(message, field, index, std::move(text));
  }
}

}  // namespace livekit::token
