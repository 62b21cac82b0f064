// Authentication: from credentials to a principal.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/network.h"
#include "server/authn/key_source.h"
#include "server/principal.h"
#include "service/metrics.h"

namespace livekit::token {

// Headers in which proxies say who the user is.
struct ProxyHeaders {
  std::vector<std::string> names;  // in lower case
  std::vector<Network> networks;   // of proxies that speak gRPC with this server
};

// One way to prove an identity, as configured under `authenticators`.
//
// Thread safety: all methods may be called concurrently.
class Authenticator {
 public:
  using Done = std::function<void(absl::StatusOr<Principal>)>;

  virtual ~Authenticator() = default;
  // Name in the configuration.
  virtual const std::string& name() const = 0;
  // Names of the headers that it reads, in lower case, beside kCallerHeader. None: it reads no header, not even that.
  virtual std::vector<std::string> headers() const = 0;
  // Names of the cookies that it reads in the header `cookie`, as globs.
  virtual std::vector<std::string> cookies() const { return {}; }
  // How its keys are if it fetches them.
  virtual std::optional<KeySourceState> key_state() const { return std::nullopt; }
  // The headers of proxies that it reads; null if it reads none.
  virtual const ProxyHeaders* proxy_headers() const { return nullptr; }
  // Whether the credentials hold one that this authenticator is responsible for, valid or not.
  virtual bool Recognizes(const Credentials& credentials) const = 0;
  // Authenticates credentials that it recognizes, and calls `done` once: with the principal, with
  // AUTHENTICATION_FAILED, or with UNAVAILABLE if who must be asked does not answer: the credential may be good. Calls
  // `done` before it returns if nobody must be asked. Never blocks.
  virtual void Authenticate(const Credentials& credentials, Time now, Done done) const = 0;
};

// What became of one authenticator when a request was authenticated.
struct AuthenticatorVerdict {
  std::string name;
  bool selected = false;  // whether it was the one to decide
  std::string message;    // a sentence for operators; never a part of a credential
};

// All authenticators of a configuration.
//
// Thread safety: immutable.
class AuthenticatorSet {
 public:
  // `anonymous` is the name of the anonymous authenticator; empty if there is none.
  // `metrics`, where authentications are counted (null: nowhere), must outlive the set and its answers.
  AuthenticatorSet(std::vector<std::unique_ptr<const Authenticator>> authenticators, std::string anonymous,
                   Metrics* metrics = nullptr);

  // Authenticates by the one authenticator that recognizes the credentials. Errors: AUTHENTICATION_REQUIRED without
  // credentials where anonymous callers are unknown, and from a proxy that names no user; AMBIGUOUS_CREDENTIALS,
  // AUTHENTICATION_FAILED. Credentials that nobody recognizes fail: anonymous applies only when there are none. A
  // cookie that no authenticator names is no credential: browsers send those of every application on the host.
  void Authenticate(const Credentials& credentials, Time now, Authenticator::Done done) const;

  // The same, and says of every authenticator what it had to do with it.
  using Explained = std::function<void(absl::StatusOr<Principal>, std::vector<AuthenticatorVerdict>)>;
  void Explain(const Credentials& credentials, Time now, Explained done) const;

  // Of the authenticators that fetch their keys.
  std::vector<JwksMetrics> KeyStates() const;

  // Name of the anonymous one; empty if there is none.
  const std::string& anonymous() const { return anonymous_; }

  // The headers in which a principal's credentials may stand, `authorization` and those of proxies among them.
  const std::vector<std::string>& headers() const { return headers_; }

  // What of a caller's credentials counts: all but a certificate that no authenticator accepts, which only secures the
  // connection.
  Credentials CallerOf(Credentials presented) const;
  // Sorts out the headers of a call from `peer_address`, the address of the socket: leaves out cookies that are no
  // credentials, and moves headers of proxies to `trusted_headers`, which are there afterwards exactly if the peer is a
  // proxy. Errors: AUTHENTICATION_FAILED if the peer is none and the call carries one.
  absl::Status SortHeaders(std::string_view peer_address, Credentials& credentials) const;

 private:
  // The credentials without cookies that are none; nothing if they are so already.
  std::optional<Credentials> WithoutForeignCookies(const Credentials& credentials) const;
  absl::StatusOr<const Authenticator*> Select(const Credentials& credentials) const;
  // Where to count what becomes of credentials for which Select said this.
  AuthenticatorMetrics& MetricsOf(const absl::StatusOr<const Authenticator*>& selected) const;
  std::vector<AuthenticatorVerdict> Verdicts(const Credentials& credentials) const;

  std::vector<std::unique_ptr<const Authenticator>> authenticators_;
  std::string anonymous_;
  std::vector<std::string> headers_;
  std::vector<std::string> cookies_;                      // globs of all authenticators
  bool has_proxies_ = false;                              // whether some authenticator reads headers of proxies
  std::vector<AuthenticatorMetrics*> metrics_;            // of `authenticators_`; empty: nothing is counted
  AuthenticatorMetrics* anonymous_metrics_ = nullptr;     // null: there is none
  AuthenticatorMetrics* unrecognized_metrics_ = nullptr;  // of credentials that none is for
};

// The token of a `Bearer` credential (RFC 6750 section 2.1; the scheme's case does not matter), or empty.
std::string_view BearerToken(std::string_view value);

// Whether `text` has the characters of a bearer token: a b64token (RFC 6750 section 2.1).
bool IsBearerToken(std::string_view text);

// The token in `header`, which is in lower case, or in kCallerHeader; empty without one. In kCallerHeader and
// `authorization` it stands behind `Bearer`, in other headers alone.
std::string_view TokenIn(const Credentials& credentials, std::string_view header);

}  // namespace livekit::token
