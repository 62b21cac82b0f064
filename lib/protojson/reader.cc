#include "protojson/reader.h"

#include <cmath>
#include <cstdint>
#include <exception>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/numbers.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "protojson/number.h"
#include "protojson/type_info.h"
#include "protojson/well_known.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

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

// Where the next value goes.
struct Target {
  Message* message = nullptr;
  const FieldInfo* field = nullptr;  // null: nowhere, the member is unknown
  bool append = false;               // to the list `field`
  bool element = false;              // of a list or a map, where null has no meaning
};

// Receives the events of nlohmann's parser. Every callback returns whether to go on.
class Handler {
 public:
  Handler(const ReadOptions& options, const TypeInfo& type, Message& message, ReadReport& report)
      : options_(options), type_(type), message_(message), report_(report) {}

  const absl::Status& status() const { return status_; }

  bool null() {
    Target target;
    if (!Next(target)) return false;
    if (target.field == nullptr) return true;
    const FieldInfo& field = *target.field;
    const bool container = (field.list || field.map) && !target.append;
    if (!container && field.kind == Kind::kNull) return SetEnum(target, 0);
    if (!container && field.kind == Kind::kMessage && field.type->form == Form::kValue) {
      return SetInsideValue(target, Kind::kNull, [](const Reflection& reflection, Message* value, const auto* member) {
        reflection.SetEnumValue(value, member, 0);
      });
    }
    return !target.element || Fail("must not contain null");
  }

  bool boolean(bool value) {
    const auto set = [value](const Reflection& reflection, Message* message, const auto* field) {
      reflection.SetBool(message, field, value);
    };
    Target target;
    if (!NextScalar(target)) return false;
    if (target.field == nullptr) return true;
    if (IsValueForm(target)) return SetInsideValue(target, Kind::kBool, set);
    if (target.field->kind != Kind::kBool) return FailType(*target.field);
    if (!CheckOneof(target)) return false;
    if (!target.append) {
      set(*target.message->GetReflection(), target.message, target.field->field);
    } else {
      target.message->GetReflection()->AddBool(target.message, target.field->field, value);
    }
    return true;
  }

  // The parser reports only numbers below zero here, and -0.
  bool number_integer(std::int64_t value) {
    Target target;
    if (!NextScalar(target)) return false;
    const double number = value == 0 ? -0.0 : static_cast<double>(value);
    return target.field == nullptr || SetNumber(target, number, {true, ~static_cast<std::uint64_t>(value) + 1}, true);
  }

  bool number_unsigned(std::uint64_t value) {
    Target target;
    if (!NextScalar(target)) return false;
    return target.field == nullptr || SetNumber(target, static_cast<double>(value), {false, value}, true);
  }

  // Also reports integers that need more than 64 bits, already rounded; the text is exact.
  bool number_float(double value, const std::string& text) {
    Target target;
    if (!NextScalar(target)) return false;
    if (target.field == nullptr) return true;
    Integer integer{};
    const bool whole = ToInteger(text, integer);
    return SetNumber(target, value, integer, whole);
  }

  bool string(std::string& value) {
    Target target;
    if (!NextScalar(target)) return false;
    if (target.field == nullptr) return true;
    const FieldInfo& field = *target.field;
    switch (field.kind) {
      case Kind::kString:
        return SetText(target, value);
      case Kind::kBytes: {
        std::string bytes;
        return ReadBase64(value, bytes) ? SetText(target, bytes) : Fail("must be base64");
      }
      case Kind::kEnum: {
        const EnumValueDescriptor* named = field.field->enum_type()->FindValueByName(value);
        if (named != nullptr) return SetEnum(target, named->number());
        return options_.ignore_unknown_enum_names || Fail("must be one of the names of its enumeration");
      }
      case Kind::kBool:
      case Kind::kNull:
        return FailType(field);
      case Kind::kMessage:
        return ReadMessageFromString(target, value);
      default:
        return ReadNumberFromString(target, value);
    }
  }

  bool binary(nlohmann::json::binary_t&) { return FailDocument(); }

