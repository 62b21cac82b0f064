#include "server/build/forward_auth.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/cookie.h"
#include "base/text.h"
#include "server/authn/forward_auth.h"
#include "server/build/asked_service.h"
#include "server/build/context.h"
#include "server/build/token_fields.h"
#include "service/trusted_proxy.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

class ForwardAuthBuilder {
 public:
  ForwardAuthBuilder(const std::string& path, const cfg::ForwardAuth& forward, Context& context)
      : path_(path), forward_(forward), context_(context) {}

  std::unique_ptr<const Authenticator> Build(const std::string& name) {
    const std::size_t before = context_.problems.size();
    ForwardAuthOptions options;
    options.name = name;
    options.metrics = context_.MetricsOf(name);
    options.headers = Headers();
    options.cookies = Cookies();
    if (forward_.forward_headers().empty() && forward_.forward_cookies().empty()) {
      context_.Problem(path_, "knows nobody; give `forward_headers` or `forward_cookies`");
    }
    if (context_.caller_authenticators.count(name) != 0) {
      context_.Problem(path_,
                       "knows users by their sessions; no service, which is a program, can have it as authenticator");
    }
    ReadSubject(options.rules);
    ReadClaims(options.rules);
    options.request = AskedService(path_, forward_.url(), forward_.allow_http(), forward_.ca_file(),
                                   forward_.has_timeout() ? &forward_.timeout() : nullptr, context_);
    if (forward_.has_cache_ttl()) options.cache_ttl = AnswerLifetime(Path("cache_ttl"), forward_.cache_ttl(), context_);
    if (context_.problems.size() != before || context_.options.check_only) return nullptr;
    auto client = OwnClient(path_, context_);
    if (client == nullptr) return nullptr;
    return std::make_unique<ForwardAuthenticator>(std::move(options), std::move(client));
  }

 private:
  std::string Path(std::string_view field) const { return ConfigPath(path_, field); }
  void Problem(std::string_view field, std::string message) { context_.Problem(Path(field), std::move(message)); }

  std::vector<std::string> Headers() {
    std::vector<std::string> headers;
    for (int i = 0; i < forward_.forward_headers_size(); ++i) {
      const std::string path = ConfigPath(Path("forward_headers"), i);
      std::string name = AsciiLower(forward_.forward_headers(i));
      if (name != "authorization" && !CheckIdentityHeader(name).empty()) {
        context_.Problem(path, "is not a header in which end users bring a credential; cookies have their own list");
      } else if (!context_.forwarded_headers.insert(name).second) {
        context_.Problem(path, "is passed on twice, so that whose it is would be ambiguous");
      }
      headers.push_back(std::move(name));
    }
    return headers;
  }

  std::vector<std::string> Cookies() {
    const auto& cookies = forward_.forward_cookies();
    for (int i = 0; i < cookies.size(); ++i) {
      const std::string path = ConfigPath(Path("forward_cookies"), i);
      if (const auto problem = CheckCookieGlob(cookies[i]); !problem.empty()) {
        context_.Problem(path, std::string(problem));
      } else if (!context_.forwarded_cookies.insert(cookies[i]).second) {
        context_.Problem(path, "is passed on twice, so that whose it is would be ambiguous");
      }
    }
    return {cookies.begin(), cookies.end()};
  }

  std::optional<ClaimPath> JsonPath(const std::string& path, const std::string& text) {
    auto parsed = ClaimPath::Parse(text);
    if (!parsed) context_.Problem(path, "must be a path in the body such as user.id");
    return parsed;
  }

  std::string HeaderName(const std::string& path, const std::string& text) {
    std::string name = AsciiLower(text);
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") != std::string::npos) {
      context_.Problem(path, "is not the name of a header");
    }
    return name;
  }

  void ReadSubject(ForwardAuthRules& rules) {
    const auto& subject = forward_.subject();
    if (subject.json().empty() == subject.header().empty()) {
      return Problem("subject", "is required: give either `json` or `header`, where the answer names the user");
    }
    const std::string path = Path("subject");
    if (subject.header().empty()) {
      rules.subject_path = JsonPath(ConfigPath(path, "json"), subject.json());
    } else {
      rules.subject_header = HeaderName(ConfigPath(path, "header"), subject.header());
    }
  }

  void ReadClaims(ForwardAuthRules& rules) {
    const auto& claims = forward_.claims();
    const std::string path = Path("claims");
    rules.whole_body = claims.json() == ".";
    if (!claims.json().empty() && !rules.whole_body) {
      rules.claims_path = JsonPath(ConfigPath(path, "json"), claims.json());
    }
    const std::string headers = ConfigPath(path, "headers");
    for (const auto& [claim, header] : claims.headers()) {
      if (claim.empty()) context_.Problem(headers, "has a claim without name");
      rules.claim_headers[claim] = HeaderName(ConfigPath(headers, claim), header);
    }
  }

  const std::string& path_;
  const cfg::ForwardAuth& forward_;
  Context& context_;
};

}  // namespace

void CheckForwardedHeaders(const google::protobuf::RepeatedPtrField<cfg::Authenticator>& authenticators,
                           Context& context) {
  for (int i = 0; i < authenticators.size(); ++i) {
    const auto& headers = authenticators[i].forward_auth().forward_headers();
    const std::string path = ConfigPath(ConfigPath(ConfigPath("authenticators", i), "forward_auth"), "forward_headers");
    for (int j = 0; j < headers.size(); ++j) {
      for (const auto& other : authenticators) {
        // Those of this kind have been compared, and oauth2_introspection looks for itself.
        if (other.has_forward_auth() || other.has_oauth2_introspection()) continue;
        const auto others = CredentialHeaders(other);
        if (std::find(others.begin(), others.end(), AsciiLower(headers[j])) == others.end()) continue;
        context.Problem(ConfigPath(path, j),
                        "is read by " + other.name() + " too, so that every credential of it would be ambiguous");
      }
    }
  }
}

std::unique_ptr<const Authenticator> BuildForwardAuth(const std::string& path, const std::string& name,
                                                      const cfg::ForwardAuth& forward, Context& context) {
  return ForwardAuthBuilder(path, forward, context).Build(name);
}

}  // namespace livekit::token::build
