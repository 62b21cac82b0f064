// Variables of templates and patterns: `{subject}`, `{claims.plan}`, `{random}`, `{uuid}`, `{hmac:subject}`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/claims.h"
#include "server/principal.h"

namespace livekit::token {

namespace jose {
class HmacSha256;
}

// What a template or pattern may hold, by its place.
struct TemplateOptions {
  std::shared_ptr<const jose::HmacSha256> hmac_key = nullptr;  // null: `{hmac:…}` is refused
  bool anonymous = false;                                      // whether its principals have no subject and no claims
  bool may_be_absent = true;                                   // whether `{claims.x?}` may stand here
  bool may_be_random = true;                                   // whether `{random}` and `{uuid}` may
};

// One variable.
//
// Thread safety: immutable.
class Variable {
 public:
  // Parses what stands between the braces. Errors (FIELD_INVALID) say how to mend it.
  static absl::StatusOr<Variable> Parse(std::string_view text, const TemplateOptions& options);

  // The text for `principal`; empty only if the variable may be absent and is (a claim that is missing, null or empty).
  // Errors: CLAIM_MISSING for a subject or claim that is missing or empty, or neither text nor an integer.
  absl::StatusOr<std::string> Text(const Principal& principal) const;

  // Whether its text may hold any character; not so for random names, UUIDs and codes, all of which also have one
  // length.
  bool is_free_text() const { return kind_ == Kind::kSubject || kind_ == Kind::kClaim; }
  // Whether two principals may differ in it.
  bool is_of_principal() const { return kind_ != Kind::kRandom && kind_ != Kind::kUuid; }
  bool may_be_absent() const { return may_be_absent_; }
  // The claim whose own text it is; null for other kinds.
  const ClaimPath* claim() const { return kind_ == Kind::kClaim ? &*path_ : nullptr; }

 private:
  enum class Kind { kSubject, kClaim, kRandom, kUuid, kCode };
  Variable() = default;
  absl::StatusOr<std::string> Source(const Principal& principal) const;

  Kind kind_ = Kind::kRandom;
  std::optional<ClaimPath> path_;  // of kClaim and kCode; nothing: the subject
  bool may_be_absent_ = false;
  std::shared_ptr<const jose::HmacSha256> hmac_key_;  // of kCode
};

// Where the variable at the front of `text`, which begins with `{`, ends: the position of its `}`, which is not inside
// quotes; npos if there is none.
std::size_t VariableEnd(std::string_view text);

// The first character of UTF-8 text.
std::string_view FirstCharacter(std::string_view text);

}  // namespace livekit::token
