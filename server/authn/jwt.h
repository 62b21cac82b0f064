// Authentication by JSON Web Tokens of an identity provider, a Kubernetes cluster or a SPIFFE trust domain.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/authenticator.h"
#include "server/authn/jwt_rules.h"
#include "server/authn/key_source.h"

namespace livekit::token {

struct JwtOptions {
  std::string name;
  // In lower case. In `authorization`, as in kCallerHeader, the token stands behind `Bearer`; in others alone.
  std::string header = "authorization";
  JwtRules rules;
  // Verified tokens that are remembered.
  std::size_t cache_entries = 10'000;
  // Is told of each refusal, on the thread that it happens on; may be empty.
  std::function<void(JwtRejection)> on_rejection;
};

// Authenticates the tokens of one issuer or trust domain. A verified token is remembered until it expires (its `exp`,
// without leeway) or the issuer's keys change, whichever is first.
//
// Errors: AUTHENTICATION_FAILED for every token that is refused, with the reason only as detail for the operator; what
// KeySource says if the keys cannot be had.
class JwtAuthenticator final : public Authenticator {
 public:
  JwtAuthenticator(JwtOptions options, std::shared_ptr<KeySource> keys);
  ~JwtAuthenticator() override;

  const std::string& name() const override;
  std::vector<std::string> headers() const override;
  // Whether there is something like a token in the header and it claims to be one of those that the rules are for.
  bool Recognizes(const Credentials& credentials) const override;
  // `done` may be called after this object is gone.
  void Authenticate(const Credentials& credentials, Time now, Done done) const override;

  std::optional<KeySourceState> key_state() const override;

  // For tests.
  std::size_t cached_tokens() const;

 private:
  class Core;

  // Shared with requests that wait for keys.
  std::shared_ptr<Core> core_;
};

}  // namespace livekit::token
