#include "protojson/reader.h"

#include <cstdint>
#include <exception>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "protojson/store.h"
#include "protojson/type_info.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::Message;

constexpr std::string_view kNotAnObject = "The text is not one JSON object.";

// An object or array that is being read.
struct Frame {
  enum Type : std::uint8_t { kObject, kList, kMap, kUnknownObject, kUnknownArray };
  Type type;
  bool awaits_value = false;         // kObject: after a key and before its value
  int index = -1;                    // kList: of the current element
  std::uint32_t id = 0;              // distinguishes objects in `twins_`
  Message* message = nullptr;        // kObject: itself; kList, kMap: the message that has the field
  const TypeInfo* info = nullptr;    // kObject
  const FieldInfo* field = nullptr;  // kObject: the current member, null if unknown; kList, kMap: the field
  Message* entry = nullptr;          // kMap: the current entry
  std::uint64_t seen = 0;            // kObject: which of the first 64 fields have occurred
};

// Receives the events of nlohmann's parser. Every callback returns whether to go on.
class Handler {
 public:
  Handler(const ReadOptions& options, const TypeInfo& type, Message& message, ReadReport& report)
      : options_(options), type_(type), message_(message), report_(report) {}

  const absl::Status& status() const { return status_; }

  bool null() {
    Target target;
    return Next(target) && (target.field == nullptr || Accept(StoreNull(target)));
  }

  bool boolean(bool value) {
    Target target;
    return Next(target) && (target.field == nullptr || Accept(StoreBool(target, value)));
  }

  // The parser reports only numbers below zero here, and -0.
  bool number_integer(std::int64_t value) {
    const double rounded = value == 0 ? -0.0 : static_cast<double>(value);
    return Numeric({rounded, true, {true, ~static_cast<std::uint64_t>(value) + 1}});
  }

  bool number_unsigned(std::uint64_t value) { return Numeric({static_cast<double>(value), true, {false, value}}); }

  // Also reports integers that need more than 64 bits, already rounded; the text is exact.
  bool number_float(double value, const std::string& text) {
    Number number{value, false, {}};
    number.whole = ToInteger(text, number.integer);
    return Numeric(number);
  }

  bool string(std::string& value) {
    Target target;
    if (!Next(target)) return false;
    if (target.field == nullptr) return true;
    const std::string_view wrong = StoreString(target, value);
    if (wrong != kUnknownEnumName || !options_.ignore_unknown_enum_names) return Accept(wrong);
    Frame& frame = frames_.back();
    if (frame.type == Frame::kMap) frame.message->GetReflection()->RemoveLast(frame.message, frame.field->field);
    return true;
  }

  bool binary(nlohmann::json::binary_t&) { return FailDocument(); }

  bool start_object(std::size_t) {
    if (!CheckDepth()) return false;
    if (frames_.empty()) return PushObject(&message_, type_);
    Target target;
    if (!Next(target)) return false;
    if (target.field == nullptr) return Push(Frame::kUnknownObject, nullptr, nullptr);
    const FieldInfo& field = *target.field;
    if (field.list && !target.append) return Fail(WrongType(target));
    if (field.map && !target.append) return Push(Frame::kMap, target.message, &field);
    if (field.kind != Kind::kMessage) return Fail(WrongType(target));
    const Form form = field.type->form;
    if (form != Form::kMessage && form != Form::kStruct && form != Form::kValue) return Fail(WrongType(target));
    if (const auto wrong = CheckOneof(target); !wrong.empty()) return Fail(wrong);
    return PushObject(MutableTarget(target), *field.type);
  }

  bool key(std::string& name) {
    if (!CountElement()) return false;
    Frame& frame = frames_.back();
    switch (frame.type) {
      case Frame::kObject:
        return ObjectKey(frame, name);
      case Frame::kMap:
        return MapKey(frame, name);
      default:
        return Occurs(frame.id, name) || Fail("has a member that occurs twice");
    }
  }

