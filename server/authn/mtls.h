// Authentication by the client certificate of the connection, which the listener has verified.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/authenticator.h"

namespace livekit::token {

// Accepts certificates by their subject alternative names (RFC 5280 section 4.2.1.6); the certificate's own subject,
// with its common name, says nothing. The principal's subject is the name that matched.
//
// Names are compared byte for byte. `*` is special only in the configured names: a name with `*` in a certificate, and
// one with control characters, names nobody. Of all names in a certificate exactly one may be accepted, since which of
// two its holder is cannot be known.
class MtlsAuthenticator final : public Authenticator {
 public:
  // The names are globs.
  MtlsAuthenticator(std::string name, std::vector<std::string> uri_sans, std::vector<std::string> dns_sans);

  const std::string& name() const override { return name_; }
  std::vector<std::string> headers() const override { return {}; }
  bool Recognizes(const Credentials& credentials) const override;
  void Authenticate(const Credentials& credentials, Time now, Done done) const override;

 private:
  // All accepted names of the certificate.
  std::vector<std::string_view> Accepted(const Credentials& credentials) const;

  std::string name_;
  std::vector<std::string> uri_sans_;
  std::vector<std::string> dns_sans_;
};

}  // namespace livekit::token
