#include "protojson/store.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/numbers.h"
#include "google/protobuf/descriptor.h"
#include "protojson/well_known.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::string_view kFine;
constexpr std::string_view kOutOfRange = "must be a number in range";

bool IsValueForm(const Target& target) {
  return target.field->kind == Kind::kMessage && target.field->type->form == Form::kValue;
}

// Sets the member of google.protobuf.Value that has this kind.
template <typename Set>
std::string_view StoreInsideValue(const Target& target, Kind kind, Set set) {
  if (const auto wrong = CheckOneof(target); !wrong.empty()) return wrong;
  Message* value = MutableTarget(target);
  for (const FieldInfo& member : target.field->type->fields) {
    if (member.kind == kind) set(*value->GetReflection(), value, member.field);
  }
  return kFine;
}

// Calls the member function of Reflection that fits the target.
template <typename Add, typename Set, typename Value>
std::string_view StoreValue(const Target& target, Add add, Set set, const Value& value) {
  if (const auto wrong = CheckOneof(target); !wrong.empty()) return wrong;
  const Reflection& reflection = *target.message->GetReflection();
  (reflection.*(target.append ? add : set))(target.message, target.field->field, value);
  return kFine;
}

std::string_view StoreText(const Target& target, const std::string& text) {
  return StoreValue(target, &Reflection::AddString, &Reflection::SetString, text);
}

std::string_view StoreEnum(const Target& target, int number) {
  const auto* type = target.field->field->enum_type();
  if (type->file()->syntax() == FileDescriptor::SYNTAX_PROTO2 && type->FindValueByNumber(number) == nullptr) {
    return WrongType(target);
  }
  return StoreValue(target, &Reflection::AddEnumValue, &Reflection::SetEnumValue, number);
}

std::string_view StoreFloating(const Target& target, double number) {
  if (target.field->kind == Kind::kDouble) {
    return StoreValue(target, &Reflection::AddDouble, &Reflection::SetDouble, number);
  }
  const auto single = static_cast<float>(number);
  if (std::isinf(single) && std::isfinite(number)) return kOutOfRange;
  return StoreValue(target, &Reflection::AddFloat, &Reflection::SetFloat, single);
}

// Whether the integer fits into `Value`, which is then set.
template <typename Value>
bool Fits(Integer integer, Value& value) {
  using Limits = std::numeric_limits<Value>;
  const std::uint64_t limit =
      integer.negative ? (Limits::is_signed ? std::uint64_t{Limits::max()} + 1 : 0) : std::uint64_t{Limits::max()};
  value = static_cast<Value>(integer.negative ? ~integer.magnitude + 1 : integer.magnitude);
  return integer.magnitude <= limit;
}

template <typename Value, typename Add, typename Set>
std::string_view StoreIfItFits(const Target& target, Integer integer, Add add, Set set) {
  Value value;
  return Fits(integer, value) ? StoreValue(target, add, set, value) : WrongType(target);
}

std::string_view StoreInteger(const Target& target, Integer integer) {
  switch (target.field->kind) {
    case Kind::kInt32:
      return StoreIfItFits<std::int32_t>(target, integer, &Reflection::AddInt32, &Reflection::SetInt32);
    case Kind::kInt64:
      return StoreIfItFits<std::int64_t>(target, integer, &Reflection::AddInt64, &Reflection::SetInt64);
    case Kind::kUint32:
      return StoreIfItFits<std::uint32_t>(target, integer, &Reflection::AddUInt32, &Reflection::SetUInt32);
    case Kind::kUint64:
      return StoreIfItFits<std::uint64_t>(target, integer, &Reflection::AddUInt64, &Reflection::SetUInt64);
    case Kind::kEnum: {
      std::int32_t value;
      return Fits(integer, value) ? StoreEnum(target, value) : WrongType(target);
    }
    default:
      return WrongType(target);
  }
}

std::string_view StoreNumberFromString(const Target& target, const std::string& text) {
  const Kind kind = target.field->kind;
  const bool floating = kind == Kind::kFloat || kind == Kind::kDouble;
  if (floating && text == "NaN") return StoreFloating(target, std::numeric_limits<double>::quiet_NaN());
  if (floating && text == "Infinity") return StoreFloating(target, std::numeric_limits<double>::infinity());
  if (floating && text == "-Infinity") return StoreFloating(target, -std::numeric_limits<double>::infinity());
  if (!IsJsonNumber(text)) return WrongType(target);
  Number number{};
  if (!floating) {
    number.whole = ToInteger(text, number.integer);
  } else if (!absl::SimpleAtod(text, &number.value) || !std::isfinite(number.value)) {
    return kOutOfRange;
  }
  return StoreNumber(target, number);
}

