// A livekit-token-server of its own process, to be loaded.
#pragma once

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "livekit/token/token_verifier.h"
#include "support/program.h"

namespace livekit::token::bench {

// What the server's only service, which may mint and relay, shows as `x-caller-authorization`.
std::string CallerCredential();
// The API key of the only end user, whose id is `user`, for the header `x-api-key`.
std::string UserKey();
// Verifies what the server signs.
const TokenVerifier& Verifier();

// CPU time of this process and of another, in seconds.
double OwnCpuSeconds();
double CpuSecondsOf(pid_t pid);

// A running server with one project. Ends the benchmark if it does not start.
class TokenServer {
 public:
  explicit TokenServer(bool unix_socket);

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  double CpuSeconds() const { return CpuSecondsOf(program_->pid()); }

 private:
  testing::TempFolder folder_;
  std::unique_ptr<testing::Program> program_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace livekit::token::bench
