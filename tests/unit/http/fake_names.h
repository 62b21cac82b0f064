// Names below `.test` (RFC 6761), which no name server knows, for this program: getaddrinfo is replaced in it.
#pragma once

#include <string>

namespace livekit::token::testing {

// From now on `name` has this address; one address or several with commas.
void SetName(const std::string& name, const std::string& address);

// `slow.test` is answered only while released. How many wait for it.
void HoldSlowName();
void ReleaseSlowName();
int SlowNameWaiters();

}  // namespace livekit::token::testing
