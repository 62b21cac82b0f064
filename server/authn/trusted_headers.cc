#include "server/authn/trusted_headers.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/status.h"

namespace livekit::token {
namespace {

constexpr std::size_t kMaxClaimBytes = 4096;

// The value of a header of the proxy; empty if there is none.
std::string_view ValueOf(const Credentials& credentials, const std::string& name) {
  if (!credentials.trusted_headers) return {};
  for (const auto& header : *credentials.trusted_headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

ProxyHeaders HeadersOf(const std::string& subject_header, const std::map<std::string, std::string>& claim_headers,
                       std::vector<Network> networks) {
  std::set<std::string> names = {subject_header};
  for (const auto& [claim, header] : claim_headers) names.insert(header);
  return {{names.begin(), names.end()}, std::move(networks)};
}

}  // namespace

TrustedHeadersAuthenticator::TrustedHeadersAuthenticator(std::string name, std::string subject_header,
                                                         std::map<std::string, std::string> claim_headers,
                                                         std::vector<Network> networks)
    : name_(std::move(name)),
      subject_header_(std::move(subject_header)),
      claim_headers_(std::move(claim_headers)),
      proxy_headers_(HeadersOf(subject_header_, claim_headers_, std::move(networks))) {}

bool TrustedHeadersAuthenticator::Recognizes(const Credentials& credentials) const {
  return !ValueOf(credentials, subject_header_).empty();
}

void TrustedHeadersAuthenticator::Authenticate(const Credentials& credentials, Time /*now*/, Done done) const {
  const auto fail = [&] { done(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED))); };
  const std::string_view subject = ValueOf(credentials, subject_header_);
  if (subject.empty() || subject.size() > kMaxSubjectBytes || !IsPlainText(subject)) return fail();
  nlohmann::json claims = nlohmann::json::object();
  for (const auto& [claim, header] : claim_headers_) {
    const std::string_view value = ValueOf(credentials, header);
    if (value.empty()) continue;
    if (value.size() > kMaxClaimBytes || !IsPlainText(value)) return fail();
    claims[claim] = value;
  }
  done(Principal{name_, std::string(subject), Claims(std::move(claims))});
}

}  // namespace livekit::token
