#include "server/authn/forward_auth.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/cookie.h"
#include "base/status.h"
#include "jose/json.h"

namespace livekit::token {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxClaimBytes = 4096;
// More than a gateway takes in.
constexpr std::size_t kMaxForwardedBytes = std::size_t{64} * 1024;

absl::Status Refused(std::string_view why) {
  return WithDetail(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)), why);
}

std::optional<std::string> ReadSubject(const ForwardAuthRules& rules, const http::ClientResponse& response,
                                       const Claims& body) {
  std::optional<std::string> subject;
  if (rules.subject_path) {
    const json* const value = body.Find(*rules.subject_path);
    if (value != nullptr) subject = ClaimText(*value);
  } else if (const auto value = response.SingleHeader(rules.subject_header)) {
    subject = std::string(*value);
  }
  if (!subject || subject->empty() || subject->size() > kMaxSubjectBytes || !IsPlainText(*subject)) return std::nullopt;
  return subject;
}

absl::StatusOr<json> ReadClaims(const ForwardAuthRules& rules, const http::ClientResponse& response, json body,
                                const Claims& readable) {
  json claims = json::object();
  if (rules.whole_body) {
    claims = std::move(body);
  } else if (rules.claims_path) {
    const json* const object = readable.Find(*rules.claims_path);
    if (object != nullptr && !object->is_object())
      return Refused("the application's answer has no object where its claims should be");
    if (object != nullptr) claims = *object;
  }
  for (const auto& [claim, header] : rules.claim_headers) {
    const auto values = response.HeaderValues(header);
    if (values.empty() || (values.size() == 1 && values.front().empty())) continue;
    if (values.size() > 1 || values.front().size() > kMaxClaimBytes || !IsPlainText(values.front())) {
      return Refused("the application's answer has a claim twice, of more than 4096 bytes, or not of text");
    }
    claims[claim] = std::string(values.front());
  }
  return claims;
}

// Whether an application can be sent this. A line that ends early never gets as far as the HTTP client, where it would
// look like an application that does not answer.
bool CanBeForwarded(const std::vector<http::Header>& headers) {
  std::size_t bytes = 0;
  for (const auto& header : headers) {
    bytes += header.name.size() + header.value.size();
    if (!IsPlainText(header.value)) return false;
  }
  return bytes <= kMaxForwardedBytes;
}

// One text for what is forwarded. Lengths stand before the parts, so that no two requests have the same.
std::string KeyOf(const std::vector<http::Header>& headers) {
  std::string key;
  for (const auto& header : headers) {
    for (const std::string* part : {&header.name, &header.value}) {
      key.append(std::to_string(part->size())).append(":").append(*part);
    }
  }
  return key;
}

}  // namespace

absl::StatusOr<InquiryAnswer> ReadForwardAuth(const std::string& authenticator, const ForwardAuthRules& rules,
                                              const http::ClientResponse& response) {
  if (response.status < 200 || response.status > 299) {
    return Refused("the application answered with status " + std::to_string(response.status));
  }
  json body = json::object();
  if (rules.subject_path || rules.claims_path || rules.whole_body) {
    auto parsed = jose::ParseJsonObject(response.body);
    if (!parsed) return Refused("the application's answer is not a strict JSON object");
    body = *std::move(parsed);
  }
  const Claims readable(body);
  const auto subject = ReadSubject(rules, response, readable);
  if (!subject) return Refused("the application's answer names no subject, as for a session that it does not know");
  LKT_ASSIGN_OR_RETURN(json claims, ReadClaims(rules, response, std::move(body), readable));
  InquiryAnswer answer;
  answer.principal = Principal{authenticator, *subject, Claims(std::move(claims))};
  return answer;
}

ForwardAuthenticator::ForwardAuthenticator(ForwardAuthOptions options, std::unique_ptr<http::Client> client)
    : options_(std::move(options)), inquiry_(std::move(client), [this] {
        InquiryOptions inquiry;
        inquiry.authenticator = options_.name;
        inquiry.metrics = options_.metrics;
        inquiry.cache_ttl = options_.cache_ttl;
        inquiry.read = [name = options_.name, rules = options_.rules](const http::ClientResponse& response, Time) {
          return ReadForwardAuth(name, rules, response);
        };
        return inquiry;
      }()) {}

std::vector<std::string> ForwardAuthenticator::headers() const {
  std::vector<std::string> headers = options_.headers;
  if (!options_.cookies.empty()) headers.emplace_back(kCookieHeader);
  return headers;
}

std::vector<http::Header> ForwardAuthenticator::Forwarded(const Credentials& credentials) const {
  std::vector<http::Header> forwarded;
  for (const auto& header : credentials.headers) {
    if (header.name == kCallerHeader) return {};
    if (header.name == kCookieHeader) {
      std::string cookies = SelectCookies(header.value, options_.cookies);
      if (!cookies.empty()) forwarded.push_back({"Cookie", std::move(cookies)});
    } else if (!header.value.empty() &&
               std::find(options_.headers.begin(), options_.headers.end(), header.name) != options_.headers.end()) {
      forwarded.push_back({header.name, header.value});
    }
  }
  return forwarded;
}

void ForwardAuthenticator::Authenticate(const Credentials& credentials, Time now, Done done) const {
  http::ClientRequest request = options_.request;
  request.headers = Forwarded(credentials);
  if (!CanBeForwarded(request.headers)) {
    return done(Refused("the request's headers or cookies have control characters or more than 64 KiB"));
  }
  const std::string key = KeyOf(request.headers);
  request.headers.push_back({"Accept", "application/json"});
  // Whither a login page leads is not who the user is.
  request.max_redirects = 0;
  inquiry_.Ask(key, std::move(request), now, std::move(done));
}

}  // namespace livekit::token
