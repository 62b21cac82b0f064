// How the key set of an issuer is found and fetched.
#pragma once

#include <chrono>
#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "http/client.h"
#include "server/authn/jwks_cache.h"

namespace livekit::token {

// Where the keys of an issuer are.
struct JwksLocation {
  std::string issuer;
  std::string jwks_uri;  // empty: as the issuer's discovery document says
  // The API server of the Kubernetes cluster that is the issuer: its own discovery document must name the issuer, and
  // the keys are at its `/openid/v1/jwks`, whatever the document says.
  std::string api_server;
  // File with a token that is sent with each request; read anew each time, since it is renewed. No redirect is followed
  // then, so that the token goes nowhere else. Empty: none.
  std::string bearer_token_file;
  // These hold for the address that is discovered too.
  bool allow_http = false;
  std::string ca_file;                                           // PEM; empty: the system's authorities
  std::chrono::milliseconds timeout = std::chrono::seconds(10);  // of each request

  auto operator<=>(const JwksLocation&) const = default;
};

// The address of an issuer's discovery document (OpenID Connect Discovery 1.0 section 4).
std::string DiscoveryUrl(std::string_view issuer);

// The `jwks_uri` of a discovery document. Errors: InvalidArgument if it is not strict JSON, does not have exactly
// `issuer` as its issuer (section 4.3: another's document would bring another's keys), or no `jwks_uri`.
absl::StatusOr<std::string> ReadDiscovery(std::string_view text, std::string_view issuer);

// How long an answer stays fresh (RFC 9111 section 4.2.1): the smallest `max-age` less `Age`. Nothing if it does not
// say.
std::optional<std::chrono::seconds> FreshFor(const http::ClientResponse& response);

// Fetches the key set, after the discovery document if there is no `jwks_uri`. Discovery is done each time: the set may
// move. It may be on another host than the issuer, but is never taken from one that a redirect leads to. `done` is
// called once, on the client's thread or, if the token cannot be read, before this returns; with errors that say what
// failed, and never what an answer held.
void FetchJwks(http::Client& client, const JwksLocation& location,
               std::function<void(absl::StatusOr<JwksDocument>)> done);

}  // namespace livekit::token
