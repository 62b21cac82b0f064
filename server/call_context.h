// The circumstances of a call.
#pragma once

#include <string>

#include "base/trace_context.h"
#include "server/authenticator.h"

namespace livekit::token {

struct CallContext {
  // Of the calling program: kCallerHeader and the connection's verified certificate.
  Credentials caller = {};
  // All other headers in which credentials may stand. Which of them a proxy vouches for depends on `peer_address`.
  Credentials credentials = {};
  std::string peer_address = {};  // of the socket, without port; never from a header
  std::string host = {};          // host by which the client reached us, without port
  std::string request_id = {};
  TraceContext trace = {};
};

}  // namespace livekit::token
