#include "gateway/cookies.h"

#include <algorithm>
#include <utility>

#include "base/cookie.h"
#include "base/status.h"
#include "base/text.h"

namespace livekit::token::gateway {
namespace {

bool IsOfOwnPage(const http::Request& request) {
  if (!request.HeaderValues("origin").empty()) return true;
  const auto sites = request.HeaderValues("sec-fetch-site");
  return std::all_of(sites.begin(), sites.end(),
                     [](std::string_view site) { return site == "same-origin" || site == "none"; });
}

}  // namespace

std::string_view CheckRelayCookie(std::string_view glob) {
  const bool valid = glob.size() <= 128 && std::all_of(glob.begin(), glob.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                              c == '_' || c == '-' || c == '*';
                     });
  if (!valid) return "is not a cookie's name of letters, digits, `.`, `_` and `-`, with `*` for any text";
  if (glob.find_first_not_of('*') == std::string_view::npos) {
    return "would relay every cookie; name those that are credentials";
  }
  return "";
}

absl::Status CollectCookies(const http::Request& request, const std::vector<std::string>& globs, Backend::Item& item) {
  if (globs.empty()) return absl::OkStatus();
  const auto headers = request.HeaderValues("cookie");
  if (headers.empty()) return absl::OkStatus();
  if (headers.size() > 1) {
    return Refuse(v1::AMBIGUOUS_CREDENTIALS, "The request carries more than one header with cookies.");
  }
  std::string cookies = SelectCookies(headers.front(), globs);
  if (cookies.empty()) return absl::OkStatus();
  if (!IsOfOwnPage(request)) return Refuse(v1::ORIGIN_NOT_ALLOWED);
  // Protobuf strings are UTF-8; other bytes would make the whole call to the token server fail.
  if (!IsValidUtf8(cookies)) return Refuse(v1::MALFORMED_REQUEST);
  auto* credential = item.add_credentials();
  credential->set_header("cookie");
  credential->set_value(std::move(cookies));
  return absl::OkStatus();
}

}  // namespace livekit::token::gateway
