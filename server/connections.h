// How long the connections of the gRPC listener live, and what each of them may ask for.
#pragma once

#include <string>

#include "grpcpp/server_builder.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "service/config.h"

namespace livekit::token {

// Bytes of the metadata of one call.
inline constexpr int kMaxCallMetadataBytes = 16 << 10;

// What is wrong with the times of connections in `listen`, with paths below `path`.
ConfigProblems CheckConnections(const std::string& path, const config::v1::ServerListen& listen);

// Sets up keepalive, age and limits of `builder`'s connections. `listen` must have its defaults and no problems.
void SetConnections(const config::v1::ServerListen& listen, grpc::ServerBuilder& builder);

}  // namespace livekit::token
