// Connections to token servers.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace grpc {
class Channel;
}

namespace livekit::token::gateway {

class ChannelTls;

// What is wrong with the address of a token server, as our own sentence; empty if nothing. Addresses are `host:port`,
// `dns:///name:port`, `unix:/path`, and for several servers without DNS `ipv4:1.2.3.4:5,…` or `ipv6:[::1]:5,…`.
std::string_view CheckTarget(std::string_view target);

// Of a target that CheckTarget has passed: whether its connections never leave this machine. Names other than
// `localhost` count as elsewhere, whatever they resolve to.
bool IsLocalTarget(std::string_view target);
// And whether it is a list of addresses, which have no name in common that a certificate could be checked for.
bool IsTargetList(std::string_view target);

// A channel to all addresses of `target`, which CheckTarget must have passed: round robin over those that are serving,
// with calls tried again that no server has begun to answer, up to `max_attempts` (1 to 5) times in all. A server that
// fails many calls, also calls that are cancelled because it does not answer, is left alone for a while if there are
// others. It connects with the first call. `tls`, which must outlive the channel, is null for plaintext.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target, const ChannelTls* tls, int max_attempts);

}  // namespace livekit::token::gateway
