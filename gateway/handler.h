// The HTTP contract of the token endpoint, as a function from a request to a later answer.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "gateway/backend.h"
#include "gateway/client_address.h"
#include "gateway/cors.h"
#include "gateway/trusted_headers.h"
#include "http/server.h"
#include "service/metrics.h"

namespace livekit::token::gateway {

// The path at which SDKs ask LiveKit's development token server, with an id of the app in `X-Sandbox-ID`.
inline constexpr char kSandboxPath[] = "/api/v2/sandbox/connection-details";

// How the handler behaves; Gateway fills in the configuration's defaults.
struct HandlerOptions {
  std::vector<std::string> token_paths;    // exact paths of the token endpoint
  bool sandbox = false;                    // also kSandboxPath
  std::vector<std::string> relay_headers;  // credentials that go to the token server, in lower case
  std::vector<std::string> relay_cookies;  // and cookies, as globs of their names
  CorsOptions cors;
  TrustedProxies trusted_proxies;  // what they say about whom a request is from is believed
  TrustedHeaderOptions trusted_headers;
  bool extended_response = false;
  std::chrono::milliseconds timeout{9000};  // for the token server's answer
  int max_token_bytes = 8192;
  double access_log_sample = 1;  // share of requests that succeeded of which the log has a line
  int max_pending = 4096;        // requests that wait for the token server; further ones are refused as UNAVAILABLE
  // Development mode: `Host` and the peer must be loopback or, with `dev_private_network`, in a private network. A
  // private `Host` is answered in both, for emulators and containers; a peer is not. That is always the socket's peer,
  // whatever a trusted proxy says.
  bool dev = false;
  bool dev_private_network = false;
};

// Answers requests. In this order: development's rule for `Host` and peer (403), origin (403), path (404), preflight
// (204), method (405), media type (415), credentials that occur twice (400 AMBIGUOUS_CREDENTIALS) or are not UTF-8 (400
// MALFORMED_REQUEST), cookies (cookies.h: 400, 403), identity headers (trusted_headers.h: 401, 400), body (400), too
// many that wait (503), then whatever the token server says. Every answer carries `X-Request-Id`, the request's own if
// it is 1 to 128 letters, digits, `.`, `_` or `-`; and is counted and logged once, without headers and bodies, with its
// place in the trace that the request names (trace_context.h), which the token server gets too. Logged as `peer_ip` is
// the client's address (client_address.h); of a request that the server refuses by itself it is the socket's peer,
// since the line that a proxy added may be among those that were not read.
//
// Thread safety: all methods may be called concurrently. An answer of the backend that comes after the handler is gone
// still ends its request.
class TokenHandler : public http::Handler {
 public:
  // `backend` must outlive the handler; `metrics` also the last answer of the backend.
  TokenHandler(HandlerOptions options, Backend& backend, Metrics& metrics);
  ~TokenHandler() override;

  void Handle(const http::Request& request, http::Respond respond) override;
  http::Response Refuse(const http::Request& request, v1::ErrorReason reason) override;

 private:
  struct Shared;
  class Exchange;

  Backend& backend_;
  std::shared_ptr<const Shared> shared_;
};

}  // namespace livekit::token::gateway
