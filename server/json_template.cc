#include "server/json_template.h"

#include <cmath>
#include <cstdint>
#include <map>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

using google::protobuf::Value;

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

}  // namespace

absl::StatusOr<JsonTemplate> JsonTemplate::Parse(const Value& value, const TemplateOptions& options,
                                                 std::string& path) {
  JsonTemplate result;
  switch (value.kind_case()) {
    case Value::kStringValue: {
      if (value.string_value().empty()) {
        result.constant_ = "\"\"";
        return result;
      }
      LKT_ASSIGN_OR_RETURN(Template text, Template::Parse(value.string_value(), options));
      if (const auto constant = text.Constant()) {
        AppendJsonString(*constant, result.constant_);
        return result;
      }
      result.kind_ = Kind::kText;
      result.text_.push_back(std::move(text));
      return result;
    }
    case Value::kBoolValue:
      result.constant_ = value.bool_value() ? "true" : "false";
      return result;
    case Value::kNumberValue:
      if (std::trunc(value.number_value()) != value.number_value() ||
          std::abs(value.number_value()) >= kExactIntegers) {
        return Refuse(v1::FIELD_INVALID, "must be a whole number below 2^53");
      }
      result.constant_ = std::to_string(static_cast<std::int64_t>(value.number_value()));
      return result;
    case Value::kListValue: {
      result.kind_ = Kind::kList;
      const std::string list = path;
      for (int i = 0; i < value.list_value().values_size(); ++i) {
        path = list + "[" + std::to_string(i) + "]";
        LKT_ASSIGN_OR_RETURN(JsonTemplate element, Parse(value.list_value().values(i), options, path));
        result.members_.emplace_back("", std::move(element));
      }
      path = list;
      return result;
    }
    case Value::kStructValue: {
      result.kind_ = Kind::kObject;
      const std::string object = path;
      const std::map<std::string, Value> sorted(value.struct_value().fields().begin(),
                                                value.struct_value().fields().end());
      for (const auto& [name, member] : sorted) {
        path = object + "." + name;
        std::string quoted;
        if (!AppendJsonString(name, quoted)) return Refuse(v1::FIELD_INVALID, "is not UTF-8 text");
        LKT_ASSIGN_OR_RETURN(JsonTemplate parsed, Parse(member, options, path));
        result.members_.emplace_back(std::move(quoted), std::move(parsed));
      }
      path = object;
      return result;
    }
    default:
      result.constant_ = "null";
      return result;
  }
}

absl::StatusOr<std::string> JsonTemplate::Render(const Principal& principal) const {
  std::string out;
  LKT_RETURN_IF_ERROR(Append(principal, out).status());
  return out;
}

absl::StatusOr<bool> JsonTemplate::Append(const Principal& principal, std::string& out) const {
  if (kind_ == Kind::kConstant) {
    out += constant_;
    return true;
  }
  if (kind_ == Kind::kText) {
    LKT_ASSIGN_OR_RETURN(const std::string text, text_.front().Render(principal));
    if (text.empty()) return false;
    // The credential was checked before, so this is text in any case.
    if (!AppendJsonString(text, out)) return Refuse(v1::CLAIM_MISSING);
    return true;
  }
  out.push_back(kind_ == Kind::kList ? '[' : '{');
  bool first = true;
  for (const auto& [name, member] : members_) {
    const std::size_t before = out.size();
    if (!first) out.push_back(',');
    if (kind_ == Kind::kObject) out.append(name).push_back(':');
    LKT_ASSIGN_OR_RETURN(const bool there, member.Append(principal, out));
    if (there) {
      first = false;
    } else {
      out.resize(before);
    }
  }
  out.push_back(kind_ == Kind::kList ? ']' : '}');
  return true;
}

}  // namespace livekit::token
