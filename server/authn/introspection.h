// Authentication by tokens about which the authorization server that made them is asked (RFC 7662).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "http/client.h"
#include "server/authenticator.h"
#include "server/authn/inquiry.h"
#include "server/claims.h"

namespace livekit::token {

// Longer tokens are refused unasked. They would not reach this server either: gRPC limits the headers of a call to 8
// KiB.
inline constexpr std::size_t kMaxOpaqueTokenBytes = 8 * 1024;

// What an answer must say, beside that the token is active.
struct IntrospectionRules {
  std::string issuer;                  // `iss`, exactly; empty: any or none
  std::vector<std::string> audiences;  // of which `aud` must name one; empty: any or none
  ClaimPath subject_claim = *ClaimPath::Parse("sub");
  std::chrono::seconds leeway{60};  // for clocks that differ
  // Ids of LiveKit's API keys, the issuers of LiveKit's tokens.
  std::set<std::string, std::less<>> livekit_keys;
};

// How this service proves to the server who it is (RFC 6749 section 2.3.1).
enum class ClientAuth { kBasic, kPost };

struct IntrospectionOptions {
  std::string name;
  AuthenticatorMetrics* metrics = nullptr;  // see InquiryOptions
  // In lower case. In `authorization` the token stands behind `Bearer`, in others alone.
  std::string header = "authorization";
  // Whether tokens in kCallerHeader are read. Opaque tokens do not tell whose they are, so that only one authenticator
  // may read them where they are.
  bool callers = false;
  // Whether JSON Web Tokens are asked about too; those of the issuer in the rules, if there is one.
  bool jwts = false;
  IntrospectionRules rules;
  http::ClientRequest request;  // where to ask, and for how long
  std::string client_id;
  Secret client_secret;
  ClientAuth client_auth = ClientAuth::kBasic;
  std::chrono::seconds cache_ttl{10};  // 0: nothing is remembered
};

// The principal in an answer at `now`. Errors as InquiryOptions::read, each with its detail.
absl::StatusOr<InquiryAnswer> ReadIntrospection(const std::string& authenticator, const IntrospectionRules& rules,
                                                const http::ClientResponse& response, Time now);

// Authenticates the tokens that no other authenticator can tell, by asking.
//
// Errors: AUTHENTICATION_FAILED for tokens that the server calls inactive or that the rules refuse; UNAVAILABLE if it
// does not answer, or not as RFC 7662 says.
class IntrospectionAuthenticator final : public Authenticator {
 public:
  // `client` is the authenticator's own.
  IntrospectionAuthenticator(IntrospectionOptions options, std::unique_ptr<http::Client> client);

  const std::string& name() const override { return options_.name; }
  std::vector<std::string> headers() const override { return {options_.header}; }
  // Whether there is a token of the kind that is asked about; nothing else tells whose it is.
  bool Recognizes(const Credentials& credentials) const override;
  void Authenticate(const Credentials& credentials, Time now, Done done) const override;

  // For tests.
  std::size_t remembered() const { return inquiry_.remembered(); }

 private:
  std::string_view Token(const Credentials& credentials) const;
  http::ClientRequest Question(std::string_view token) const;

  const IntrospectionOptions options_;
  const Inquiry inquiry_;
};

}  // namespace livekit::token
