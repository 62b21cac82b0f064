// Authentication by headers of a proxy in front, which has authenticated the user.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/authenticator.h"

namespace livekit::token {

// Takes the subject from one header and claims, as text, from others. It reads only Credentials::trusted_headers: where
// the headers come from is decided before. A header without value counts as absent.
//
// Values must be UTF-8 without control characters; a subject has at most 256 bytes, a claim at most 4096.
class TrustedHeadersAuthenticator final : public Authenticator {
 public:
  // Names of headers are in lower case; `claim_headers` maps claims to them. `networks` are those of proxies that speak
  // gRPC with this server.
  TrustedHeadersAuthenticator(std::string name, std::string subject_header,
                              std::map<std::string, std::string> claim_headers, std::vector<Network> networks);

  const std::string& name() const override { return name_; }
  std::vector<std::string> headers() const override { return {}; }
  const ProxyHeaders* proxy_headers() const override { return &proxy_headers_; }
  bool Recognizes(const Credentials& credentials) const override;
  void Authenticate(const Credentials& credentials, Time now, Done done) const override;

 private:
  std::string name_;
  std::string subject_header_;
  std::map<std::string, std::string> claim_headers_;
  ProxyHeaders proxy_headers_;
};

}  // namespace livekit::token
