// JSON of the configuration whose strings are templates.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"
#include "server/template.h"

namespace livekit::token {

// A JSON value written as text. Strings are rendered first and quoted then, so that no claim can add to the structure.
// A member or element whose claim may be absent and is, is left out.
//
// Thread safety: immutable.
class JsonTemplate {
 public:
  // Parses the strings of `value`. Members come in the order of their names. Errors (FIELD_INVALID) say what is wrong
  // with a string or number; `path` is then where.
  static absl::StatusOr<JsonTemplate> Parse(const google::protobuf::Value& value, const TemplateOptions& options,
                                            std::string& path);

  // The text for `principal`. Errors: CLAIM_MISSING, CLAIM_AMBIGUOUS.
  absl::StatusOr<std::string> Render(const Principal& principal) const;

 private:
  enum class Kind { kConstant, kText, kList, kObject };

  // Appends to `out`; returns false if the value is absent.
  absl::StatusOr<bool> Append(const Principal& principal, std::string& out) const;

  Kind kind_ = Kind::kConstant;
  std::string constant_;                                       // JSON text
  std::vector<Template> text_;                                 // one, of kText
  std::vector<std::pair<std::string, JsonTemplate>> members_;  // of kObject by quoted name, of kList without names
};

}  // namespace livekit::token
