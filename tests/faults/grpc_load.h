// Requests for tokens over gRPC.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "faults/schedule.h"
#include "faults/tally.h"
#include "faults/token_check.h"

namespace livekit::token::faults {

// How to ask over gRPC.
struct GrpcLoadOptions {
  std::string target;
  bool retries = true;  // the gateway's retry policy, CANCELLED included; off: each call is one attempt
  bool mint = true;     // MintAccessToken, otherwise IssueParticipantToken
  std::chrono::milliseconds patience{10000};
  std::string room = "faults";
  std::string credential;  // of the calling program, or for IssueParticipantToken of the user
  // TLS if there is an authority or a certificate. The files are watched.
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;
};

// Asks as scheduled until the schedule is over or `stop` is true, and waits for what is then in flight; round robin
// over all servers that say that they are serving. Outcomes are names of status codes such as `OK` and `UNAVAILABLE`;
// `wrong_body` and `unverifiable`.
void RunGrpcLoad(const GrpcLoadOptions& options, Schedule schedule, const std::atomic<bool>& stop, TokenCheck& check,
                 Tally& tally);

}  // namespace livekit::token::faults
