#include "livekit/token/room_config.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "logger/options.pb.h"
#include "token/sfu_schema.h"

namespace livekit::token {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// What to do about a field; fields without concern are not walked.
enum class Concern { kNone, kSecret, kStream, kUrl, kInside };

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool IsSecret(const FieldDescriptor* field) {
  if (field->options().GetExtension(logger::sensitivity) != logger::SENSITIVITY_SECRET) return false;
  const std::string& owner = field->containing_type()->full_name();
  return field->name() != "access_key" || (owner != "livekit.S3Upload" && owner != "livekit.AliOSSUpload");
}

bool IsUrl(const FieldDescriptor* field) {
  const std::string& name = field->name();
  return field->type() == FieldDescriptor::TYPE_STRING &&
         (name == "url" || name == "urls" || name == "endpoint" || EndsWith(name, "_url") || EndsWith(name, "_urls"));
}

// Whether the part of `url` before the first slash holds `user:password@`.
bool AuthorityHasPassword(std::string_view url) {
  url.remove_prefix(std::min(url.find_first_not_of('/'), url.size()));
  const std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return false;
  const std::size_t colon = authority.substr(0, at).find(':');
  return colon != std::string_view::npos && colon + 1 < at;
}

// Reads the URL as leniently as the most lenient of its users: browsers drop white space, take backslashes for slashes
// and do without slashes, and proxies are written without a scheme.
bool HasPassword(const std::string& url) {
  std::string clean;
  for (const char c : url) {
    if (static_cast<unsigned char>(c) > ' ') clean.push_back(c == '\\' ? '/' : c);
  }
  if (AuthorityHasPassword(clean)) return true;
  const std::size_t colon = clean.find_first_of(":/?#@");
  return colon != std::string::npos && clean[colon] == ':' &&
         AuthorityHasPassword(std::string_view(clean).substr(colon + 1));
}

// The fields of a message that can hold a credential, here or further inside.
class Concerns {
 public:
  struct Field {
    const FieldDescriptor* field;
    Concern concern;
  };

  explicit Concerns(const Descriptor* root) { Add(root); }

  const std::vector<Field>& Of(const Descriptor* type) const { return types_.find(type)->second; }

 private:
  // LiveKit's room configuration contains no recursive type; a cycle would leave out fields, so it counts as a concern.
  bool Add(const Descriptor* type) {
    const auto [at, added] = types_.try_emplace(type);
    if (!added) return done_[type] ? !at->second.empty() : true;
    std::vector<Field> fields;
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const Concern concern = Classify(field);
      if (concern != Concern::kNone) fields.push_back({field, concern});
    }
    types_[type] = fields;
    done_[type] = true;
    return !fields.empty();
  }

  Concern Classify(const FieldDescriptor* field) {
    if (IsSecret(field)) return Concern::kSecret;
    if (IsUrl(field)) return Concern::kUrl;
    const Descriptor* type = field->message_type();
    if (type == nullptr) return Concern::kNone;
    if (type->full_name() == "livekit.StreamOutput") return Concern::kStream;
    return Add(type) ? Concern::kInside : Concern::kNone;
  }

  std::unordered_map<const Descriptor*, std::vector<Field>> types_;
  std::unordered_map<const Descriptor*, bool> done_;
};

// Walks a message and finds the first credential.
class CredentialSearch {
 public:
  explicit CredentialSearch(const Concerns& concerns) : concerns_(concerns) {}

  // Returns whether there is one; path() and reason() then describe it.
  bool Find(const Message& message) {
    const Reflection& reflection = *message.GetReflection();
    for (const auto& [field, concern] : concerns_.Of(message.GetDescriptor())) {
      if (!field->is_repeated()) {
        if (reflection.HasField(message, field) && FindInField(message, reflection, field, concern, -1)) return true;
        continue;
      }
      const int size = reflection.FieldSize(message, field);
      for (int i = 0; i < size; ++i) {
        if (FindInField(message, reflection, field, concern, i)) return true;
      }
    }
    return false;
  }

  std::string path() const { return "room_config." + path_; }
  std::string_view reason() const { return reason_; }

