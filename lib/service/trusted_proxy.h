// What may be configured about proxies that say in headers who the end user is, for server and gateway alike.
#pragma once

#include <string>
#include <string_view>

namespace livekit::token {

// Why `name` cannot be a header in which a proxy says who the user is; empty if it can: lower-case letters, digits and
// hyphens, at most 64, and not one that clients, browsers or HTTP itself use.
std::string CheckIdentityHeader(std::string_view name);

// Why `text` cannot be the network of such proxies; empty if it can. Everybody is no network of proxies.
std::string CheckProxyNetwork(std::string_view text);

}  // namespace livekit::token
