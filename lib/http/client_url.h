// URLs of outgoing requests.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace livekit::token::http {

// A URL that may be asked.
struct ClientUrl {
  std::string text;    // normal form, without fragment
  std::string origin;  // scheme://host:port
};

// Parses an absolute URL as libcurl reads it. Errors: InvalidArgument, with a sentence that does not contain it: not a
// URL, longer than 8 KiB, a user or password in it, another scheme than https, or than http where `allow_http`.
absl::StatusOr<ClientUrl> ParseClientUrl(std::string_view text, bool allow_http);

// Where an answer of `from` with this `Location` leads (RFC 9110 section 10.2.2). Errors: PermissionDenied if that has
// another scheme, host or port, or is no URL.
absl::StatusOr<ClientUrl> ResolveRedirect(const ClientUrl& from, std::string_view location);

}  // namespace livekit::token::http
