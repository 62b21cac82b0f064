// Whom a request is from when proxies stand in front of the gateway.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/network.h"
#include "http/server.h"

namespace livekit::token::gateway {

// The networks whose hosts are believed about whom they forward for.
using TrustedProxies = std::vector<Network>;

// What is wrong with an entry of the configuration's `trusted_proxies`; empty if nothing is.
std::string CheckTrustedProxy(std::string_view text);

// The address of the client: the socket's peer unless that is a trusted proxy. Then `X-Forwarded-For` is read from the
// right, all its header lines as one list, since every proxy appends the address that it saw: trusted addresses are
// passed over, and the first other one is the client. What stands left of it is the client's own claim and is not read.
//
// An element that is not an IP address, with or without port, ends the search, and so does the 32nd: the answer is then
// the last trusted address that was seen. Never text as sent, but addresses in their normal form; empty only if the
// peer's address is not known (a unix socket), which is never trusted. `Forwarded` and `X-Real-IP` do not count: a
// proxy that does not write them passes on what its client made up.
std::string ClientAddress(const http::Request& request, const TrustedProxies& trusted);

}  // namespace livekit::token::gateway
