#include "server/authenticator.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {

AuthenticatorSet::AuthenticatorSet(std::vector<std::unique_ptr<const Authenticator>> authenticators,
                                   std::string anonymous)
    : authenticators_(std::move(authenticators)), anonymous_(std::move(anonymous)) {
  std::set<std::string> headers = {"authorization"};
  for (const auto& authenticator : authenticators_) {
    for (auto& header : authenticator->headers()) headers.insert(std::move(header));
  }
  headers_.assign(headers.begin(), headers.end());
}

void AuthenticatorSet::Authenticate(const Credentials& credentials, Time now, Authenticator::Done done) const {
  if (credentials.empty()) {
    if (anonymous_.empty()) return done(Refuse(v1::AUTHENTICATION_REQUIRED));
    return done(Principal{anonymous_, "", {}});
  }
  // A header twice would let two readers see two identities.
  std::set<std::string_view> names;
  for (const auto& header : credentials.headers) {
    if (!names.insert(header.name).second) return done(Refuse(v1::AMBIGUOUS_CREDENTIALS));
  }
  const Authenticator* selected = nullptr;
  for (const auto& authenticator : authenticators_) {
    if (!authenticator->Recognizes(credentials)) continue;
    if (selected != nullptr) return done(Refuse(v1::AMBIGUOUS_CREDENTIALS));
    selected = authenticator.get();
  }
  if (selected == nullptr) return done(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)));
  // All credentials that are present must be valid: a second one must not ride along unchecked.
  const auto readable = selected->headers();
  for (const auto& header : credentials.headers) {
    if (header.name != kCallerHeader && std::find(readable.begin(), readable.end(), header.name) == readable.end()) {
      return done(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)));
    }
  }
  selected->Authenticate(credentials, now, std::move(done));
}

std::string_view BearerToken(std::string_view value) {
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() <= kScheme.size() || !EqualsIgnoreCase(value.substr(0, kScheme.size()), kScheme)) return {};
  value.remove_prefix(kScheme.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  return value;
}

}  // namespace livekit::token
