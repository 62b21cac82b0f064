// Outgoing HTTP requests, for whatever an operator's configuration makes the service ask: key sets, introspection,
// authorization services.
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

namespace livekit::token::http {

// What to ask, and how far to trust the answer.
struct ClientRequest {
  std::string method = "GET";  // GET or POST
  std::string url;             // https
  // Sent as they are. `Host`, those about the connection, the length and encodings are the client's.
  std::vector<Header> headers;
  std::string body;         // of a POST
  bool allow_http = false;  // also http
  // PEM file of the certificate authorities, in place of the system's.
  std::string ca_file;
  // GETs follow as many redirects (301, 302, 303, 307, 308) to the same scheme, host and port; one more, or one to
  // elsewhere, is an error. 0, and for POST always: a redirect is an answer like any other.
  int max_redirects = 3;
  // Until there is a connection, TLS included.
  std::chrono::milliseconds connect_timeout{3000};
  // From Fetch until the answer, waiting and redirects included.
  std::chrono::milliseconds timeout{10000};
  std::size_t max_body_bytes = std::size_t{512} * 1024;
};

// An answer of any status, with its complete body. Encoded bodies are not asked for and would be left as they are.
struct ClientResponse {
  int status = 0;
  std::vector<Header> headers;  // at most 32 KiB
  std::string body;

  // The values of all headers with this name, which is given in lower case.
  std::vector<std::string_view> HeaderValues(std::string_view lower_name) const;
  // The value of the header if there is exactly one.
  std::optional<std::string_view> SingleHeader(std::string_view lower_name) const;
};

struct ClientOptions {
  int max_transfers = 32;  // under way at once
  int max_waiting = 256;   // behind them; beyond, requests fail
};

// Sends requests on a thread of its own. HTTP/1.1, TLS 1.2 or later with the server's certificate and name checked. No
// proxy whatever the environment says, no cookies, no .netrc, no credentials but the request's headers. Addresses are
// checked after a name is resolved, at the socket (http/destination.h).
//
// Thread safety: all methods may be called concurrently. The destructor must not run on the client's own thread, which
// is where all callbacks are called; it answers what is left.
class Client {
 public:
  // Takes the answer, or why there is none. The message is our own sentence, to stand in a log behind what was asked:
  //   InvalidArgument     the request: method, URL, headers
  //   PermissionDenied    an address that is never asked, or a redirect that is not followed
  //   DeadlineExceeded    timeout
  //   ResourceExhausted   the answer is too large
  //   Unauthenticated     no TLS connection: the certificate, the name, the version
  //   Unavailable         no connection, no HTTP, an answer that ends early; too many requests
  //   Cancelled           the client is being destroyed
  using Done = std::function<void(absl::StatusOr<ClientResponse>)>;

  // Errors: Unavailable if the system refuses what it needs.
  static absl::StatusOr<std::unique_ptr<Client>> Start(const ClientOptions& options = {});
  virtual ~Client() = default;

  // Calls `done` exactly once, on the client's thread, never before Fetch returns unless that is the same thread.
  // `done` must not block, since all others wait meanwhile, and must not throw.
  virtual void Fetch(ClientRequest request, Done done) = 0;
  // Calls `task` on the client's thread after `delay`; not at all if the client is destroyed before.
  virtual void After(std::chrono::milliseconds delay, std::function<void()> task) = 0;
};

}  // namespace livekit::token::http