std::string_view StoreMessageFromString(const Target& target, const std::string& text) {
  const TypeInfo& type = *target.field->type;
  if (type.form == Form::kValue) {
    return StoreInsideValue(target, Kind::kString,
                            [&](const Reflection& reflection, Message* value, const auto* member) {
                              reflection.SetString(value, member, text);
                            });
  }
  if (type.form != Form::kTimestamp && type.form != Form::kDuration) return WrongType(target);
  if (const auto wrong = CheckOneof(target); !wrong.empty()) return wrong;
  return ReadTimeForm(text, type, *MutableTarget(target)) ? kFine : WrongType(target);
}

}  // namespace

std::string_view WrongType(const Target& target) {
  const FieldInfo& field = *target.field;
  if (field.list && !target.append) return "must be a list";
  if (field.map) return "must be an object";
  switch (field.kind) {
    case Kind::kBool:
      return "must be true or false";
    case Kind::kString:
      return "must be a string";
    case Kind::kBytes:
      return "must be a base64 string";
    case Kind::kEnum:
      return "must be the name or the number of an enumeration value";
    case Kind::kNull:
      return "must be null";
    case Kind::kFloat:
    case Kind::kDouble:
      return "must be a number";
    case Kind::kMessage:
      break;
    default:
      return "must be a whole number in range";
  }
  switch (field.type->form) {
    case Form::kListValue:
      return "must be a list";
    case Form::kTimestamp:
      return "must be a time such as 2026-01-31T12:00:00Z";
    case Form::kDuration:
      return "must be a duration such as 1.5s";
    case Form::kUnsupported:
      return "has a type that is not supported here";
    default:
      return "must be an object";
  }
}

std::string_view CheckOneof(const Target& target) {
  const auto* oneof = target.field->oneof;
  if (oneof == nullptr || !target.message->GetReflection()->HasOneof(*target.message, oneof)) return kFine;
  return "must not be set together with another member of its group";
}

Message* MutableTarget(const Target& target) {
  const Reflection& reflection = *target.message->GetReflection();
  return target.append ? reflection.AddMessage(target.message, target.field->field)
                       : reflection.MutableMessage(target.message, target.field->field);
}

std::string_view StoreNull(const Target& target) {
  if (!target.IsContainer() && target.field->kind == Kind::kNull) return StoreEnum(target, 0);
  if (!target.IsContainer() && IsValueForm(target)) {
    return StoreInsideValue(target, Kind::kNull, [](const Reflection& reflection, Message* value, const auto* member) {
      reflection.SetEnumValue(value, member, 0);
    });
  }
  return target.element ? "must not contain null" : kFine;
}

std::string_view StoreBool(const Target& target, bool value) {
  if (target.IsContainer()) return WrongType(target);
  if (IsValueForm(target)) {
    return StoreInsideValue(target, Kind::kBool, [&](const Reflection& reflection, Message* inner, const auto* member) {
      reflection.SetBool(inner, member, value);
    });
  }
  if (target.field->kind != Kind::kBool) return WrongType(target);
  return StoreValue(target, &Reflection::AddBool, &Reflection::SetBool, value);
}

std::string_view StoreNumber(const Target& target, const Number& number) {
  if (target.IsContainer()) return WrongType(target);
  switch (target.field->kind) {
    case Kind::kFloat:
    case Kind::kDouble:
      return StoreFloating(target, number.value);
    case Kind::kMessage:
      if (!IsValueForm(target)) return WrongType(target);
      return StoreInsideValue(target, Kind::kDouble,
                              [&](const Reflection& reflection, Message* value, const auto* member) {
                                reflection.SetDouble(value, member, number.value);
                              });
    default:
      return number.whole ? StoreInteger(target, number.integer) : WrongType(target);
  }
}

std::string_view StoreString(const Target& target, const std::string& text) {
  if (target.IsContainer()) return WrongType(target);
  switch (target.field->kind) {
    case Kind::kString:
      return StoreText(target, text);
    case Kind::kBytes: {
      std::string bytes;
      return ReadBase64(text, bytes) ? StoreText(target, bytes) : WrongType(target);
    }
    case Kind::kEnum: {
      const EnumValueDescriptor* named = target.field->field->enum_type()->FindValueByName(text);
      return named == nullptr ? kUnknownEnumName : StoreEnum(target, named->number());
    }
    case Kind::kBool:
    case Kind::kNull:
      return WrongType(target);
    case Kind::kMessage:
      return StoreMessageFromString(target, text);
    default:
      return StoreNumberFromString(target, text);
  }
}

std::string_view StoreKey(const FieldInfo& key, const std::string& text, Message* entry) {
  const Target target{entry, &key, false, true};
  if (key.kind == Kind::kString) return StoreText(target, text);
  if (key.kind == Kind::kBool) {
    if (text != "true" && text != "false") return "has a key that is neither true nor false";
    return StoreBool(target, text == "true");
  }
  const bool plain = text != "-0" && text.find_first_not_of("-0123456789") == std::string::npos;
  Integer integer{};
  if (plain && ToInteger(text, integer) && StoreInteger(target, integer).empty()) return kFine;
  return "has a key that is not a whole number in range";
}

}  // namespace livekit::token::protojson
