#include "server/deny_list.h"

#include <algorithm>

#include "base/text.h"

namespace livekit::token {

bool DenyList::Blocks(std::string_view project, const v1::Grants& grants, Time now) const {
  if (grants.identity().empty()) return false;
  return std::any_of(rules_.begin(), rules_.end(), [&](const DenyRule& rule) {
    if (!rule.project.empty() && rule.project != project) return false;
    if (rule.until && now >= *rule.until) return false;
    if (!GlobMatches(rule.identity, grants.identity())) return false;
    return GlobMatches(rule.room, grants.video().room()) || GlobMatches(rule.room, grants.video().destination_room());
  });
}

}  // namespace livekit::token
