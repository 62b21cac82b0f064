// The request header `Cookie`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace livekit::token {

// The cookies of a header `Cookie` whose names match one of `globs`, as they stood and in their order, in the form of
// such a header; empty if there is none. Names are compared with their case (RFC 6265 section 5.4 sends them as they
// were set), values are not looked at, and what has no name is no cookie.
std::string SelectCookies(std::string_view header, const std::vector<std::string>& globs);

// Why `glob` cannot stand for cookies that are credentials; empty if it can: letters, digits, `.`, `_`, `-` and `*` for
// any text, at most 128 characters, and not every cookie.
std::string_view CheckCookieGlob(std::string_view glob);

}  // namespace livekit::token
