#include "server/authn/jwks_fetch.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "jose/json.h"
#include "jose/jwk.h"
#include "server/authenticator.h"
#include "service/config.h"

namespace livekit::token {
namespace {

constexpr std::string_view kMaxAge = "max-age=";

// Decimal digits and nothing else, perhaps in quotes; more than a century is a century.
std::optional<std::chrono::seconds> ReadSeconds(std::string_view text) {
  constexpr std::int64_t kMost = 3'000'000'000;
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  if (text.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    seconds = std::min(seconds * 10 + (c - '0'), kMost);
  }
  return std::chrono::seconds(seconds);
}

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The token in a file, without white space at its end (RFC 6750 section 2.1).
absl::StatusOr<std::string> ReadToken(const std::string& file) {
  constexpr std::size_t kMaxBytes = 64 * 1024;
  auto text = ReadFile(file, kMaxBytes);
  if (!text.ok()) return absl::UnavailableError("token file: it cannot be read");
  while (!text->empty() && std::string_view(" \t\r\n").find(text->back()) != std::string_view::npos) text->pop_back();
  if (!IsBearerToken(*text)) return absl::UnavailableError("token file: it holds no token");
  return text;
}

absl::StatusOr<http::ClientRequest> RequestFor(const JwksLocation& location, std::string url) {
  http::ClientRequest request;
  request.url = std::move(url);
  request.headers = {{"Accept", "application/json"}};
  request.allow_http = location.allow_http;
  request.ca_file = location.ca_file;
  request.timeout = location.timeout;
  request.max_body_bytes = jose::kMaxJwksBytes;
  if (!location.bearer_token_file.empty()) {
    LKT_ASSIGN_OR_RETURN(const std::string token, ReadToken(location.bearer_token_file));
    request.headers.push_back({"Authorization", "Bearer " + token});
    request.max_redirects = 0;
  }
  return request;
}

// An answer with a document in it. `what` begins the sentence of an error.
absl::StatusOr<http::ClientResponse> Expect200(absl::StatusOr<http::ClientResponse> response, const std::string& what) {
  if (!response.ok()) {
    return absl::Status(response.status().code(), what + ": " + std::string(response.status().message()));
  }
  if (response->status != 200) {
    return absl::UnavailableError(what + ": the server answered with status " + std::to_string(response->status));
  }
  return response;
}

void FetchKeySet(http::Client& client, const JwksLocation& location, std::string url,
                 std::function<void(absl::StatusOr<JwksDocument>)> done) {
  auto request = RequestFor(location, std::move(url));
  if (!request.ok()) return done(request.status());
  client.Fetch(*std::move(request), [done = std::move(done)](auto result) {
    auto response = Expect200(std::move(result), "key set");
    if (!response.ok()) return done(std::move(response).status());
    const auto lifetime = FreshFor(*response);
    done(JwksDocument{std::move(response->body), lifetime});
  });
}

}  // namespace

std::string DiscoveryUrl(std::string_view issuer) {
  if (!issuer.empty() && issuer.back() == '/') issuer.remove_suffix(1);
  return std::string(issuer) + "/.well-known/openid-configuration";
}

absl::StatusOr<std::string> ReadDiscovery(std::string_view text, std::string_view issuer) {
  const auto document = jose::ParseJsonObject(text);
  if (!document) return absl::InvalidArgumentError("discovery document: it is not strict JSON");
  const auto stated = document->find("issuer");
  if (stated == document->end() || !stated->is_string() || stated->get_ref<const std::string&>() != issuer) {
    return absl::InvalidArgumentError("discovery document: its issuer is not the one that is configured");
  }
  const auto uri = document->find("jwks_uri");
  if (uri == document->end() || !uri->is_string() || uri->get_ref<const std::string&>().empty()) {
    return absl::InvalidArgumentError("discovery document: it has no jwks_uri");
  }
  return uri->get<std::string>();
}

std::optional<std::chrono::seconds> FreshFor(const http::ClientResponse& response) {
  std::optional<std::chrono::seconds> least;
  for (std::string_view rest : response.HeaderValues("cache-control")) {
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string directive = AsciiLower(Trim(rest.substr(0, comma)));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      if (directive.compare(0, kMaxAge.size(), kMaxAge) != 0) continue;
      const auto seconds = ReadSeconds(std::string_view(directive).substr(kMaxAge.size()));
      if (seconds && (!least || *seconds < *least)) least = seconds;
    }
  }
  if (!least) return std::nullopt;
  const auto age = ReadSeconds(Trim(response.SingleHeader("age").value_or("")));
  return std::max(*least - age.value_or(std::chrono::seconds(0)), std::chrono::seconds(0));
}

void FetchJwks(http::Client& client, const JwksLocation& location,
               std::function<void(absl::StatusOr<JwksDocument>)> done) {
  if (!location.jwks_uri.empty()) return FetchKeySet(client, location, location.jwks_uri, std::move(done));
  const bool is_cluster = !location.api_server.empty();
  auto request = RequestFor(location, DiscoveryUrl(is_cluster ? location.api_server : location.issuer));
  if (!request.ok()) return done(request.status());
  client.Fetch(*std::move(request), [&client, is_cluster, location, done = std::move(done)](auto result) {
    auto response = Expect200(std::move(result), "discovery document");
    if (!response.ok()) return done(std::move(response).status());
    auto uri = ReadDiscovery(response->body, location.issuer);
    if (!uri.ok()) return done(std::move(uri).status());
    // The token must not be led to another host by a document.
    if (is_cluster) uri = location.api_server + "/openid/v1/jwks";
    FetchKeySet(client, location, *std::move(uri), done);
  });
}

}  // namespace livekit::token
