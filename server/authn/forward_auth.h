// Authentication by asking a web application that knows its own sessions.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "http/client.h"
#include "server/authenticator.h"
#include "server/authn/inquiry.h"
#include "server/claims.h"

namespace livekit::token {

// Where an answer says who the user is.
struct ForwardAuthRules {
  std::optional<ClaimPath> subject_path;             // in the body; either this
  std::string subject_header;                        // or this, in lower case
  bool whole_body = false;                           // whether the body itself is the claims
  std::optional<ClaimPath> claims_path;              // or an object in it; nothing: the body has none
  std::map<std::string, std::string> claim_headers;  // claims by name, and the header of each in lower case
};

struct ForwardAuthOptions {
  std::string name;
  AuthenticatorMetrics* metrics = nullptr;  // see InquiryOptions
  std::vector<std::string> headers;         // that are passed on, in lower case
  std::vector<std::string> cookies;         // and cookies, as globs of their names
  ForwardAuthRules rules;
  http::ClientRequest request;        // where to ask, and for how long
  std::chrono::seconds cache_ttl{0};  // 0: nothing is remembered
};

// The principal in an answer. Errors: AUTHENTICATION_FAILED, with a detail, for every answer that is not of status 200
// to 299 or does not name exactly one subject: 1 to 256 bytes of text without control characters, or an integer. Claims
// in headers have at most 4096 bytes of such text; a header without value counts as absent.
absl::StatusOr<InquiryAnswer> ReadForwardAuth(const std::string& authenticator, const ForwardAuthRules& rules,
                                              const http::ClientResponse& response);

// Authenticates end users by what their requests carry for that application. Calling programs have no sessions, so
// kCallerHeader is not read.
//
// Answers are remembered by the names and values of everything that was passed on. The memory is the object's own, and
// so that of one authenticator in one generation of the configuration.
//
// Errors: those of ReadForwardAuth, AUTHENTICATION_FAILED also for more than 64 KiB or control characters, and
// UNAVAILABLE without an answer.
class ForwardAuthenticator final : public Authenticator {
 public:
  // `client` is the authenticator's own.
  ForwardAuthenticator(ForwardAuthOptions options, std::unique_ptr<http::Client> client);

  const std::string& name() const override { return options_.name; }
  std::vector<std::string> headers() const override;
  std::vector<std::string> cookies() const override { return options_.cookies; }
  bool Recognizes(const Credentials& credentials) const override { return !Forwarded(credentials).empty(); }
  void Authenticate(const Credentials& credentials, Time now, Done done) const override;

 private:
  // What of the credentials is passed on; nothing if a caller presents them.
  std::vector<http::Header> Forwarded(const Credentials& credentials) const;

  const ForwardAuthOptions options_;
  const Inquiry inquiry_;
};

}  // namespace livekit::token
