// The backend over gRPC: asks a livekit-token-server.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/backend.h"
#include "gateway/batch_queue.h"
#include "gateway/caller_token.h"
#include "gateway/channel_tls.h"
#include "service/config.h"
#include "service/metrics.h"

namespace livekit::token::gateway {

// Where the token servers are and how to show who we are.
struct GrpcBackendOptions {
  std::string target;                         // as CheckTarget of grpc_channel.h wants it
  std::shared_ptr<CallerToken> caller_token;  // for `x-caller-authorization`; null: none is sent
  std::shared_ptr<ChannelTls> tls;            // null: plaintext
  BatchOptions batch;
};

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
  // No if the last tries to connect have failed at every address. A server that answers is noticed at once, one that
  // has gone without a word only when calls or keepalive fail.
  bool Reachable() const override;

  // Reads the files of `server.tls` anew: all of them are used for handshakes at most 1.5 s from now, or, if anything
  // is wrong with one, none. Connections that stand are kept. Returns the problems, with their paths.
  ConfigProblems ReloadTls(const FileReader& read);
  // Reads `server.caller_token_file` anew, for calls that start from now on; the old key stays if there is a problem.
  ConfigProblems ReloadCallerToken(const FileReader& read);

 private:
  struct Impl;
  explicit GrpcBackend(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token::gateway