  bool start_object(std::size_t) {
    if (!CheckDepth()) return false;
    if (frames_.empty()) return PushObject(&message_, type_);
    Target target;
    if (!Next(target)) return false;
    if (target.field == nullptr) return Push(Frame::kUnknownObject, nullptr, nullptr);
    const FieldInfo& field = *target.field;
    if (field.list && !target.append) return FailType(field);
    if (field.map && !target.append) return Push(Frame::kMap, target.message, &field);
    if (field.kind != Kind::kMessage) return FailType(field);
    const Form form = field.type->form;
    if (form != Form::kMessage && form != Form::kStruct && form != Form::kValue) return FailType(field);
    if (!CheckOneof(target)) return false;
    return PushObject(Mutable(target), *field.type);
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
    if (field.kind != Kind::kMessage || (field.map && !target.append)) return FailType(field);
    if (field.type->form != Form::kListValue && field.type->form != Form::kValue) return FailType(field);
    if (!CheckOneof(target)) return false;
    Message* list = Mutable(target);
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

  bool FailType(const FieldInfo& field) {
    if (field.list && frames_.back().type != Frame::kList) return Fail("must be a list");
    if (field.map) return Fail("must be an object");
    switch (field.kind) {
      case Kind::kBool:
        return Fail("must be true or false");
      case Kind::kString:
        return Fail("must be a string");
      case Kind::kBytes:
        return Fail("must be a base64 string");
      case Kind::kEnum:
        return Fail("must be the name or the number of an enumeration value");
      case Kind::kNull:
        return Fail("must be null");
      case Kind::kFloat:
      case Kind::kDouble:
        return Fail("must be a number");
      case Kind::kMessage:
        break;
      default:
        return Fail("must be a whole number in range");
    }
    switch (field.type->form) {
      case Form::kListValue:
        return Fail("must be a list");
      case Form::kTimestamp:
        return Fail("must be a time such as 2026-01-31T12:00:00Z");
      case Form::kDuration:
        return Fail("must be a duration such as 1.5s");
      case Form::kUnsupported:
        return Fail("has a type that is not supported here");
      default:
        return Fail("must be an object");
    }
  }

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

  // As Next, for a value that is neither list nor object.
  bool NextScalar(Target& target) {
    if (!Next(target)) return false;
    if (target.field == nullptr || target.append || !(target.field->list || target.field->map)) return true;
    return FailType(*target.field);
  }

  static bool IsValueForm(const Target& target) {
    return target.field->kind == Kind::kMessage && target.field->type->form == Form::kValue;
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
    const FieldInfo& key = frame.field->type->MapKey();
    const Target target{frame.entry, &key, false, true};
    // Every key has one text only, so that equal texts are equal keys.
    if (!Occurs(frame.id, name)) return Fail("has a key that occurs twice");
    if (key.kind == Kind::kString) return SetText(target, name);
    if (key.kind == Kind::kBool) {
      if (name != "true" && name != "false") return Fail("has a key that is neither true nor false");
      frame.entry->GetReflection()->SetBool(frame.entry, key.field, name == "true");
      return true;
    }
    const bool plain = name != "-0" && name.find_first_not_of("-0123456789") == std::string::npos;
    Integer integer{};
    if (plain && ToInteger(name, integer) && SetInteger(target, integer)) return true;
    return Fail("has a key that is not a whole number in range");
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

  // Storing values.

  bool CheckOneof(const Target& target) {
    const auto* oneof = target.field->oneof;
    if (oneof == nullptr || !target.message->GetReflection()->HasOneof(*target.message, oneof)) return true;
    return Fail("must not be set together with another member of its group");
  }

  static Message* Mutable(const Target& target) {
    const Reflection& reflection = *target.message->GetReflection();
    return target.append ? reflection.AddMessage(target.message, target.field->field)
                         : reflection.MutableMessage(target.message, target.field->field);
  }

  // Sets the member of google.protobuf.Value that has this kind.
  template <typename Set>
  bool SetInsideValue(const Target& target, Kind kind, Set set) {
    if (!CheckOneof(target)) return false;
    Message* value = Mutable(target);
    for (const FieldInfo& member : target.field->type->fields) {
      if (member.kind == kind) set(*value->GetReflection(), value, member.field);
    }
    return true;
  }

  bool SetText(const Target& target, const std::string& text) {
    if (!CheckOneof(target)) return false;
    const Reflection& reflection = *target.message->GetReflection();
    if (target.append) {
      reflection.AddString(target.message, target.field->field, text);
    } else {
      reflection.SetString(target.message, target.field->field, text);
    }
    return true;
  }

  bool SetEnum(const Target& target, int number) {
    if (!CheckOneof(target)) return false;
    const auto* type = target.field->field->enum_type();
    if (type->file()->syntax() == FileDescriptor::SYNTAX_PROTO2 && type->FindValueByNumber(number) == nullptr) {
      return FailType(*target.field);
    }
    const Reflection& reflection = *target.message->GetReflection();
    if (target.append) {
      reflection.AddEnumValue(target.message, target.field->field, number);
    } else {
      reflection.SetEnumValue(target.message, target.field->field, number);
    }
    return true;
  }

  // A number: its value as double, and as integer if it is whole.
  bool SetNumber(const Target& target, double number, Integer integer, bool whole) {
    switch (target.field->kind) {
      case Kind::kFloat:
      case Kind::kDouble:
        return SetFloating(target, number);
      case Kind::kMessage:
        if (!IsValueForm(target)) return FailType(*target.field);
        return SetInsideValue(target, Kind::kDouble,
                              [&](const Reflection& reflection, Message* value, const auto* member) {
                                reflection.SetDouble(value, member, number);
                              });
      case Kind::kBool:
      case Kind::kString:
      case Kind::kBytes:
      case Kind::kNull:
        return FailType(*target.field);
      default:
        return whole && CheckOneof(target) ? SetInteger(target, integer) : status_.ok() && FailType(*target.field);
    }
  }

  bool SetFloating(const Target& target, double number) {
    if (!CheckOneof(target)) return false;
    const Reflection& reflection = *target.message->GetReflection();
    const auto* field = target.field->field;
    if (target.field->kind == Kind::kDouble) {
      target.append ? reflection.AddDouble(target.message, field, number)
                    : reflection.SetDouble(target.message, field, number);
      return true;
    }
    const auto single = static_cast<float>(number);
    if (std::isinf(single) && std::isfinite(number)) return Fail("must be a number in range");
    target.append ? reflection.AddFloat(target.message, field, single)
                  : reflection.SetFloat(target.message, field, single);
    return true;
  }

  template <typename Number, typename Add, typename Set>
  bool StoreInteger(const Target& target, Integer integer, Add add, Set set) {
    using Limits = std::numeric_limits<Number>;
    const std::uint64_t limit = integer.negative
                                    ? (Limits::is_signed ? std::uint64_t{Limits::max()} + 1 : std::uint64_t{0})
                                    : std::uint64_t{Limits::max()};
    if (integer.magnitude > limit) return FailType(*target.field);
    const auto value = static_cast<Number>(integer.negative ? ~integer.magnitude + 1 : integer.magnitude);
    const Reflection& reflection = *target.message->GetReflection();
    (reflection.*(target.append ? add : set))(target.message, target.field->field, value);
    return true;
  }

  bool SetInteger(const Target& target, Integer integer) {
    switch (target.field->kind) {
      case Kind::kInt32:
        return StoreInteger<std::int32_t>(target, integer, &Reflection::AddInt32, &Reflection::SetInt32);
      case Kind::kInt64:
        return StoreInteger<std::int64_t>(target, integer, &Reflection::AddInt64, &Reflection::SetInt64);
      case Kind::kUint32:
        return StoreInteger<std::uint32_t>(target, integer, &Reflection::AddUInt32, &Reflection::SetUInt32);
      case Kind::kUint64:
        return StoreInteger<std::uint64_t>(target, integer, &Reflection::AddUInt64, &Reflection::SetUInt64);
      case Kind::kEnum: {
        const std::uint64_t limit = integer.negative ? 0x80000000u : 0x7fffffffu;
        if (integer.magnitude > limit) return FailType(*target.field);
        return SetEnum(target,
                       static_cast<std::int32_t>(integer.negative ? ~integer.magnitude + 1 : integer.magnitude));
      }
      default:
        return FailType(*target.field);
    }
  }

  bool ReadNumberFromString(const Target& target, const std::string& text) {
    const Kind kind = target.field->kind;
    const bool floating = kind == Kind::kFloat || kind == Kind::kDouble;
    if (floating && text == "NaN") return SetFloating(target, std::numeric_limits<double>::quiet_NaN());
    if (floating && text == "Infinity") return SetFloating(target, std::numeric_limits<double>::infinity());
    if (floating && text == "-Infinity") return SetFloating(target, -std::numeric_limits<double>::infinity());
    if (!IsJsonNumber(text)) return FailType(*target.field);
    Integer integer{};
    const bool whole = !floating && ToInteger(text, integer);
    double number = 0;
    if (floating && (!absl::SimpleAtod(text, &number) || !std::isfinite(number)))
      return Fail("must be a number in range");
    return SetNumber(target, number, integer, whole);
  }

  bool ReadMessageFromString(const Target& target, const std::string& text) {
    const TypeInfo& type = *target.field->type;
    if (type.form == Form::kValue) {
      return SetInsideValue(target, Kind::kString,
                            [&](const Reflection& reflection, Message* value, const auto* member) {
                              reflection.SetString(value, member, text);
                            });
    }
    if (type.form != Form::kTimestamp && type.form != Form::kDuration) return FailType(*target.field);
    if (!CheckOneof(target)) return false;
    return ReadTimeForm(text, type, *Mutable(target)) || FailType(*target.field);
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
