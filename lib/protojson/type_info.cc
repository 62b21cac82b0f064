#include "protojson/type_info.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <shared_mutex>

#include "base/text.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;

Form FormOf(const Descriptor* descriptor) {
  const std::string& name = descriptor->full_name();
  constexpr std::string_view kPackage = "google.protobuf.";
  if (name.compare(0, kPackage.size(), kPackage) != 0) return Form::kMessage;
  const std::string_view type = std::string_view(name).substr(kPackage.size());
  if (type == "Struct") return Form::kStruct;
  if (type == "Value") return Form::kValue;
  if (type == "ListValue") return Form::kListValue;
  if (type == "Timestamp") return Form::kTimestamp;
  if (type == "Duration") return Form::kDuration;
  for (const std::string_view refused : {"Any", "FieldMask", "BoolValue", "StringValue", "BytesValue", "Int32Value",
                                         "Int64Value", "UInt32Value", "UInt64Value", "FloatValue", "DoubleValue"}) {
    if (type == refused) return Form::kUnsupported;
  }
  return Form::kMessage;
}

Kind KindOf(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return Kind::kBool;
    case FieldDescriptor::CPPTYPE_INT32:
      return Kind::kInt32;
    case FieldDescriptor::CPPTYPE_INT64:
      return Kind::kInt64;
    case FieldDescriptor::CPPTYPE_UINT32:
      return Kind::kUint32;
    case FieldDescriptor::CPPTYPE_UINT64:
      return Kind::kUint64;
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Kind::kFloat;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Kind::kDouble;
    case FieldDescriptor::CPPTYPE_STRING:
      return field->type() == FieldDescriptor::TYPE_BYTES ? Kind::kBytes : Kind::kString;
    case FieldDescriptor::CPPTYPE_ENUM:
      return field->enum_type()->full_name() == "google.protobuf.NullValue" ? Kind::kNull : Kind::kEnum;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return Kind::kMessage;
}

}  // namespace

void TypeInfo::AddName(std::string_view text, const FieldInfo* field) {
  std::size_t i = std::hash<std::string_view>()(text);
  for (;; ++i) {
    Name& name = names_[i & (names_.size() - 1)];
    if (name.field != nullptr && name.text != text) continue;
    if (name.field == nullptr) name = {text, field};
    return;
  }
}

const FieldInfo* TypeInfo::Find(std::string_view name) const {
  std::size_t i = std::hash<std::string_view>()(name);
  for (;; ++i) {
    const Name& candidate = names_[i & (names_.size() - 1)];
    if (candidate.field == nullptr || candidate.text == name) return candidate.field;
  }
}

const TypeInfo& TypeTable::Get(const Descriptor* descriptor) {
  std::unique_ptr<TypeInfo>& slot = types_[descriptor];
  if (slot != nullptr) return *slot;
  slot = std::make_unique<TypeInfo>();
  TypeInfo& type = *slot;
  type.descriptor = descriptor;
  type.form = FormOf(descriptor);
  std::vector<const FieldDescriptor*> ordered;
  for (int i = 0; i < descriptor->field_count(); ++i) ordered.push_back(descriptor->field(i));
  std::sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->number() < b->number(); });
  for (const FieldDescriptor* field : ordered) {
    FieldInfo info{};
    info.field = field;
    info.oneof = field->real_containing_oneof();
    info.index = type.fields.size();
    info.kind = KindOf(field);
    info.map = field->is_map();
    info.list = field->is_repeated() && !info.map;
    info.has_presence = field->has_presence();
    AppendJsonString(field->json_name(), info.key);
    info.key.push_back(':');
    type.fields.push_back(std::move(info));
  }
  std::size_t size = 4;
  while (size < type.fields.size() * 4) size *= 2;
  type.names_.resize(size);
  for (const FieldInfo& field : type.fields) type.AddName(field.field->json_name(), &field);
  for (const FieldInfo& field : type.fields) type.AddName(field.field->name(), &field);
  for (FieldInfo& field : type.fields) {
    if (field.kind == Kind::kMessage) field.type = &Get(field.field->message_type());
  }
  return type;
}

TypeLookup::TypeLookup(const Descriptor* descriptor) {
  if (descriptor->file()->pool() != DescriptorPool::generated_pool()) {
    own_ = std::make_unique<TypeTable>();
    type_ = &own_->Get(descriptor);
    return;
  }
  // A thread mostly asks for the same type again.
  struct Last {
    const Descriptor* descriptor;
    const TypeInfo* type;
  };
  static thread_local Last last{nullptr, nullptr};
  if (last.descriptor == descriptor) {
    type_ = last.type;
    return;
  }
  struct Shared {
    std::shared_mutex mutex;
    std::unordered_map<const Descriptor*, const TypeInfo*> roots;
    TypeTable table;
  };
  static auto* const shared = new Shared;
  type_ = nullptr;
  {
    std::shared_lock lock(shared->mutex);
    const auto found = shared->roots.find(descriptor);
    if (found != shared->roots.end()) type_ = found->second;
  }
  if (type_ == nullptr) {
    std::unique_lock lock(shared->mutex);
    type_ = &shared->table.Get(descriptor);
    shared->roots[descriptor] = type_;
  }
  last = {descriptor, type_};
}

}  // namespace livekit::token::protojson
