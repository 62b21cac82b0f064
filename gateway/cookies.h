// Cookies of the end user that are credentials.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gateway/backend.h"
#include "http/server.h"

namespace livekit::token::gateway {

// Puts the request's cookies whose names match `globs` into `item`, as one credential `cookie`; none of them are no
// credential.
//
// Browsers send cookies along with requests of any page, so a request that carries such a one must come from a page
// that may send it. `Origin`, which browsers add to every POST from elsewhere, has been checked before; where it was
// taken away, `Sec-Fetch-Site` must say that the page is of the gateway's own origin, or that there is no page. (A
// program that is no browser sends neither.)
//
// Errors: AMBIGUOUS_CREDENTIALS for more than one header `Cookie` (RFC 6265 section 5.4 allows one), MALFORMED_REQUEST
// if a cookie is not UTF-8, ORIGIN_NOT_ALLOWED, which is logged at most once in ten seconds.
absl::Status CollectCookies(const http::Request& request, const std::vector<std::string>& globs, Backend::Item& item);

}  // namespace livekit::token::gateway
