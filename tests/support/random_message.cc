#include "support/random_message.h"

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <set>
#include <vector>

#include "google/protobuf/descriptor.pb.h"

namespace livekit::token::testing {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Filler {
 public:
  Filler(std::mt19937_64& random, const RandomMessageOptions& options) : random_(random), options_(options) {}

  void Fill(Message& message, int depth) {
    const Descriptor& type = *message.GetDescriptor();
    if (type.full_name() == "google.protobuf.Value") {
      FillValue(message, depth);
      return;
    }
    if (type.full_name() == "google.protobuf.Timestamp" || type.full_name() == "google.protobuf.Duration") {
      FillTime(message);
      return;
    }
    const bool always = type.options().map_entry();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (!always && !Chance(options_.presence)) continue;
      if (field->message_type() != nullptr && depth <= 0 && !always) continue;
      if (field->is_map()) {
        FillMap(message, field, depth);
      } else if (field->is_repeated()) {
        for (int n = Below(4); n > 0; --n) Add(message, field, depth);
      } else {
        Set(message, field, depth);
      }
    }
  }

 private:
  bool Chance(double probability) { return std::uniform_real_distribution<double>()(random_) < probability; }
  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }
  template <typename T>
  T Pick(std::initializer_list<T> values) {
    return values.begin()[Below(static_cast<int>(values.size()))];
  }

  template <typename T>
  T Integer() {
    using Limits = std::numeric_limits<T>;
    if (Chance(0.4)) return static_cast<T>(Below(1000));
    if (Chance(0.4)) return Pick<T>({Limits::min(), Limits::max(), T{0}, T{1}, static_cast<T>(Limits::max() - 1)});
    return static_cast<T>(random_());
  }

  double Double() {
    using Limits = std::numeric_limits<double>;
    if (options_.not_finite && Chance(0.1)) return Pick({Limits::infinity(), -Limits::infinity()});
    if (Chance(0.3)) {
      return Pick({0.0, 0.1, -1.5, 1e20, 1e21, 1e-7, 123456789.125, Limits::max(), Limits::min(), Limits::lowest(),
                   9007199254740993.0, 4.9406564584124654e-324});
    }
    if (Chance(0.5)) return Below(100000) / 100.0;
    return std::uniform_real_distribution<double>(-1e6, 1e6)(random_);
  }

  int Enum(const FieldDescriptor* field) {
    const auto* type = field->enum_type();
    if (options_.unknown_enum_numbers && Chance(0.1)) return Pick({-1, 77, 123456});
    return type->value(Below(type->value_count()))->number();
  }

  void Set(Message& message, const FieldDescriptor* field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection.SetBool(&message, field, Chance(0.5));
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.SetInt32(&message, field, Integer<std::int32_t>());
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetInt64(&message, field, Integer<std::int64_t>());
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection.SetUInt32(&message, field, Integer<std::uint32_t>());
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection.SetUInt64(&message, field, Integer<std::uint64_t>());
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.SetFloat(&message, field, static_cast<float>(Below(100000)) / 8);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return reflection.SetDouble(&message, field, Double());
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetString(&message, field, RandomText(random_, 24));
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection.SetEnumValue(&message, field, Enum(field));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*reflection.MutableMessage(&message, field), depth - 1);
    }
  }

  void Add(Message& message, const FieldDescriptor* field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection.AddBool(&message, field, Chance(0.5));
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.AddInt32(&message, field, Integer<std::int32_t>());
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.AddInt64(&message, field, Integer<std::int64_t>());
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection.AddUInt32(&message, field, Integer<std::uint32_t>());
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection.AddUInt64(&message, field, Integer<std::uint64_t>());
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.AddFloat(&message, field, static_cast<float>(Below(100000)) / 8);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return reflection.AddDouble(&message, field, Double());
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.AddString(&message, field, RandomText(random_, 24));
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection.AddEnumValue(&message, field, Enum(field));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*reflection.AddMessage(&message, field), depth - 1);
    }
  }

  void FillMap(Message& message, const FieldDescriptor* field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    std::set<std::string> keys;
    for (int n = Below(4); n > 0; --n) {
      Message* entry = reflection.AddMessage(&message, field);
      Fill(*entry, depth);
      const auto* key = field->message_type()->map_key();
      std::string text = key->cpp_type() == FieldDescriptor::CPPTYPE_STRING
                             ? entry->GetReflection()->GetString(*entry, key)
                             : entry->ShortDebugString();
      if (!keys.insert(text).second) reflection.RemoveLast(&message, field);
    }
  }

  // Exactly one member, since a Value without one has no JSON form.
  void FillValue(Message& message, int depth) {
    const auto* oneof = message.GetDescriptor()->oneof_decl(0);
    const FieldDescriptor* field = nullptr;
    do {
      field = oneof->field(Below(oneof->field_count()));
    } while (depth <= 0 && field->message_type() != nullptr);
    const Reflection& reflection = *message.GetReflection();
    if (field->enum_type() != nullptr) {
      reflection.SetEnumValue(&message, field, 0);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
      reflection.SetDouble(&message, field, Below(100000) / 8.0);
    } else {
      Set(message, field, depth);
    }
  }

  void FillTime(Message& message) {
    const Reflection& reflection = *message.GetReflection();
    reflection.SetInt64(&message, message.GetDescriptor()->field(0), Below(1'000'000'000));
    reflection.SetInt32(&message, message.GetDescriptor()->field(1), Below(1'000'000'000));
  }

  std::mt19937_64& random_;
  const RandomMessageOptions& options_;
};

}  // namespace

std::string RandomText(std::mt19937_64& random, int max_length) {
  static const auto* const characters = new std::vector<std::string>{"a",
                                                                     "B",
                                                                     "7",
                                                                     " ",
                                                                     "\"",
                                                                     "\\",
                                                                     "/",
                                                                     "\b",
                                                                     "\f",
                                                                     "\n",
                                                                     "\r",
                                                                     "\t",
                                                                     "\x01",
                                                                     "\x1f",
                                                                     "\x7f",
                                                                     "<",
                                                                     ">",
                                                                     "&",
                                                                     "'",
                                                                     std::string(1, '\0'),
                                                                     "\xc3\xa9",
                                                                     "\xe2\x80\xa8",
                                                                     "\xe2\x82\xac",
                                                                     "\xef\xbf\xbf",
                                                                     "\xef\xbb\xbf",
                                                                     "\xf0\x9f\x98\x80",
                                                                     "\xf4\x8f\xbf\xbf"};
  std::string text;
  for (auto n = random() % static_cast<unsigned>(max_length + 1); n > 0; --n) {
    text += (*characters)[random() % characters->size()];
  }
  return text;
}

void FillRandomly(std::mt19937_64& random, const RandomMessageOptions& options, Message& message) {
  Filler(random, options).Fill(message, options.max_depth);
}

}  // namespace livekit::token::testing
