// Templates of the configuration: text with variables in braces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/principal.h"

namespace livekit::token {

// A parsed template. `{subject}` is the principal's subject, `{random}` 128 random bits as 26 base32 characters,
// `{uuid}` a random UUID.
//
// Thread safety: immutable.
class Template {
 public:
  // Parses `text`. Errors say what is wrong and how to mend it: an unknown variable, a brace that is not closed, a
  // variable right after another (their border could not be seen).
  static absl::StatusOr<Template> Parse(std::string_view text);

  // The text for `principal`. Errors: CLAIM_MISSING when a variable is empty; CLAIM_AMBIGUOUS when inserted text
  // contains the character that follows it in the template, so that two principals could get one value.
  absl::StatusOr<std::string> Render(const Principal& principal) const;

  // Whether a principal without subject cannot render it.
  bool uses_subject() const;

 private:
  enum class Kind { kLiteral, kSubject, kRandom, kUuid };
  struct Part {
    Kind kind;
    std::string literal;
  };
  std::vector<Part> parts_;
};

}  // namespace livekit::token
