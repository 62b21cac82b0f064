// Headers in which an authenticating proxy in front of the gateway says who the end user is.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/network.h"
#include "gateway/backend.h"
#include "http/server.h"
#include "livekit/token/config/v1/gateway_config.pb.h"
#include "service/config.h"

namespace livekit::token::gateway {

// Which headers count, and from whom. Without headers nobody is such a proxy.
struct TrustedHeaderOptions {
  std::vector<std::string> headers;  // in lower case, without underscores
  std::vector<Network> networks;     // of the proxies
};

// What is wrong with the section, with paths below `trusted_headers`; empty if nothing is. `relay_headers` are the
// headers in which clients bring credentials of their own.
ConfigProblems CheckTrustedHeaders(const config::v1::GatewayTrustedHeaders& config,
                                   const std::vector<std::string>& relay_headers);
// The options of a section without problems.
TrustedHeaderOptions MakeTrustedHeaderOptions(const config::v1::GatewayTrustedHeaders& config);

// Puts the headers of a proxy into `item`, whose `trusted_headers` are there afterwards exactly if the peer of the
// socket is one; what X-Forwarded-For says about the peer does not matter. Errors: AUTHENTICATION_FAILED for a header
// from anybody else, which is logged at most once in ten seconds; AMBIGUOUS_CREDENTIALS for one that is there twice or
// under a name that some programs take for the same, such as with underscores in place of hyphens (proxies strip only
// the name that they know); MALFORMED_REQUEST if it is not UTF-8.
absl::Status CollectTrustedHeaders(const http::Request& request, const TrustedHeaderOptions& options,
                                   Backend::Item& item);

}  // namespace livekit::token::gateway
