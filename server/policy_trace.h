// How a decision came about, for whoever asks why.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/field_rule.h"

namespace livekit::token {

struct ClaimCondition;
struct PolicyMatch;
struct PolicyRules;

// The first condition of a policy that does not hold.
enum class Mismatch {
  kNone,
  kWho,
  kSandboxAbsent,
  kSandboxPresent,
  kSandboxOther,
  kRoomAbsent,
  kRoomOther,
  kScopes,
  kClaim
};

// Whether a policy matches. Cheap enough for every request: words are found for it only where somebody asks.
struct MatchResult {
  Mismatch mismatch = Mismatch::kNone;
  const ClaimCondition* claim = nullptr;  // with kClaim: the condition, which belongs to the policy

  bool matches() const { return mismatch == Mismatch::kNone; }
};

// What does not hold, in a sentence for operators. It names what the policy asks for, and never a value of the request
// or of a claim. Empty for a policy that matches.
std::string Describe(const MatchResult& result, const PolicyMatch& match);

// The way to one decision. Names and policies are those of the PolicySet and live as long.
struct PolicyTrace {
  struct Policy {
    const PolicyRules* rules;
    MatchResult result;
  };
  struct Field {
    std::string_view name;  // in TokenSourceRequest
    ValueSource source;     // of a field that is not refused
    absl::Status refusal;
    bool ignored;  // whether a value of the client was dropped
  };
  std::vector<Policy> policies;  // those that were looked at, in order; only the last can match
  std::vector<Field> fields;     // every field, if a policy matches
};

}  // namespace livekit::token
