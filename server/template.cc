#include "server/template.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {

absl::StatusOr<Template> Template::Parse(std::string_view text) {
  const auto invalid = [](std::string_view message) { return Refuse(v1::FIELD_INVALID, message); };
  if (text.empty()) return invalid("is empty");
  if (!IsValidUtf8(text)) return invalid("is not UTF-8 text");
  Template result;
  while (!text.empty()) {
    const std::size_t open = text.find_first_of("{}");
    if (open != 0) {
      result.parts_.push_back({Kind::kLiteral, std::string(text.substr(0, open))});
      text.remove_prefix(std::min(open, text.size()));
      continue;
    }
    const std::size_t close = text.find('}');
    if (text.front() == '}' || close == std::string_view::npos) return invalid("has a brace without its other half");
    const std::string_view variable = text.substr(1, close - 1);
    Kind kind = Kind::kLiteral;
    if (variable == "subject") {
      kind = Kind::kSubject;
    } else if (variable == "random") {
      kind = Kind::kRandom;
    } else if (variable == "uuid") {
      kind = Kind::kUuid;
    } else {
      return invalid("has an unknown variable; known are {subject}, {random} and {uuid}");
    }
    if (!result.parts_.empty() && result.parts_.back().kind != Kind::kLiteral) {
      return invalid("has a variable right after another; put a character between them");
    }
    result.parts_.push_back({kind, ""});
    text.remove_prefix(close + 1);
  }
  return result;
}

absl::StatusOr<std::string> Template::Render(const Principal& principal) const {
  std::string out;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    switch (part.kind) {
      case Kind::kLiteral:
        out += part.literal;
        break;
      case Kind::kRandom:
        out += RandomName();
        break;
      case Kind::kUuid:
        out += RandomUuid();
        break;
      case Kind::kSubject:
        if (principal.subject.empty()) return Refuse(v1::CLAIM_MISSING);
        if (i + 1 < parts_.size() && principal.subject.find(parts_[i + 1].literal.front()) != std::string::npos) {
          return Refuse(v1::CLAIM_AMBIGUOUS);
        }
        out += principal.subject;
        break;
    }
  }
  return out;
}

bool Template::uses_subject() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.kind == Kind::kSubject; });
}

}  // namespace livekit::token
