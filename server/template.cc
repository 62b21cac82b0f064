#include "server/template.h"

#include <algorithm>
#include <functional>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {

absl::StatusOr<std::string> RenderParts(const std::vector<TemplatePart>& parts, const Principal& principal,
                                        std::string (*quote)(const std::string&)) {
  std::string out;
  for (const TemplatePart& part : parts) {
    if (!part.variable) {
      out += part.literal;
      continue;
    }
    LKT_ASSIGN_OR_RETURN(const std::string text, part.variable->Text(principal));
    if (text.empty()) return std::string();
    for (const std::string& forbidden : {std::cref(part.before), std::cref(part.after)}) {
      if (!forbidden.empty() && text.find(forbidden) != std::string::npos) return Refuse(v1::CLAIM_AMBIGUOUS);
    }
    out += quote == nullptr ? text : quote(text);
  }
  return out;
}

absl::StatusOr<Template> Template::Parse(std::string_view text, const TemplateOptions& options) {
  const auto invalid = [](std::string_view message) { return Refuse(v1::FIELD_INVALID, message); };
  if (text.empty()) return invalid("is empty");
  if (!IsValidUtf8(text) || text.find('\0') != std::string_view::npos) return invalid("is not UTF-8 text");
  Template result;
  std::vector<TemplatePart>& parts = result.parts_;
  while (!text.empty()) {
    const std::size_t open = text.find_first_of("{}");
    if (open != 0) {
      const std::string_view literal = text.substr(0, open);
      if (!parts.empty() && parts.back().variable->is_free_text()) parts.back().after = FirstCharacter(literal);
      parts.push_back({std::string(literal), {}, "", ""});
      text.remove_prefix(literal.size());
      continue;
    }
    const std::size_t close = text.front() == '{' ? VariableEnd(text) : std::string_view::npos;
    if (close == std::string_view::npos) return invalid("has a brace without its other half");
    if (!parts.empty() && parts.back().variable) {
      return invalid("has a variable right after another; put a character between them");
    }
    LKT_ASSIGN_OR_RETURN(Variable variable, Variable::Parse(text.substr(1, close - 1), options));
    parts.push_back({"", std::move(variable), "", ""});
    text.remove_prefix(close + 1);
  }
  return result;
}

std::optional<std::string> Template::Constant() const {
  if (parts_.size() != 1 || parts_[0].variable) return std::nullopt;
  return parts_[0].literal;
}

const Variable* Template::OnlyVariable() const {
  return parts_.size() == 1 && parts_[0].variable ? &*parts_[0].variable : nullptr;
}

bool Template::MayBeAbsent() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const TemplatePart& part) { return part.variable && part.variable->may_be_absent(); });
}

bool Template::IsOfPrincipal() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const TemplatePart& part) { return part.variable && part.variable->is_of_principal(); });
}

}  // namespace livekit::token
