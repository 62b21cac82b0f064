// What a credential says about a principal.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/struct.pb.h"

namespace livekit::token {

// Where a claim is: the names of the members on the way to it.
class ClaimPath {
 public:
  // Parses `plan`, `realm_access.roles`, `["https://acme.dev/plan"]`, `a["b.c"].d`: names of letters, digits, `_`, `-`,
  // `:`, `/` and `@`, separated by dots; any other name, and one with dots, in brackets and quotes. Text that contains
  // `://` and no bracket is one name. Nothing for anything else.
  static std::optional<ClaimPath> Parse(std::string_view text);

  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

// The claims of a principal: a JSON object. Copies share it.
//
// Thread safety: immutable.
class Claims {
 public:
  Claims() = default;
  // `object` that is no object counts as empty.
  explicit Claims(nlohmann::json object);
  // Numbers of a Struct are doubles; those that are integers below 2^53 become integers, since only those are exact.
  static Claims FromStruct(const google::protobuf::Struct& object);

  // The object. Integers of more than 53 bits lose their last digits.
  google::protobuf::Struct ToStruct() const;

  // The value at `path`; null if there is none or it is JSON's `null`. Lives as long as any copy of these claims.
  const nlohmann::json* Find(const ClaimPath& path) const;

 private:
  std::shared_ptr<const nlohmann::json> object_;
};

// The text that stands for a claim in templates and comparisons: of a string the string, of an integer its digits.
// Nothing for other values: the texts of fractions and objects are not unique.
std::optional<std::string> ClaimText(const nlohmann::json& value);

}  // namespace livekit::token
