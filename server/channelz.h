// What gRPC itself counts of the connections of its servers (gRFC A14), in this process.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace livekit::token {

// Ids of the connections of all servers, by what gRPC calls their peers, such as `ipv4:127.0.0.1:5000`. Those in the
// middle of a handshake are not among them.
std::map<std::string, std::int64_t> ServerConnections();

struct StreamCounts {
  std::int64_t started = 0;
  // Those that are open, and those that have been reset but whose call has not ended yet.
  std::int64_t live = 0;
  std::int64_t messages = 0;  // requests that calls have been given
};

// Of a connection; nothing if there is no such connection any more.
std::optional<StreamCounts> CountStreams(std::int64_t connection);

}  // namespace livekit::token
