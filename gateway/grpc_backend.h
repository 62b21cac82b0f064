// The backend over gRPC: asks a livekit-token-server.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "gateway/backend.h"

namespace livekit::token::gateway {

// Where the token server is and how to show who we are.
struct GrpcBackendOptions {
  std::string target;   // `host:port`, `dns:///name:port` or `unix:/path`
  Secret caller_token;  // the gateway's own API key for `x-caller-authorization`; empty: none is sent
  // How long an item without a timeout may take.
  std::chrono::milliseconds default_timeout{10000};
};

// What is wrong with a target, as our own sentence; empty if nothing.
std::string_view CheckTarget(std::string_view target);

// Reads the gateway's API key from a file: one line of 1 to 4096 visible ASCII characters; white space around it is
// dropped. Errors: a sentence that names the file, never its content.
absl::StatusOr<Secret> ReadCallerToken(const std::string& path);

// Sends every item as a call of BatchIssueParticipantTokens, round robin over the addresses of the target. Calls that
// the server did not answer are tried again until their time is up, which is safe because signing twice does no harm.
//
// What the end user gets when the call itself fails: UNAVAILABLE with a delay of one second when no server could be
// reached or it was stopping, DEADLINE_EXCEEDED when the time was up, CALLER_AUTHENTICATION_FAILED and
// METHOD_NOT_PERMITTED when the server does not know this gateway or does not let it relay, INTERNAL for the rest.
class GrpcBackend : public Backend {
 public:
  // Starts to connect and returns at once. Errors: the target is not valid.
  static absl::StatusOr<std::unique_ptr<GrpcBackend>> Create(GrpcBackendOptions options);
  // Cancels the calls that are in flight, whose items get UNAVAILABLE, and waits for the last `done` to return. Must
  // not be called from a `done`.
  ~GrpcBackend() override;

  void Issue(Item item, Done done) override;
  bool Ready() const override;

 private:
  struct Impl;
  explicit GrpcBackend(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token::gateway