  bool end_object() {
    frames_.pop_back();
    return true;
  }

  bool start_array(std::size_t) {
    if (!CheckDepth()) return false;
    Target target;
    if (!Next(target)) return false;
    if (target.field == nullptr) return Push(Frame::kUnknownArray, nullptr, nullptr);
    const FieldInfo& field = *target.field;
    if (field.list && !target.append) return Push(Frame::kList, target.message, &field);
    if (field.kind != Kind::kMessage || (field.map && !target.append)) return Fail(WrongType(target));
    if (field.type->form != Form::kListValue && field.type->form != Form::kValue) return Fail(WrongType(target));
    if (const auto wrong = CheckOneof(target); !wrong.empty()) return Fail(wrong);
    Message* list = MutableTarget(target);
    const TypeInfo* type = field.type;
    if (type->form == Form::kValue) {
      const FieldInfo& member = *type->Find("list_value");
      list = list->GetReflection()->MutableMessage(list, member.field);
      type = member.type;
    }
    return Push(Frame::kList, list, &type->fields[0]);
  }

  bool end_array() {
    frames_.pop_back();
    return true;
  }

  template <typename Exception>
  bool parse_error(std::size_t, const std::string&, const Exception& error) {
    constexpr int kNumberOverflow = 406;
    const std::string path = Path(/*at_syntax_error=*/true);
    if (error.id == kNumberOverflow && !path.empty()) {
      status_ = RefuseField(v1::FIELD_INVALID, path, "must be a number in range");
    } else if (path.empty()) {
      FailDocument();
    } else {
      status_ = RefuseField(v1::INVALID_JSON, path, "is not well-formed JSON in UTF-8");
    }
    return false;
  }

 private:
  // Failing.

  bool FailDocument(std::string_view sentence = kNotAnObject) {
    status_ = Refuse(v1::INVALID_JSON, sentence);
    return false;
  }

  // Refuses the current field, or the document where no field of the schema is concerned.
  bool Fail(std::string_view message) {
    const std::string path = Path(/*at_syntax_error=*/false);
    if (path.empty()) return FailDocument("The JSON object " + std::string(message) + ".");
    status_ = RefuseField(v1::FIELD_INVALID, path, message);
    return false;
  }

  // Goes on, or refuses the current field for what is wrong.
  bool Accept(std::string_view wrong) { return wrong.empty() || Fail(wrong); }

