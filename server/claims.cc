#include "server/claims.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace livekit::token {
namespace {

using nlohmann::json;

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
constexpr int kMaxStructDepth = 32;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-:/@").find(c) != std::string_view::npos;
}

// Takes `["name"]` from the front of `text`.
std::optional<std::string> TakeBracket(std::string_view& text) {
  constexpr std::string_view kOpen = "[\"";
  constexpr std::string_view kClose = "\"]";
  if (text.substr(0, kOpen.size()) != kOpen) return std::nullopt;
  const std::size_t end = text.find(kClose);
  if (end == std::string_view::npos || end <= kOpen.size()) return std::nullopt;
  const std::string_view name = text.substr(kOpen.size(), end - kOpen.size());
  if (name.find_first_of("\"\\") != std::string_view::npos) return std::nullopt;
  text.remove_prefix(end + kClose.size());
  return std::string(name);
}

// Takes a plain name from the front of `text`.
std::optional<std::string> TakeName(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), IsNameCharacter);
  const auto size = static_cast<std::size_t>(end - text.begin());
  if (size == 0) return std::nullopt;
  std::string name(text.substr(0, size));
  text.remove_prefix(size);
  return name;
}

json ToJson(const google::protobuf::Value& value, int depth) {
  using google::protobuf::Value;
  if (depth > kMaxStructDepth) return nullptr;
  switch (value.kind_case()) {
    case Value::kBoolValue:
      return value.bool_value();
    case Value::kNumberValue: {
      const double number = value.number_value();
      if (std::trunc(number) == number && std::abs(number) < kExactIntegers) return static_cast<std::int64_t>(number);
      return number;
    }
    case Value::kStringValue:
      return value.string_value();
    case Value::kListValue: {
      json list = json::array();
      for (const auto& element : value.list_value().values()) list.push_back(ToJson(element, depth + 1));
      return list;
    }
    case Value::kStructValue: {
      json object = json::object();
      for (const auto& [name, member] : value.struct_value().fields()) object[name] = ToJson(member, depth + 1);
      return object;
    }
    default:
      return nullptr;
  }
}

void ToValue(const json& from, google::protobuf::Value& to) {
  if (from.is_boolean()) {
    to.set_bool_value(from.get<bool>());
  } else if (from.is_number()) {
    to.set_number_value(from.get<double>());
  } else if (from.is_string()) {
    to.set_string_value(from.get_ref<const std::string&>());
  } else if (from.is_array()) {
    auto& list = *to.mutable_list_value();
    for (const json& element : from) ToValue(element, *list.add_values());
  } else if (from.is_object()) {
    auto& fields = *to.mutable_struct_value()->mutable_fields();
    for (const auto& [name, member] : from.items()) ToValue(member, fields[name]);
  } else {
    to.set_null_value(google::protobuf::NULL_VALUE);
  }
}

}  // namespace

std::optional<ClaimPath> ClaimPath::Parse(std::string_view text) {
  ClaimPath path;
  if (text.find("://") != std::string_view::npos && text.find('[') == std::string_view::npos) {
    path.names_.emplace_back(text);
    return path;
  }
  while (!text.empty()) {
    const bool bracket = text.front() == '[';
    if (!bracket && !path.names_.empty()) {
      if (text.front() != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    auto name = bracket ? TakeBracket(text) : TakeName(text);
    if (!name) return std::nullopt;
    path.names_.push_back(*std::move(name));
  }
  if (path.names_.empty()) return std::nullopt;
  return path;
}

Claims::Claims(json object) {
  if (object.is_object() && !object.empty()) object_ = std::make_shared<const json>(std::move(object));
}

Claims Claims::FromStruct(const google::protobuf::Struct& object) {
  google::protobuf::Value value;
  *value.mutable_struct_value() = object;
  return Claims(ToJson(value, 0));
}

google::protobuf::Struct Claims::ToStruct() const {
  google::protobuf::Value value;
  if (object_ != nullptr) ToValue(*object_, value);
  return value.struct_value();
}

const json* Claims::Find(const ClaimPath& path) const {
  const json* at = object_.get();
  if (at == nullptr) return nullptr;
  for (const std::string& name : path.names()) {
    if (!at->is_object()) return nullptr;
    const auto member = at->find(name);
    if (member == at->end()) return nullptr;
    at = &*member;
  }
  return at->is_null() ? nullptr : at;
}

std::optional<std::string> ClaimText(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
  if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
  return std::nullopt;
}

}  // namespace livekit::token
