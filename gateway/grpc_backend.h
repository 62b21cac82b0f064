// The backend over gRPC: asks a livekit-token-server.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "gateway/backend.h"
#include "gateway/batch_queue.h"
#include "gateway/grpc_channel.h"
#include "livekit/token/config/v1/gateway_config.pb.h"
#include "service/metrics.h"

namespace livekit::token::gateway {

// Where the token servers are and how to show who we are.
struct GrpcBackendOptions {
  std::string target;   // as CheckTarget of grpc_channel.h wants it
  Secret caller_token;  // the gateway's own API key for `x-caller-authorization`; empty: none is sent
  std::optional<ChannelTls> tls;
  BatchOptions batch;
};

// Reads the gateway's API key from a file: one line of 1 to 4096 visible ASCII characters; white space around it is
// dropped. Errors: a sentence that names the file, never its content.
absl::StatusOr<Secret> ReadCallerToken(const std::string& path);

// Reads the files of `server.tls`, once: new ones need a restart. Errors: as one text that names the files.
absl::StatusOr<ChannelTls> ReadChannelTls(const config::v1::TargetTls& tls);

// Sends items that come while others are in flight together, in calls of BatchIssueParticipantTokens (batcher.h), round
// robin over the addresses of the target. What no server has answered is asked for again until the item's time is up.
// When no server can be reached, items get UNAVAILABLE soon, and tokens again when one is back, without a restart.
class GrpcBackend : public Backend {
 public:
  // Starts to connect and returns at once. `metrics` must outlive the backend. Errors: the target is not valid.
  static absl::StatusOr<std::unique_ptr<GrpcBackend>> Create(GrpcBackendOptions options, Metrics& metrics);
  // Cancels what waits or is in flight, whose items get UNAVAILABLE, and waits for the last `done` to return. Must not
  // be called from a `done`.
  ~GrpcBackend() override;

  void Issue(Item item, Done done) override;
  bool Ready() const override;

 private:
  struct Impl;
  explicit GrpcBackend(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token::gateway
