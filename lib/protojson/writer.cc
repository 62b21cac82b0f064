#include "protojson/writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "base/text.h"
#include "protojson/type_info.h"
#include "protojson/well_known.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

template <typename Number>
void AppendNumber(Number value, std::string& out) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, static_cast<std::size_t>(end - text));
}

template <typename Number>
void AppendQuotedNumber(Number value, std::string& out) {
  out.push_back('"');
  AppendNumber(value, out);
  out.push_back('"');
}

template <typename Number>
void AppendFloating(Number value, std::string& out) {
  if (std::isfinite(value)) {
    AppendNumber(value, out);
  } else if (std::isnan(value)) {
    out.append("\"NaN\"");
  } else {
    out.append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  }
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  bool Write(const Message& message, const TypeInfo& type) {
    switch (type.form) {
      case Form::kMessage:
        return WriteObject(message, type);
      case Form::kStruct:
        return WriteMap(message, *message.GetReflection(), type.fields[0]);
      case Form::kListValue:
        return WriteList(message, *message.GetReflection(), type.fields[0]);
      case Form::kValue:
        return WriteValueForm(message, type);
      case Form::kTimestamp:
      case Form::kDuration:
        return AppendTimeForm(message, type, out_);
      case Form::kUnsupported:
        break;
    }
    return false;
  }

 private:
  bool WriteObject(const Message& message, const TypeInfo& type) {
    const Reflection& reflection = *message.GetReflection();
    out_.push_back('{');
    bool first = true;
    for (const FieldInfo& field : type.fields) {
      const bool repeated = field.list || field.map;
      if (repeated ? reflection.FieldSize(message, field.field) == 0 : !reflection.HasField(message, field.field)) {
        continue;
      }
      if (!first) out_.push_back(',');
      first = false;
      out_.append(field.key);
      if (!(field.map    ? WriteMap(message, reflection, field)
            : field.list ? WriteList(message, reflection, field)
                         : WriteSingle(message, reflection, field))) {
        return false;
      }
    }
    out_.push_back('}');
    return true;
  }

  bool WriteSingle(const Message& message, const Reflection& reflection, const FieldInfo& info) {
    const FieldDescriptor* field = info.field;
    switch (info.kind) {
      case Kind::kBool:
        out_.append(reflection.GetBool(message, field) ? "true" : "false");
        return true;
      case Kind::kInt32:
        AppendNumber(reflection.GetInt32(message, field), out_);
        return true;
      case Kind::kUint32:
        AppendNumber(reflection.GetUInt32(message, field), out_);
        return true;
      case Kind::kInt64:
        AppendQuotedNumber(reflection.GetInt64(message, field), out_);
        return true;
      case Kind::kUint64:
        AppendQuotedNumber(reflection.GetUInt64(message, field), out_);
        return true;
      case Kind::kFloat:
        AppendFloating(reflection.GetFloat(message, field), out_);
        return true;
      case Kind::kDouble:
        AppendFloating(reflection.GetDouble(message, field), out_);
        return true;
      case Kind::kString:
      case Kind::kBytes: {
        std::string scratch;
        return WriteText(reflection.GetStringReference(message, field, &scratch), info.kind);
      }
      case Kind::kEnum:
        return WriteEnum(reflection.GetEnumValue(message, field), *field);
      case Kind::kNull:
        out_.append("null");
        return true;
      case Kind::kMessage:
        return Write(reflection.GetMessage(message, field), *info.type);
    }
    return false;
  }

  bool WriteElement(const Message& message, const Reflection& reflection, const FieldInfo& info, int i) {
    const FieldDescriptor* field = info.field;
    switch (info.kind) {
      case Kind::kBool:
        out_.append(reflection.GetRepeatedBool(message, field, i) ? "true" : "false");
        return true;
      case Kind::kInt32:
        AppendNumber(reflection.GetRepeatedInt32(message, field, i), out_);
        return true;
      case Kind::kUint32:
        AppendNumber(reflection.GetRepeatedUInt32(message, field, i), out_);
        return true;
      case Kind::kInt64:
        AppendQuotedNumber(reflection.GetRepeatedInt64(message, field, i), out_);
        return true;
      case Kind::kUint64:
        AppendQuotedNumber(reflection.GetRepeatedUInt64(message, field, i), out_);
        return true;
      case Kind::kFloat:
        AppendFloating(reflection.GetRepeatedFloat(message, field, i), out_);
        return true;
      case Kind::kDouble:
        AppendFloating(reflection.GetRepeatedDouble(message, field, i), out_);
        return true;
      case Kind::kString:
      case Kind::kBytes: {
        std::string scratch;
        return WriteText(reflection.GetRepeatedStringReference(message, field, i, &scratch), info.kind);
      }
      case Kind::kEnum:
        return WriteEnum(reflection.GetRepeatedEnumValue(message, field, i), *field);
      case Kind::kNull:
        out_.append("null");
        return true;
      case Kind::kMessage:
        return Write(reflection.GetRepeatedMessage(message, field, i), *info.type);
    }
    return false;
  }

  bool WriteText(const std::string& text, Kind kind) {
    if (kind == Kind::kString) return AppendJsonString(text, out_);
    out_.push_back('"');
    AppendBase64(text, out_);
    out_.push_back('"');
    return true;
  }

  bool WriteEnum(int number, const FieldDescriptor& field) {
    const EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
    if (value == nullptr) {
      AppendNumber(number, out_);
      return true;
    }
    out_.push_back('"');
    out_.append(value->name());  // an identifier: nothing to escape
    out_.push_back('"');
    return true;
  }

  bool WriteList(const Message& message, const Reflection& reflection, const FieldInfo& field) {
    out_.push_back('[');
    const int size = reflection.FieldSize(message, field.field);
    for (int i = 0; i < size; ++i) {
      if (i > 0) out_.push_back(',');
      if (!WriteElement(message, reflection, field, i)) return false;
    }
    out_.push_back(']');
    return true;
  }

  bool WriteMap(const Message& message, const Reflection& reflection, const FieldInfo& field) {
    const FieldInfo& key = field.type->MapKey();
    const FieldInfo& value = field.type->MapValue();
    absl::InlinedVector<const Message*, 16> entries;
    const int size = reflection.FieldSize(message, field.field);
    for (int i = 0; i < size; ++i) entries.push_back(&reflection.GetRepeatedMessage(message, field.field, i));
    std::sort(entries.begin(), entries.end(), [&](const Message* a, const Message* b) { return KeyLess(*a, *b, key); });
    out_.push_back('{');
    bool first = true;
    for (const Message* entry : entries) {
      if (!first) out_.push_back(',');
      first = false;
      const Reflection& entry_reflection = *entry->GetReflection();
      // 64-bit keys are written with quotes already, and strings escape themselves.
      const bool quoted = key.kind == Kind::kString || key.kind == Kind::kInt64 || key.kind == Kind::kUint64;
      if (!quoted) out_.push_back('"');
      if (!WriteSingle(*entry, entry_reflection, key)) return false;
      out_.append(quoted ? ":" : "\":");
      if (!WriteSingle(*entry, entry_reflection, value)) return false;
    }
    out_.push_back('}');
    return true;
  }

  static bool KeyLess(const Message& a, const Message& b, const FieldInfo& key) {
    const Reflection& reflection = *a.GetReflection();
    switch (key.kind) {
      case Kind::kBool:
        return reflection.GetBool(a, key.field) < reflection.GetBool(b, key.field);
      case Kind::kInt32:
        return reflection.GetInt32(a, key.field) < reflection.GetInt32(b, key.field);
      case Kind::kUint32:
        return reflection.GetUInt32(a, key.field) < reflection.GetUInt32(b, key.field);
      case Kind::kInt64:
        return reflection.GetInt64(a, key.field) < reflection.GetInt64(b, key.field);
      case Kind::kUint64:
        return reflection.GetUInt64(a, key.field) < reflection.GetUInt64(b, key.field);
      default: {
        std::string scratch_a;
        std::string scratch_b;
        return reflection.GetStringReference(a, key.field, &scratch_a) <
               reflection.GetStringReference(b, key.field, &scratch_b);
      }
    }
  }

  bool WriteValueForm(const Message& message, const TypeInfo& type) {
    const Reflection& reflection = *message.GetReflection();
    for (const FieldInfo& field : type.fields) {
      if (!reflection.HasField(message, field.field)) continue;
      // A JSON number is finite, and a string would be read back as a string.
      if (field.kind == Kind::kDouble && !std::isfinite(reflection.GetDouble(message, field.field))) return false;
      return WriteSingle(message, reflection, field);
    }
    return false;
  }

  std::string& out_;
};

}  // namespace

bool Append(const google::protobuf::Message& message, std::string& out) {
  const TypeLookup type(message.GetDescriptor());
  return Writer(out).Write(message, *type);
}

}  // namespace livekit::token::protojson
