#include "server/field_rule.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

constexpr char kNotForClients[] = "may not be set by the client";
constexpr char kAttributes[] = "participant_attributes";

absl::Status TooLong(std::string_view field, std::size_t limit) {
  return RefuseField(v1::FIELD_TOO_LONG, field, "has more than " + std::to_string(limit) + " bytes of UTF-8");
}

// Renders what the policy sets. Nobody must be told to mend what comes from the credential, so its text is refused as
// not permitted.
absl::StatusOr<std::string> RenderValue(const Template& text, const FieldPlace& place, const Principal& principal) {
  LKT_ASSIGN_OR_RETURN(std::string value, text.Render(principal));
  if (!TextProblem(value, place.use).empty()) {
    return RefuseField(place.refusal, place.name, "would get characters from the credential that it must not have");
  }
  if (value.size() > place.max_bytes) {
    return RefuseField(place.refusal, place.name, "would be too long with what the credential says");
  }
  return value;
}

// Whether `sent` is what `choice` stands for.
absl::StatusOr<bool> IsChoice(const Template& choice, const std::string& sent, const Principal& principal) {
  const Variable* variable = choice.OnlyVariable();
  if (variable != nullptr && variable->claim() != nullptr) {
    const nlohmann::json* claim = principal.claims.Find(*variable->claim());
    if (claim != nullptr && claim->is_array()) {
      return std::any_of(claim->begin(), claim->end(),
                         [&](const nlohmann::json& element) { return ClaimText(element) == sent; });
    }
  }
  LKT_ASSIGN_OR_RETURN(const std::string text, choice.Render(principal));
  return text == sent;
}

// Checks a value that the client may choose.
absl::Status CheckChosen(const FieldRule& rule, const FieldPlace& place, const std::string& sent,
                         const Principal& principal) {
  if (const auto problem = TextProblem(sent, place.use); !problem.empty()) {
    return RefuseField(v1::FIELD_INVALID, place.name, problem);
  }
  if (rule.max_bytes > 0 && sent.size() > rule.max_bytes) return TooLong(place.name, rule.max_bytes);
  const auto refuse = [&] { return RefuseField(place.refusal, place.name, "is not a value that the policy permits"); };
  if (rule.prefix) {
    LKT_ASSIGN_OR_RETURN(const std::string prefix, rule.prefix->Render(principal));
    if (prefix.empty() || sent.size() <= prefix.size() || sent.compare(0, prefix.size(), prefix) != 0) return refuse();
  }
  if (rule.pattern != nullptr) {
    LKT_ASSIGN_OR_RETURN(const bool matches, rule.pattern->Matches(principal, sent));
    if (!matches) return refuse();
  }
  if (!rule.one_of.empty()) {
    absl::Status failure;  // of an element; another may match all the same
    for (const Template& choice : rule.one_of) {
      const auto is_choice = IsChoice(choice, sent, principal);
      if (is_choice.ok() && *is_choice) return absl::OkStatus();
      if (failure.ok()) failure = is_choice.status();
    }
    return failure.ok() ? refuse() : failure;
  }
  return absl::OkStatus();
}

absl::StatusOr<FieldValue> ResolveAny(const FieldRule& rule, const FieldPlace& place, const std::string& sent,
                                      const Principal& principal) {
  const bool asked = !sent.empty() && rule.mode != FieldMode::kIgnore;
  if (asked && sent.size() > place.max_bytes) return TooLong(place.name, place.max_bytes);
  if (rule.value) {
    LKT_ASSIGN_OR_RETURN(std::string forced, RenderValue(*rule.value, place, principal));
    // Client code that states what it would get anyway keeps working.
    if (!asked || sent == forced) return FieldValue{std::move(forced), ValueSource::kPolicyValue};
    return RefuseField(place.refusal, place.name, "must be left out or equal the value that the policy sets");
  }
  if (asked && rule.mode == FieldMode::kAllow) {
    LKT_RETURN_IF_ERROR(CheckChosen(rule, place, sent, principal));
    return FieldValue{sent, ValueSource::kClient};
  }
  if (!rule.default_value) {
    if (asked) return RefuseField(v1::FIELD_NOT_PERMITTED, place.name, kNotForClients);
    return FieldValue();
  }
  LKT_ASSIGN_OR_RETURN(std::string value, RenderValue(*rule.default_value, place, principal));
  if (asked && sent != value) return RefuseField(v1::FIELD_NOT_PERMITTED, place.name, kNotForClients);
  return FieldValue{std::move(value), ValueSource::kPolicyDefault};
}

}  // namespace

absl::StatusOr<FieldValue> ResolveField(const FieldRule& rule, const FieldPlace& place, const std::string& sent,
                                        const Principal& principal) {
  auto value = ResolveAny(rule, place, sent, principal);
  if (value.ok() && value->text.empty()) {
    if (place.required) return RefuseField(v1::FIELD_REQUIRED, place.name, "is required");
    value->source = ValueSource::kNone;  // of a claim that may be absent, and is
  }
  return value;
}

absl::StatusOr<ValueSource> ResolveAttributes(const AttributesRule& rule, const Attributes& sent,
                                              const Principal& principal, Attributes& out) {
  Attributes forced;
  for (const auto& [key, text] : rule.value) {
    LKT_ASSIGN_OR_RETURN(std::string value, text.Render(principal));
    if (!value.empty()) forced[key] = std::move(value);
  }
  const auto is_forced = [&](const std::string& key) {
    return std::any_of(rule.value.begin(), rule.value.end(), [&](const auto& entry) { return entry.first == key; });
  };
  if (rule.mode != FieldMode::kIgnore) {
    std::size_t bytes = 0;
    for (const auto& [key, value] : sent) {
      bytes += key.size() + value.size();
      if (is_forced(key)) {
        const auto at = forced.find(key);
        if (at != forced.end() && at->second == value) continue;
        return RefuseField(v1::FIELD_NOT_PERMITTED, kAttributes,
                           "has a key that must be left out or equal the value that the policy sets");
      }
      if (rule.mode != FieldMode::kAllow) return RefuseField(v1::FIELD_NOT_PERMITTED, kAttributes, kNotForClients);
      if (const auto problem = TextProblem(key, TextUse::kKey); !problem.empty()) {
        return RefuseField(v1::FIELD_INVALID, kAttributes, problem);
      }
      if (IsReservedKey(key)) {
        return RefuseField(v1::FIELD_NOT_PERMITTED, kAttributes, "has a key that is reserved for LiveKit");
      }
      const bool named = rule.keys.empty() ||
                         std::any_of(rule.keys.begin(), rule.keys.end(),
                                     [&, &name = key](const std::string& glob) { return GlobMatches(glob, name); });
      if (!named) return RefuseField(v1::FIELD_NOT_PERMITTED, kAttributes, "has a key that clients may not set");
      out[key] = value;
    }
    if (rule.max_bytes > 0 && bytes > rule.max_bytes) return TooLong(kAttributes, rule.max_bytes);
  }
  const ValueSource source = !out.empty()      ? ValueSource::kClient
                             : !forced.empty() ? ValueSource::kPolicyValue
                                               : ValueSource::kNone;
  for (auto& [key, value] : forced) out[key] = std::move(value);
  return source;
}

}  // namespace livekit::token
