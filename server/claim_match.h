// Conditions on what a credential says.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "server/claims.h"

namespace livekit::token {

// A claim and the values of which it must have one. Text is a glob and matches text only, a number an integer only, a
// boolean a boolean only. Of a list, any element counts.
struct ClaimCondition {
  using Value = std::variant<std::string, std::int64_t, bool>;
  ClaimPath path;
  std::vector<Value> values;
};

// Whether `claims` meet the condition; not if there is no such claim.
bool Meets(const Claims& claims, const ClaimCondition& condition);

// Whether `claims` hold every one of `scopes`, in the claims `scope` and `scp`: texts separated by spaces, or lists
// (RFC 8693 section 4.2; `scp` is what some identity providers call it).
bool HasScopes(const Claims& claims, const std::vector<std::string>& scopes);

}  // namespace livekit::token
