// Participants who get no token.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// One entry: who is blocked where.
struct DenyRule {
  std::string identity = "*";  // glob
  std::string room = "*";      // glob
  std::string project;         // empty: every one
  std::optional<Time> until;   // first moment at which it no longer holds
};

// The entries of a configuration.
//
// Thread safety: immutable.
class DenyList {
 public:
  DenyList() = default;
  explicit DenyList(std::vector<DenyRule> rules) : rules_(std::move(rules)) {}

  // Whether a token with these grants would let a blocked participant in: its identity, and its room or destination
  // room, match an entry that holds at `now`. A token without identity is not a participant's.
  bool Blocks(std::string_view project, const v1::Grants& grants, Time now) const;

 private:
  std::vector<DenyRule> rules_;
};

}  // namespace livekit::token
