#include "http/client_url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/text.h"

namespace livekit::token::http {
namespace {

constexpr std::size_t kMaxUrlBytes = 8192;

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, FreeUrl>;

// libcurl takes C strings, in which a NUL would end what is checked but not what is meant.
bool IsPlain(std::string_view text) {
  return text.size() <= kMaxUrlBytes &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; });
}

std::optional<std::string> Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return std::nullopt;
  std::string copy(text);
  curl_free(text);
  return copy;
}

// Sets the whole URL, or resolves one against what is there.
bool Set(CURLU* url, std::string_view text) {
  return url != nullptr && IsPlain(text) && curl_url_set(url, CURLUPART_URL, std::string(text).c_str(), 0) == CURLUE_OK;
}

absl::StatusOr<ClientUrl> Read(CURLU* url, bool allow_http) {
  const auto scheme = Part(url, CURLUPART_SCHEME);
  const auto host = Part(url, CURLUPART_HOST);
  const auto port = Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!scheme || (*scheme != "https" && *scheme != "http")) {
    return absl::InvalidArgumentError("the URL has another scheme than https");
  }
  if (*scheme == "http" && !allow_http) return absl::InvalidArgumentError("the URL has the scheme http, not https");
  if (Part(url, CURLUPART_USER) || Part(url, CURLUPART_PASSWORD)) {
    return absl::InvalidArgumentError("the URL has a user or password in it");
  }
  // A name with % would be decoded once more when it is looked up.
  if (!host || host->empty() || host->find('%') != host->npos || !port) {
    return absl::InvalidArgumentError("the URL has no valid host");
  }
  curl_url_set(url, CURLUPART_FRAGMENT, nullptr, 0);
  auto text = Part(url, CURLUPART_URL);
  if (!text) return absl::InvalidArgumentError("the URL is not valid");
  return ClientUrl{*std::move(text), *scheme + "://" + AsciiLower(*host) + ":" + *port};
}

}  // namespace

absl::StatusOr<ClientUrl> ParseClientUrl(std::string_view text, bool allow_http) {
  const UrlHandle url(curl_url());
  if (!Set(url.get(), text)) return absl::InvalidArgumentError("the URL is not valid");
  return Read(url.get(), allow_http);
}

absl::StatusOr<ClientUrl> ResolveRedirect(const ClientUrl& from, std::string_view location) {
  const UrlHandle url(curl_url());
  if (Set(url.get(), from.text) && !location.empty() && Set(url.get(), location)) {
    auto target = Read(url.get(), true);
    if (target.ok() && target->origin == from.origin) return target;
  }
  return absl::PermissionDeniedError("the server redirects to another scheme, host or port, which is not followed");
}

}  // namespace livekit::token::http
