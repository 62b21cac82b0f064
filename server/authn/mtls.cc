#include "server/authn/mtls.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

void Collect(const std::vector<std::string>& globs, const std::vector<std::string>& names,
             std::vector<std::string_view>& accepted) {
  for (const std::string& name : names) {
    const auto matches = [&](const std::string& glob) { return GlobMatches(glob, name); };
    if (std::any_of(globs.begin(), globs.end(), matches)) accepted.push_back(name);
  }
}

}  // namespace

MtlsAuthenticator::MtlsAuthenticator(std::string name, std::vector<std::string> uri_sans,
                                     std::vector<std::string> dns_sans)
    : name_(std::move(name)), uri_sans_(std::move(uri_sans)), dns_sans_(std::move(dns_sans)) {}

std::vector<std::string_view> MtlsAuthenticator::Accepted(const Credentials& credentials) const {
  std::vector<std::string_view> accepted;
  if (!credentials.certificate) return accepted;
  Collect(uri_sans_, credentials.certificate->uri_sans, accepted);
  Collect(dns_sans_, credentials.certificate->dns_sans, accepted);
  return accepted;
}

bool MtlsAuthenticator::Recognizes(const Credentials& credentials) const { return !Accepted(credentials).empty(); }

void MtlsAuthenticator::Authenticate(const Credentials& credentials, Time /*now*/, Done done) const {
  const auto accepted = Accepted(credentials);
  const bool is_one = accepted.size() == 1 && !accepted.front().empty() &&
                      accepted.front().find('*') == std::string_view::npos && IsPlainText(accepted.front());
  if (!is_one) return done(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)));
  done(Principal{name_, std::string(accepted.front()), {}});
}

}  // namespace livekit::token
