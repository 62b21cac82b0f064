#include "server/channelz.h"

#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "nlohmann/json.hpp"

namespace livekit::token {
namespace {

using nlohmann::json;

// Null if gRPC says nothing.
json Parse(char* text) {
  const std::unique_ptr<char, void (*)(void*)> owned(text, gpr_free);
  if (text == nullptr) return {};
  // From a string, since of the parsers for pointers a program has only one, this file's or that of protojson, which
  // every request runs and for which the compiler does more.
  return json::parse(std::string(text), nullptr, /*allow_exceptions=*/false);
}

// 64-bit numbers are texts in the JSON of protobuf, and those that are 0 are left out.
std::int64_t Number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string()
             ? std::strtoll(found->get_ref<const std::string&>().c_str(), nullptr, 10)
             : 0;
}

const json& Member(const json& object, const char* name) {
  static const json none = json::object();
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

}  // namespace

std::map<std::string, std::int64_t> ServerConnections() {
  constexpr int kMost = 1 << 20;
  std::map<std::string, std::int64_t> ids;
  const json servers = Parse(grpc_channelz_get_servers(0));
  for (const json& server : Member(servers, "server")) {
    const std::int64_t id = Number(Member(server, "ref"), "serverId");
    const json sockets = Parse(grpc_channelz_get_server_sockets(id, 0, kMost));
    for (const json& socket : Member(sockets, "socketRef")) {
      const std::string name = socket.value("name", "");  // `chttp2 PEER`
      ids[name.substr(name.find(' ') + 1)] = Number(socket, "socketId");
    }
  }
  return ids;
}

std::optional<StreamCounts> CountStreams(std::int64_t connection) {
  const json answer = Parse(grpc_channelz_get_socket(connection));
  if (!answer.contains("socket")) return std::nullopt;
  const json& data = Member(answer["socket"], "data");
  const std::int64_t started = Number(data, "streamsStarted");
  return StreamCounts{.started = started,
                      .live = started - Number(data, "streamsSucceeded") - Number(data, "streamsFailed"),
                      .messages = Number(data, "messagesReceived")};
}

}  // namespace livekit::token
