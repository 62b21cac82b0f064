#include "gateway/cors.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/address.h"
#include "base/text.h"
#include "service/log.h"

namespace livekit::token::gateway {
namespace {

// Enough for every honest mistake; an attacker's origins must not fill the log or the memory.
constexpr std::size_t kMaxLoggedOrigins = 256;
constexpr std::size_t kMaxOriginLength = 512;

// The last three are what tracing in browsers sends. They carry no authority, and a page whose preflight is refused for
// them gets no token at all.
constexpr std::array kAllowedHeaders = {"authorization", "content-type", "x-sandbox-id",
                                        "traceparent",   "tracestate",   "x-request-id"};

bool IsAlpha(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int DefaultPort(std::string_view scheme) {
  if (scheme == "http") return 80;
  if (scheme == "https") return 443;
  return -1;
}

bool IsScheme(std::string_view text) {
  return !text.empty() && IsAlpha(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return IsAlpha(c) || IsDigit(c) || c == '+' || c == '-' || c == '.';
  });
}

// A name, an IPv4 address, or an IPv6 address in brackets; in lower case.
bool IsHost(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    const std::string_view inner = text.substr(1, text.size() - 2);
    return inner.find(':') != inner.npos && std::all_of(inner.begin(), inner.end(), [](char c) {
             return IsDigit(c) || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
           });
  }
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return IsAlpha(c) || IsDigit(c) || c == '-' || c == '.' || c == '_';
  });
}

std::optional<int> ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), IsDigit)) return std::nullopt;
  int port = 0;
  for (char c : text) port = port * 10 + (c - '0');
  if (port < 1 || port > 65535) return std::nullopt;
  return port;
}

// `authority` is in lower case.
std::optional<Origin> MakeOrigin(std::string_view scheme, std::string_view authority) {
  Origin origin;
  origin.scheme = std::string(scheme);
  origin.port = DefaultPort(scheme);
  const std::size_t colon = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  if (colon != authority.npos && (bracket == authority.npos || colon > bracket)) {
    const auto port = ParsePort(authority.substr(colon + 1));
    if (!port) return std::nullopt;
    origin.port = *port;
    authority = authority.substr(0, colon);
  }
  if (!IsHost(authority)) return std::nullopt;
  origin.host = std::string(authority);
  return origin;
}

std::string_view WithoutBrackets(std::string_view host) {
  return host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

bool IsHeaderName(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_'; });
}

}  // namespace

std::string Origin::ToString() const {
  std::string text = scheme + "://" + host;
  if (port != -1 && port != DefaultPort(scheme)) text += ":" + std::to_string(port);
  return text;
}

std::optional<Origin> ParseOrigin(std::string_view text) {
  if (text.size() > kMaxOriginLength) return std::nullopt;
  const std::string lower = AsciiLower(text);
  const std::string_view view = lower;
  const std::size_t end = view.find("://");
  if (end == view.npos || !IsScheme(view.substr(0, end))) return std::nullopt;
  return MakeOrigin(view.substr(0, end), view.substr(end + 3));
}

ConfigProblems CheckCors(const CorsOptions& options, std::string_view path) {
  ConfigProblems problems;
  const std::string origins = ConfigPath(path, "origins");
  const bool any = std::find(options.origins.begin(), options.origins.end(), "*") != options.origins.end();
  for (std::size_t i = 0; i < options.origins.size(); ++i) {
    if (options.origins[i] == "*" || ParseOrigin(options.origins[i])) continue;
    problems.push_back({ConfigPath(origins, static_cast<int>(i)),
                        "is not an origin; write scheme://host or scheme://host:port without path or final slash, "
                        "such as https://app.acme.dev"});
  }
  if (any && options.origins.size() > 1) {
    problems.push_back({origins, "`*` allows every origin and must stand alone"});
  }
  if (any && options.credentials) {
    problems.push_back({ConfigPath(path, "credentials"),
                        "must not be true when origins is `*`: every web page could act with its visitors' cookies; "
                        "list the origins"});
  }
  for (std::size_t i = 0; i < options.headers.size(); ++i) {
    if (IsHeaderName(options.headers[i])) continue;
    problems.push_back({ConfigPath(ConfigPath(path, "headers"), static_cast<int>(i)),
                        "is not a header name in lower case, such as x-api-key"});
  }
  return problems;
}

