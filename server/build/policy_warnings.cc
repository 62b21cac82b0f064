#include "server/build/policy_warnings.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

bool SameSource(const PolicyMatch& a, const PolicyMatch& b) {
  return a.authenticator == b.authenticator && a.service == b.service;
}

// Whether `first` applies wherever `second` does.
bool Covers(const PolicyMatch& first, const PolicyMatch& second) {
  if (!SameSource(first, second) || !first.claims.empty() || !first.scopes.empty() || !first.rooms.empty())
    return false;
  if (first.sandbox_ids.empty() || second.sandbox_ids.empty())
    return first.sandbox_ids.empty() == second.sandbox_ids.empty();
  // A glob that matches the text of another matches all that the other does: only `*` takes the other's `*`.
  return std::all_of(second.sandbox_ids.begin(), second.sandbox_ids.end(), [&](const std::string& id) {
    return std::any_of(first.sandbox_ids.begin(), first.sandbox_ids.end(),
                       [&](const std::string& glob) { return GlobMatches(glob, id); });
  });
}

}  // namespace

void CheckTogether(const std::vector<PolicyRules>& policies, const std::vector<std::string>& identities,
                   Context& context) {
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const std::string path = ConfigPath("policies", static_cast<int>(i));
    bool covered = false;
    bool shared = false;
    for (std::size_t j = 0; j < i; ++j) {
      const std::string other = ConfigPath("policies", static_cast<int>(j));
      if (!covered && Covers(policies[j].match, policies[i].match)) {
        covered = true;
        context.Warning(ConfigPath(path, "match"),
                        "is never reached, since " + other + " applies first to everyone; state it before that");
      }
      const bool same = !identities[i].empty() && identities[i] == identities[j] && policies[i].identity.value &&
                        policies[i].identity.value->IsOfPrincipal();
      if (!shared && same && policies[i].project == policies[j].project &&
          !SameSource(policies[i].match, policies[j].match)) {
        shared = true;
        context.Warning(ConfigPath(path, "identity"),
                        "gives a subject the identity that " + other +
                            " gives to the same subject of another authenticator or service; put different text before "
                            "{subject} if they are not the same person");
      }
    }
  }
}

}  // namespace livekit::token::build
