// Templates of the configuration: text with variables in braces.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/principal.h"
#include "server/variable.h"

namespace livekit::token {

// Text, or a variable with what its text must not contain.
struct TemplatePart {
  std::string literal;
  std::optional<Variable> variable;
  std::string before;  // forbidden in the variable's text; empty: nothing
  std::string after;   // the same
};

// Joins the parts' texts; `quote`, if any, is applied to those of variables. The result is empty if a variable that may
// be absent is. Errors: CLAIM_MISSING as in Variable::Text; CLAIM_AMBIGUOUS for text that contains what it must not.
absl::StatusOr<std::string> RenderParts(const std::vector<TemplatePart>& parts, const Principal& principal,
                                        std::string (*quote)(const std::string&) = nullptr);

// A parsed template: text with variables as in variable.h.
//
// Two principals that differ in a variable never get the same text: what a variable inserts must not contain the
// character that follows it in the template, so that its end can be seen, and variables made up of random characters or
// codes have one length.
//
// Thread safety: immutable.
class Template {
 public:
  // Parses `text`. Errors (FIELD_INVALID) say what is wrong and how to mend it: an unknown variable, a brace that is
  // not closed, a variable right after another (their border could not be seen).
  static absl::StatusOr<Template> Parse(std::string_view text, const TemplateOptions& options = {});

  // The text for `principal`; empty only if a claim that may be absent is. Errors: CLAIM_MISSING, CLAIM_AMBIGUOUS.
  absl::StatusOr<std::string> Render(const Principal& principal) const { return RenderParts(parts_, principal); }

  // The text of a template without variables.
  std::optional<std::string> Constant() const;
  // The variable of a template that is nothing else, or null.
  const Variable* OnlyVariable() const;
  bool EndsWithVariable() const { return parts_.back().variable.has_value(); }
  // Whether the text may be absent.
  bool MayBeAbsent() const;
  // Whether different principals get different texts.
  bool IsOfPrincipal() const;

 private:
  std::vector<TemplatePart> parts_;
};

}  // namespace livekit::token
