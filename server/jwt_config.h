// The configuration of a start with `--jwt_issuer`.
#pragma once

#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "livekit/token/key_source.h"

namespace livekit::token {

// What a start without a file needs beside LiveKit's address and keys.
struct JwtStart {
  std::string issuer;    // of the end users' tokens; keys by discovery
  std::string audience;  // of which they must be; several separated by commas

  bool given() const { return !issuer.empty() || !audience.empty(); }
};

// One project from the environment, one JWT authenticator and the default policy: whoever has a token of the issuer may
// join any room under the own subject, to publish, subscribe and send data. A room that is not named is made up. Only
// an issuer on loopback may be reached by plain HTTP.
config::v1::ServerConfig JwtConfig(const JwtStart& start, const Environment& environment);

}  // namespace livekit::token
