// The HTTP server that the gateway and the admin listeners share: one asynchronous interface, with the connections
// behind it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "http/header.h"
#include "livekit/token/v1/errors.pb.h"
#include "service/heartbeat.h"
#include "service/limits.h"
#include "service/metrics.h"

namespace livekit::token::http {

class TlsContext;

// A complete request.
struct Request {
  std::string method;           // as sent
  std::string path;             // without query
  std::string query;            // as sent, without `?`; empty if there is none
  std::vector<Header> headers;  // as sent
  std::string body;
  std::string peer_address;  // address of the socket's peer, without port; never from a header

  // The values of all headers with this name, which is given in lower case.
  std::vector<std::string_view> HeaderValues(std::string_view lower_name) const;
  // The value of the header if there is exactly one.
  std::optional<std::string_view> SingleHeader(std::string_view lower_name) const;
};

// An answer. `Content-Length`, `Date` and `Connection` are written by the server.
struct Response {
  int status = 200;
  std::vector<Header> headers;
  std::string content_type;  // empty: no body
  std::string body;
  bool close = false;  // end the connection after this answer
};

// Delivers the answer; called exactly once, on any thread.
using Respond = std::function<void(Response)>;

// What a server serves.
//
// Thread safety: both methods are called concurrently.
class Handler {
 public:
  virtual ~Handler() = default;
  // Answers a complete request, now or later. `request` lives until Handle returns. Must not block, since other
  // connections wait meanwhile, and must not throw.
  virtual void Handle(const Request& request, Respond respond) = 0;
  // The answer to a request that the server refuses by itself: malformed, too large, too slow, or too many. What has
  // been read of the request is in `request`; the body need not be.
  virtual Response Refuse(const Request& request, v1::ErrorReason reason) = 0;
};

// How a server behaves. Defaults are those of the gateway's contract.
struct ServerOptions {
  std::string address = "[::]:3000";  // host:port or [v6]:port; port 0 for any free one
  // Paths whose requests may have a body. A request for another path is handled before its body is read.
  std::vector<std::string> body_paths;
  std::size_t max_body_bytes = limits::kHttpBodyBytes;
  std::size_t max_header_bytes = limits::kHttpHeaderBytes;
  std::size_t max_header_lines = limits::kHttpHeaderLines;
  std::chrono::milliseconds header_timeout{limits::kHttpHeaderSeconds * 1000};
  std::chrono::milliseconds request_timeout{limits::kHttpRequestSeconds * 1000};
  std::chrono::milliseconds idle_timeout{limits::kHttpIdleSeconds * 1000};
  // Beyond, clients that wait make room; if none does, some more connections are answered UNAVAILABLE (503) and the
  // rest is closed.
  int max_connections = limits::kHttpConnections;
  // Threads that serve; each serves any number of connections. 0: one for each core.
  int threads = 0;
  std::shared_ptr<TlsContext> tls;  // null: plain HTTP
  // Where each thread beats; null: nowhere.
  Heartbeats* heartbeats = nullptr;
  // Where connections and requests in progress are counted; null: nowhere.
  Metrics* metrics = nullptr;
  // Called once or more, by any thread, when a socket that listens is gone for good. Null: nobody cares.
  std::function<void()> on_listener_lost = nullptr;
  // Whether its connections may take the descriptors that are kept for other uses (descriptors.h).
  bool may_use_last_descriptors = false;
};

// A listening HTTP server. Alive means serving; the destructor drains without grace.
//
// Thread safety: all methods may be called concurrently.
class Server {
 public:
  // Binds and serves. Errors: the address is not valid or cannot be bound. `handler`, `options.heartbeats` and
  // `options.metrics` must outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Handler& handler);
  virtual ~Server() = default;

  // The address that is bound, with the chosen port.
  virtual std::string address() const = 0;
  virtual int port() const = 0;
  // Connections that are accepted from now on use `tls`, which must not be null, of a server that was started with TLS;
  // those that stand keep what they have.
  virtual void SetTls(std::shared_ptr<TlsContext> tls) = 0;
  // From now on every answer ends its connection, so that clients move on before Drain.
  virtual void Discourage() = 0;
  // Stops accepting, finishes what is in progress until `deadline`, then ends the rest. Returns whether everything
  // finished. Idempotent.
  virtual bool Drain(std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace livekit::token::http
