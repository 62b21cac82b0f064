#include "gateway/cookies.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/cookie.h"
#include "base/status.h"
#include "base/text.h"
#include "service/log.h"
#include "service/log_interval.h"

namespace livekit::token::gateway {
namespace {

bool IsOfOwnPage(const http::Request& request) {
  if (!request.HeaderValues("origin").empty()) return true;
  const auto sites = request.HeaderValues("sec-fetch-site");
  return std::all_of(sites.begin(), sites.end(),
                     [](std::string_view site) { return site == "same-origin" || site == "none"; });
}

void LogOtherPage() {
  static LogInterval interval;
  if (!interval.Due()) return;
  Log(LogLevel::kWarn, "cookie_of_other_page_refused",
      {{"hint",
        "a browser sent cookies for a page of another site without saying which in Origin; if something in front takes "
        "that header away, let it pass"}});
}

}  // namespace

absl::Status CollectCookies(const http::Request& request, const std::vector<std::string>& globs, Backend::Item& item) {
  if (globs.empty()) return absl::OkStatus();
  const auto headers = request.HeaderValues("cookie");
  if (headers.empty()) return absl::OkStatus();
  if (headers.size() > 1) {
    return Refuse(v1::AMBIGUOUS_CREDENTIALS, "The request carries more than one header with cookies.");
  }
  std::string cookies = SelectCookies(headers.front(), globs);
  if (cookies.empty()) return absl::OkStatus();
  if (!IsOfOwnPage(request)) {
    LogOtherPage();
    return Refuse(v1::ORIGIN_NOT_ALLOWED);
  }
  // Protobuf strings are UTF-8; other bytes would make the whole call to the token server fail.
  if (!IsValidUtf8(cookies)) return Refuse(v1::MALFORMED_REQUEST);
  auto* credential = item.add_credentials();
  credential->set_header("cookie");
  credential->set_value(std::move(cookies));
  return absl::OkStatus();
}

}  // namespace livekit::token::gateway