 private:
  // `index` is -1 for a field that is not repeated.
  bool FindInField(const Message& message, const Reflection& reflection, const FieldDescriptor* field, Concern concern,
                   int index) {
    switch (concern) {
      case Concern::kSecret:
        // A value that is present but empty, which only an `optional` field can hold, reveals nothing.
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && Text(message, reflection, field, index).empty()) {
          return false;
        }
        reason_ = "is a credential, which everyone who sees the token could read";
        break;
      case Concern::kStream:
        reason_ = "is a stream output, whose URL holds the stream key";
        break;
      case Concern::kUrl:
        if (!HasPassword(Text(message, reflection, field, index))) return false;
        reason_ = "is a URL with a password";
        break;
      case Concern::kInside:
        if (!Find(index < 0 ? reflection.GetMessage(message, field)
                            : reflection.GetRepeatedMessage(message, field, index))) {
          return false;
        }
        path_.insert(0, ".");
        break;
      case Concern::kNone:
        return false;
    }
    // A map's entries have no order that the caller could know.
    if (index >= 0 && !field->is_map()) path_.insert(0, "[" + std::to_string(index) + "]");
    path_.insert(0, field->name());
    return true;
  }

  static std::string Text(const Message& message, const Reflection& reflection, const FieldDescriptor* field,
                          int index) {
    return index < 0 ? reflection.GetString(message, field) : reflection.GetRepeatedString(message, field, index);
  }

  const Concerns& concerns_;
  std::string path_;
  std::string_view reason_;
};

// What a server of some version does not know.
class Pruner {
 public:
  explicit Pruner(SfuVersion version) : version_(version) {}

  void Prune(Message& message) const {
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (IsNew(field->containing_type()->name(), field->name())) {
        reflection.ClearField(&message, field);
      } else if (field->type() == FieldDescriptor::TYPE_ENUM) {
        PruneEnum(message, reflection, field);
      } else if (field->type() == FieldDescriptor::TYPE_MESSAGE && !field->is_map()) {
        if (!field->is_repeated()) Prune(*reflection.MutableMessage(&message, field));
        for (int i = 0; field->is_repeated() && i < reflection.FieldSize(message, field); ++i) {
          Prune(*reflection.MutableRepeatedMessage(&message, field, i));
        }
      }
    }
  }

 private:
  bool IsNew(std::string_view owner, std::string_view name) const {
    return std::any_of(std::begin(kSchemaAdditions), std::end(kSchemaAdditions), [&](const SchemaAddition& addition) {
      return version_ < addition.since && addition.owner == owner && addition.name == name;
    });
  }

  // A number without a name is written as a number, which every server takes.
  void PruneEnum(Message& message, const Reflection& reflection, const FieldDescriptor* field) const {
    const auto is_new = [&](int number) {
      const EnumValueDescriptor* value = field->enum_type()->FindValueByNumber(number);
      return value != nullptr && IsNew(field->enum_type()->name(), value->name());
    };
    if (!field->is_repeated()) {
      if (is_new(reflection.GetEnumValue(message, field))) reflection.ClearField(&message, field);
      return;
    }
    for (int i = reflection.FieldSize(message, field) - 1; i >= 0; --i) {
      // The order of the rest matters less than a token that is refused.
      if (!is_new(reflection.GetRepeatedEnumValue(message, field, i))) continue;
      reflection.SwapElements(&message, field, i, reflection.FieldSize(message, field) - 1);
      reflection.RemoveLast(&message, field);
    }
  }

  SfuVersion version_;
};

}  // namespace

absl::Status CheckRoomConfigCredentials(const livekit::RoomConfiguration& config) {
  static const auto* const concerns = new Concerns(livekit::RoomConfiguration::descriptor());
  CredentialSearch search(*concerns);
  if (!search.Find(config)) return absl::OkStatus();
  return RefuseField(v1::CREDENTIALS_IN_ROOM_CONFIG, search.path(), search.reason());
}

absl::StatusOr<SfuVersion> SfuVersion::Parse(std::string_view text) {
  if (text.empty()) return SfuVersion();
  if (text.front() == 'v') text.remove_prefix(1);
  int parts[3] = {0, 0, 0};
  int count = 0;
  const char* p = text.data();
  const char* const end = p + text.size();
  while (count < 3) {
    const auto [next, error] = std::from_chars(p, end, parts[count]);
    if (error != std::errc() || *p == '-' || parts[count] >= kNewest) break;
    ++count;
    p = next;
    if (p == end && count >= 2) return SfuVersion(parts[0], parts[1], parts[2]);
    if (p == end || *p++ != '.') break;
  }
  return RefuseField(v1::FIELD_INVALID, "sfu_version", "must be a version of livekit-server such as 1.11 or 1.11.0");
}

void PruneForSfu(SfuVersion version, livekit::RoomConfiguration& config) {
  if (version < kFirstLenientSfu) Pruner(version).Prune(config);
}

}  // namespace livekit::token
