// Patterns of the configuration: regular expressions (RE2) with variables.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/principal.h"
#include "server/template.h"

namespace re2 {
class RE2;
}

namespace livekit::token {

class PatternCache;

// A regular expression that a value must match as a whole. `{` followed by a letter opens a variable, whose text is
// literal; `{1,64}` is a quantifier as ever.
//
// Nothing is compiled per request where only literal text stands before and between the variables: the value must begin
// with that text, and the rest match an expression that never changes. Otherwise expressions are cached by their text.
//
// Thread safety: immutable, apart from the cache, which locks.
class Pattern {
 public:
  static constexpr std::size_t kMaxBytes = 1024;
  static constexpr std::size_t kMaxCached = 512;

  // Parses `text`. Errors (FIELD_INVALID) say what is wrong and how to mend it: what RE2 does not take, more than
  // kMaxBytes, and variables whose borders could not be seen: beside another, beside pattern text (a quantifier of the
  // character behind counts), in brackets, with flags such as `(?i)`.
  static absl::StatusOr<std::shared_ptr<const Pattern>> Parse(std::string_view text, const TemplateOptions& options);
  ~Pattern();

  // Whether `value` matches for `principal`. Errors: CLAIM_MISSING; CLAIM_AMBIGUOUS when inserted text contains the
  // literal character that follows it or, behind pattern text, the one before it.
  absl::StatusOr<bool> Matches(const Principal& principal, std::string_view value) const;

 private:
  Pattern();

  std::vector<TemplatePart> parts_;       // literal text in front of `rest_`, or an expression's text
  std::unique_ptr<const re2::RE2> rest_;  // null: `parts_` are an expression
  std::unique_ptr<PatternCache> cache_;   // of expressions, in that case
};

}  // namespace livekit::token
