// Rules for single fields of a request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/map.h"
#include "livekit/token/v1/errors.pb.h"
#include "server/pattern.h"
#include "server/reserved_names.h"
#include "server/template.h"

namespace livekit::token {

// What a client may do with a field.
enum class FieldMode { kForbid, kIgnore, kAllow, kIfEqual };

// What a client may do with a string field.
struct FieldRule {
  FieldMode mode = FieldMode::kForbid;
  std::optional<Template> default_value;  // when the client sends nothing
  std::optional<Template> value;          // the forced one
  // What a value of the client must satisfy with kAllow, all that are there.
  std::shared_ptr<const Pattern> pattern;
  std::vector<Template> one_of;  // one that is a single claim stands for each element of a list
  std::optional<Template> prefix;
  std::size_t max_bytes = 0;  // 0: the field's own limit
};

// A field of TokenSourceRequest.
struct FieldPlace {
  std::string_view name;
  TextUse use;
  v1::ErrorReason refusal;  // of a value that is not the right one
  std::size_t max_bytes;
  bool required;
};

// Where a value in the token comes from.
enum class ValueSource { kNone, kClient, kPolicyDefault, kPolicyValue };

// What a field comes to.
struct FieldValue {
  std::string text;  // empty if there is none
  ValueSource source = ValueSource::kNone;
};

// The value of a field for which the client sent `sent`, empty meaning nothing.
//
// Errors name the field: FIELD_REQUIRED; FIELD_NOT_PERMITTED for a value where none may be; the place's refusal for a
// value that is not the right one; FIELD_INVALID for text of the client that no name may have (reserved_names.h), the
// place's refusal for such text from a credential, which the client cannot mend; FIELD_TOO_LONG, CLAIM_MISSING,
// CLAIM_AMBIGUOUS.
absl::StatusOr<FieldValue> ResolveField(const FieldRule& rule, const FieldPlace& place, const std::string& sent,
                                        const Principal& principal);

// What a client may do with `participant_attributes`.
struct AttributesRule {
  FieldMode mode = FieldMode::kForbid;
  std::vector<std::string> keys;                        // globs; none: every key that LiveKit does not reserve
  std::vector<std::pair<std::string, Template>> value;  // forced ones by key
  std::size_t max_bytes = 0;                            // of the client's keys and values; 0: LiveKit's own limit
};

using Attributes = google::protobuf::Map<std::string, std::string>;

// Makes the attributes of the token out of those that the client sent, and returns their source: the client if one of
// them is its own, else the policy. Errors for the field `participant_attributes`:
// FIELD_NOT_PERMITTED, FIELD_INVALID for a key that has invisible characters, FIELD_TOO_LONG; CLAIM_MISSING,
// CLAIM_AMBIGUOUS.
absl::StatusOr<ValueSource> ResolveAttributes(const AttributesRule& rule, const Attributes& sent,
                                              const Principal& principal, Attributes& out);

}  // namespace livekit::token
