#include "server/authn/introspection.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "jose/json.h"
#include "jose/jwt.h"
#include "server/authn/jwt_rules.h"

namespace livekit::token {
namespace {

// Appends `text` as application/x-www-form-urlencoded has it (RFC 6749 appendix B).
void AppendForm(std::string_view text, std::string& out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        std::string_view("-._~").find(c) != std::string_view::npos) {
      out.push_back(c);
    } else if (c == ' ') {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
}

// RFC 6749 section 2.3.1: id and secret are encoded as in a form first, so that a colon in the id is none here.
std::string BasicCredential(std::string_view id, const Secret& secret) {
  std::string pair;
  pair.reserve((id.size() + secret.size()) * 3 + 1);  // nothing is left behind by growing
  AppendForm(id, pair);
  pair.push_back(':');
  AppendForm(secret.Reveal(), pair);
  std::string credential = "Basic " + absl::Base64Escape(pair);
  Wipe(pair);
  return credential;
}

absl::Status Refused(std::string_view why) {
  return WithDetail(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)), why);
}

absl::Status Unknown(std::string_view why) { return WithDetail(Refuse(v1::UNAVAILABLE), why); }

// The status as an answer's reason, if it is not 200.
absl::Status CheckStatus(int status) {
  if (status == 200) return absl::OkStatus();
  const std::string number = std::to_string(status);
  if (status == 401 || status == 403) {
    return Unknown("the server refuses this service's own `client_id` and secret: it answered with status " + number);
  }
  return Unknown("the server answered with status " + number);
}

}  // namespace

absl::StatusOr<InquiryAnswer> ReadIntrospection(const std::string& authenticator, const IntrospectionRules& rules,
                                                const http::ClientResponse& response, Time now) {
  LKT_RETURN_IF_ERROR(CheckStatus(response.status));
  auto answer = jose::ParseJsonObject(response.body);
  if (!answer) return Unknown("the server's answer is not a strict JSON object");
  const auto active = answer->find("active");
  if (active == answer->end() || !active->is_boolean()) return Unknown("the server's answer has no boolean `active`");
  if (!active->get<bool>()) return Refused("the server says that the token is not active");

  const auto refused = [](JwtRejection rejection) { return Refused(JwtRejectionSentence(rejection)); };
  if (IsLiveKitToken(*answer, rules.livekit_keys)) return refused(JwtRejection::kLiveKitToken);
  if (!rules.issuer.empty()) {
    const auto issuer = answer->find("iss");
    if (issuer == answer->end() || *issuer != rules.issuer) return refused(JwtRejection::kIssuer);
  }
  if (!rules.audiences.empty() && !NamesAudience(*answer, "aud", rules.audiences)) {
    return refused(JwtRejection::kAudience);
  }
  std::optional<Time> expires;
  const JwtRejection times = CheckTimes(*answer, rules.leeway, now, expires);
  if (times != JwtRejection::kNone) return refused(times);

  InquiryAnswer result;
  result.principal.claims = Claims(*std::move(answer));
  const std::string* const subject = SubjectAt(rules.subject_claim, result.principal.claims);
  if (subject == nullptr) return refused(JwtRejection::kSubject);
  result.principal.authenticator = authenticator;
  result.principal.subject = *subject;
  if (expires) result.expires = *expires;
  return result;
}

IntrospectionAuthenticator::IntrospectionAuthenticator(IntrospectionOptions options,
                                                       std::unique_ptr<http::Client> client)
    : options_(std::move(options)), inquiry_(std::move(client), [this] {
        InquiryOptions inquiry;
        inquiry.authenticator = options_.name;
        inquiry.metrics = options_.metrics;
        inquiry.cache_ttl = options_.cache_ttl;
        inquiry.read = [name = options_.name, rules = options_.rules](const http::ClientResponse& response, Time now) {
          return ReadIntrospection(name, rules, response, now);
        };
        return inquiry;
      }()) {}

std::string_view IntrospectionAuthenticator::Token(const Credentials& credentials) const {
  const auto is_callers = [](const PresentedHeader& header) { return header.name == kCallerHeader; };
  if (!options_.callers && std::any_of(credentials.headers.begin(), credentials.headers.end(), is_callers)) return {};
  return TokenIn(credentials, options_.header);
}

bool IntrospectionAuthenticator::Recognizes(const Credentials& credentials) const {
  const std::string_view token = Token(credentials);
  if (token.empty()) return false;
  if (!jose::LooksLikeJwt(token)) return true;
  return options_.jwts && (options_.rules.issuer.empty() || jose::PeekIssuer(token) == options_.rules.issuer);
}

http::ClientRequest IntrospectionAuthenticator::Question(std::string_view token) const {
  http::ClientRequest request = options_.request;
  request.method = "POST";
  request.headers = {{"Accept", "application/json"}, {"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = "token=";
  AppendForm(token, request.body);
  request.body += "&token_type_hint=access_token";
  if (options_.client_auth == ClientAuth::kBasic) {
    request.headers.push_back({"Authorization", BasicCredential(options_.client_id, options_.client_secret)});
  } else {
    request.body += "&client_id=";
    AppendForm(options_.client_id, request.body);
    request.body += "&client_secret=";
    AppendForm(options_.client_secret.Reveal(), request.body);
  }
  return request;
}

void IntrospectionAuthenticator::Authenticate(const Credentials& credentials, Time now, Done done) const {
  const std::string_view token = Token(credentials);
  if (token.size() > kMaxOpaqueTokenBytes || !IsBearerToken(token)) {
    return done(Refused("the token has characters that no bearer token has, or more than 8 KiB"));
  }
  // A token that opens rooms is nobody else's to see.
  const auto issuer = jose::PeekIssuer(token);
  if (issuer && options_.rules.livekit_keys.count(*issuer) != 0) {
    return done(Refused(JwtRejectionSentence(JwtRejection::kLiveKitToken)));
  }
  inquiry_.Ask(token, Question(token), now, std::move(done));
}

}  // namespace livekit::token
