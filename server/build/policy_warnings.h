// What is odd about a list of policies, though each is right by itself.
#pragma once

#include <vector>

#include "server/policy.h"

namespace livekit::token::build {

struct Context;

// Notes policies that an earlier one leaves nothing to, and policies that give subjects of different origins the same
// identity, so that one could take the other's place. `identities` are the templates of the policies' identities, empty
// where the client chooses.
void CheckTogether(const std::vector<PolicyRules>& policies, const std::vector<std::string>& identities,
                   Context& context);

}  // namespace livekit::token::build
