// Where outgoing connections never go.
#pragma once

#include <sys/socket.h>

namespace livekit::token::http {

// Whether nothing is sent to `address`, whatever the configuration says: link-local addresses (169.254.0.0/16,
// fe80::/10) and the metadata services of clouds, which hand the machine's credentials to whoever asks. An IPv4 address
// counts also inside an IPv6 address that a host, a translator or a tunnel turns back into it: mapped (RFC 4291),
// compatible, translated (RFC 6052, RFC 8215, RFC 2765), 6to4 (RFC 3056), Teredo (RFC 4380) and ISATAP (RFC 5214).
// Anything but IPv4 and IPv6 is refused too. Private and loopback addresses are not: operators' services have them.
bool IsRefusedDestination(const sockaddr& address);

}  // namespace livekit::token::http
