// Cross-origin rules: which web pages may call the gateway, and the headers that tell browsers so.
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"
#include "service/config.h"

namespace livekit::token::gateway {

// A web origin in its normal form: scheme and host in lower case, without the scheme's default port.
struct Origin {
  std::string scheme;
  std::string host;  // with brackets if it is an IPv6 address
  int port = -1;     // -1: none stated, and the scheme has no default that is known here

  // `scheme://host[:port]`, without the port if it is the scheme's default.
  std::string ToString() const;
  bool operator==(const Origin& other) const = default;
};

// Parses `scheme://host[:port]`. Nothing if it is not exactly that: with user, path, trailing slash, query, white
// space, or `null`.
std::optional<Origin> ParseOrigin(std::string_view text);

// What is allowed.
struct CorsOptions {
  std::vector<std::string> origins;  // exact origins, or `*` alone
  bool credentials = false;          // not with `*`
  std::vector<std::string> headers;  // beside those that every page may send; lower case
  bool allow_loopback = false;       // pages of loopback hosts, on any port
  bool allow_private = false;        // pages of private addresses, on any port
};

// What is wrong with `options`, with paths below `path`.
ConfigProblems CheckCors(const CorsOptions& options, std::string_view path);

// Decides about the `Origin` of requests.
//
// A request without `Origin` is not from a page of another origin. One with `Origin` is allowed if the origin is listed
// or is the one that the request itself was sent to (the page came from the gateway's own host). `null`, which any
// sandboxed frame can send, is refused always, `*` included. Comparison is of whole origins, never of parts of text.
//
// Thread safety: all methods may be called concurrently.
class CorsPolicy {
 public:
  // `options` must be free of problems; those that are not origins allow nothing.
  explicit CorsPolicy(const CorsOptions& options);

  struct Decision {
    bool allowed = true;
    // For the answer, whatever its status. Made of our own text and of normal forms, never of text as sent.
    std::vector<http::Header> headers;
  };
  Decision Decide(const http::Request& request) const;

  // The headers of the answer to a preflight, to be added to those of an allowing Decision.
  std::vector<http::Header> PreflightHeaders() const;

  // Writes, once per origin, that `request` was refused for its origin, with the line to add.
  void LogRefused(const http::Request& request) const;

 private:
  bool Allows(const Origin& origin, const http::Request& request) const;

  std::vector<Origin> origins_;
  bool any_ = false;
  bool credentials_;
  bool allow_loopback_;
  bool allow_private_;
  std::string allow_headers_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> logged_;  // bounded; guarded by mutex_
};

}  // namespace livekit::token::gateway
