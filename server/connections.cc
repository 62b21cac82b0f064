#include "server/connections.h"

#include <chrono>

#include "service/limits.h"
#include "service/process.h"

namespace livekit::token {
namespace {

using google::protobuf::Duration;

constexpr int kMaxIdleMs = 300'000;
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
constexpr int kHandshakeTimeoutMs = 5'000;
// A stream without a message costs 12 KB here, so that one connection can take 8 MiB. Gateways have 500 calls a second
// in flight at most (BatchOptions::patience): with fewer streams, callers whose token takes no time would wait behind
// those whose credentials are with a service that needs longer than this allows, 1.4 s.
constexpr int kMaxStreams = 700;
// What is read at once is taken in as a whole before anything else is done with the connection, or with others that the
// same thread looks after: of streams, 12 KB and 60 us for each 14 bytes. gRPC's own limit is 4 MiB.
constexpr int kMaxReadBytes = 4 << 10;

void CheckTime(const std::string& path, bool present, const Duration& time, ConfigProblems& problems) {
  if (!present) return;
  const bool valid = time.seconds() >= 1 && time.nanos() >= 0 &&
                     (time.seconds() < 86400 || (time.seconds() == 86400 && time.nanos() == 0));
  if (!valid) problems.push_back({path, "must be between 1s and 24h"});
}

int Millis(const Duration& time) { return static_cast<int>(ToMillis(time).count()); }

}  // namespace

ConfigProblems CheckConnections(const std::string& path, const config::v1::ServerListen& listen) {
  ConfigProblems problems;
  CheckTime(ConfigPath(path, "max_connection_age"), listen.has_max_connection_age(), listen.max_connection_age(),
            problems);
  CheckTime(ConfigPath(path, "max_connection_age_grace"), listen.has_max_connection_age_grace(),
            listen.max_connection_age_grace(), problems);
  return problems;
}

void SetConnections(const config::v1::ServerListen& listen, grpc::ServerBuilder& builder) {
  // gRPC's default would let a second process share the port and take half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, limits::kMetadataBytes);
  // A client looks for new servers only when it loses a connection. gRPC itself varies the age by a tenth.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Millis(listen.max_connection_age()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Millis(listen.max_connection_age_grace()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kMaxIdleMs);
  // Finds clients that are gone without a word.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // Gateways send keepalive pings every 5.5 s; without this they would be sent away for too many.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kMaxReadBytes);
}

}  // namespace livekit::token