CorsPolicy::CorsPolicy(const CorsOptions& options)
    : credentials_(options.credentials),
      allow_loopback_(options.allow_loopback),
      allow_private_(options.allow_private),
      allow_headers_(absl::StrJoin(kAllowedHeaders, ", ")) {
  for (const std::string& text : options.origins) {
    if (text == "*") {
      any_ = true;
    } else if (auto origin = ParseOrigin(text)) {
      origins_.push_back(*std::move(origin));
    }
  }
  if (any_) credentials_ = false;
  for (const std::string& name : options.headers) {
    const bool known = std::find(kAllowedHeaders.begin(), kAllowedHeaders.end(), name) != kAllowedHeaders.end();
    if (!known) allow_headers_ += ", " + name;
  }
}

bool CorsPolicy::Allows(const Origin& origin, const http::Request& request) const {
  if (any_ || std::find(origins_.begin(), origins_.end(), origin) != origins_.end()) return true;
  // Behind a proxy that ends TLS the gateway cannot know its own scheme; the page's scheme says which port an absent
  // one in `Host` stands for.
  if (const auto host = request.SingleHeader("host"); host && DefaultPort(origin.scheme) != -1) {
    if (MakeOrigin(origin.scheme, AsciiLower(*host)) == origin) return true;
  }
  if (!allow_loopback_ && !allow_private_) return false;
  if (origin.scheme != "http" && origin.scheme != "https") return false;
  const HostKind kind = ClassifyHost(WithoutBrackets(origin.host));
  return (allow_loopback_ && kind == HostKind::kLoopback) || (allow_private_ && kind == HostKind::kPrivate);
}

CorsPolicy::Decision CorsPolicy::Decide(const http::Request& request) const {
  Decision decision;
  // Also without `Origin`: a cache must not hand an answer made for one page to another.
  decision.headers.push_back({"Vary", "Origin"});
  const auto values = request.HeaderValues("origin");
  if (values.empty()) return decision;
  const auto origin = values.size() == 1 ? ParseOrigin(values.front()) : std::nullopt;
  decision.allowed = origin && Allows(*origin, request);
  if (!decision.allowed) return decision;
  decision.headers.push_back({"Access-Control-Allow-Origin", any_ ? "*" : origin->ToString()});
  if (credentials_) decision.headers.push_back({"Access-Control-Allow-Credentials", "true"});
  decision.headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, Retry-After"});
  return decision;
}

std::vector<http::Header> CorsPolicy::PreflightHeaders() const {
  return {{"Access-Control-Allow-Methods", "POST, OPTIONS"},
          {"Access-Control-Allow-Headers", allow_headers_},
          {"Access-Control-Max-Age", "7200"}};
}

void CorsPolicy::LogRefused(const http::Request& request) const {
  const auto values = request.HeaderValues("origin");
  std::string text;
  std::string hint;
  const auto origin = values.size() == 1 ? ParseOrigin(values.front()) : std::nullopt;
  if (origin) {
    text = HideSecrets(origin->ToString());
    hint = "to allow it: cors: { origins: [" + text + "] } or --cors_origin=" + text;
  } else if (values.size() == 1 && values.front() == "null") {
    text = "null";
    hint = "sandboxed frames and file: pages cannot be allowed; serve the page over http";
  } else {
    text = "malformed";
    hint = "the request carries several Origin headers or one that is not an origin";
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (logged_.size() >= kMaxLoggedOrigins || !logged_.insert(text).second) return;
  }
  Log(LogLevel::kWarn, "origin_refused", {{"origin", std::string_view(text)}, {"hint", std::string_view(hint)}});
}

}  // namespace livekit::token::gateway