  // The path of the current field. A key of a map is input and does not appear; at a syntax error the last member and
  // element may already be complete, and only what is certain is named.
  std::string Path(bool at_syntax_error) const {
    std::string path;
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      const Frame& frame = frames_[i];
      const bool certain = !at_syntax_error || i + 1 < frames_.size();
      if (frame.type == Frame::kUnknownObject || frame.type == Frame::kUnknownArray) break;
      if (frame.type == Frame::kObject) {
        if (frame.field == nullptr || (!certain && !frame.awaits_value)) break;
        if (!path.empty()) path.push_back('.');
        path.append(frame.field->field->name());
      } else if (frame.type == Frame::kList && certain && frame.index >= 0) {
        path.append("[").append(std::to_string(frame.index)).append("]");
      }
    }
    return path;
  }

  bool CheckDepth() {
    return frames_.size() < static_cast<std::size_t>(options_.max_depth) || Fail("is nested too deeply");
  }

  bool CountElement() { return ++elements_ <= options_.max_elements || Fail("has too many members and elements"); }

  // Finding out where a value goes.

  bool Next(Target& target) {
    if (frames_.empty()) return FailDocument();
    Frame& frame = frames_.back();
    switch (frame.type) {
      case Frame::kObject:
        frame.awaits_value = false;
        target = {frame.message, frame.field, false, false};
        return true;
      case Frame::kMap:
        target = {frame.entry, &frame.field->type->MapValue(), false, true};
        return true;
      case Frame::kList:
        ++frame.index;
        target = {frame.message, frame.field, true, true};
        return CountElement();
      case Frame::kUnknownArray:
        return CountElement();
      case Frame::kUnknownObject:
        break;
    }
    return true;
  }

  bool Numeric(const Number& number) {
    Target target;
    return Next(target) && (target.field == nullptr || Accept(StoreNumber(target, number)));
  }

  // Whether (object, name) occurs for the first time.
  bool Occurs(std::uint32_t object, const std::string& name) { return twins_.emplace(object, name).second; }

  bool ObjectKey(Frame& frame, const std::string& name) {
    frame.field = frame.info->Find(name);
    frame.awaits_value = true;
    bool first;
    if (frame.field == nullptr) {
      ++report_.unknown_fields;
      first = Occurs(frame.id, name);
    } else if (frame.field->index < 64) {
      const std::uint64_t bit = std::uint64_t{1} << frame.field->index;
      first = (frame.seen & bit) == 0;
      frame.seen |= bit;
    } else {
      first = Occurs(frame.id, frame.field->field->name());
    }
    if (first) return true;
    return Fail(frame.field == nullptr ? "has a member that occurs twice" : "occurs twice");
  }

  bool MapKey(Frame& frame, const std::string& name) {
    frame.entry = frame.message->GetReflection()->AddMessage(frame.message, frame.field->field);
    if (!Occurs(frame.id, name)) return Fail("has a key that occurs twice");
    return Accept(StoreKey(frame.field->type->MapKey(), name, frame.entry));
  }

  bool Push(Frame::Type type, Message* message, const FieldInfo* field) {
    Frame& frame = frames_.emplace_back();
    frame.type = type;
    frame.id = ++last_id_;
    frame.message = message;
    frame.field = field;
    return true;
  }

  // An object for `message`, whose form is kMessage, kStruct or kValue.
  bool PushObject(Message* message, const TypeInfo& type) {
    if (type.form == Form::kValue) {
      const FieldInfo& member = *type.Find("struct_value");
      return PushObject(message->GetReflection()->MutableMessage(message, member.field), *member.type);
    }
    if (type.form == Form::kStruct) return Push(Frame::kMap, message, &type.fields[0]);
    if (type.form != Form::kMessage) return FailDocument();
    Push(Frame::kObject, message, nullptr);
    frames_.back().info = &type;
    return true;
  }

  const ReadOptions& options_;
  const TypeInfo& type_;
  Message& message_;
  ReadReport& report_;
  absl::Status status_;
  absl::InlinedVector<Frame, 8> frames_;
  absl::flat_hash_set<std::pair<std::uint32_t, std::string>> twins_;
  std::uint32_t last_id_ = 0;
  int elements_ = 0;
};

}  // namespace

absl::Status Read(std::string_view json, const ReadOptions& options, google::protobuf::Message& message,
                  ReadReport* report) {
  message.Clear();
  // The parser takes NUL for the end of the text and skips a BOM.
  constexpr std::string_view kBom = "\xEF\xBB\xBF";
  if (json.find('\0') != std::string_view::npos || json.substr(0, kBom.size()) == kBom) {
    return Refuse(v1::INVALID_JSON, kNotAnObject);
  }
  const TypeLookup type(message.GetDescriptor());
  ReadReport ignored;
  ReadReport& counted = report != nullptr ? *report : ignored;
  counted = {};
  Handler handler(options, *type, message, counted);
  try {
    if (nlohmann::json::sax_parse(json.data(), json.data() + json.size(), &handler)) return absl::OkStatus();
  } catch (const std::exception&) {
    return Refuse(v1::INTERNAL);  // out of memory
  }
  return handler.status().ok() ? Refuse(v1::INVALID_JSON, kNotAnObject) : handler.status();
}

}  // namespace livekit::token::protojson
