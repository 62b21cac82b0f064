// The head of an HTTP/1 request: request line and header lines (RFC 9112 sections 3 and 5), and what they say about
// framing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"
#include "livekit/token/v1/errors.pb.h"

namespace livekit::token::http {

struct RequestHead {
  std::string method;
  std::string target;  // origin-form or `*`; an absolute-form target is cut to it, its authority becomes `Host`
  int minor_version = 1;
  std::vector<Header> headers;  // as sent, without white space around values
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool has_content_encoding = false;
  bool expects_continue = false;
  bool keep_alive = true;

  // Whether bytes of a body follow the head.
  bool HasBody() const { return chunked || content_length.value_or(0) != 0; }
};

// Whether `c` may stand in a token, such as a method or a header's name (RFC 9110 section 5.6.2).
bool IsTokenCharacter(char c);
// Whether `c` may stand in a header's value: visible, space, tab or above ASCII (RFC 9110 section 5.5).
constexpr bool IsFieldValueCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

// A header or trailer line in its parts, without white space around the value.
struct FieldLine {
  std::string_view name;
  std::string_view value;
};

// Cuts a line, without its line end, into its parts. Nothing if it is not well-formed.
std::optional<FieldLine> ParseFieldLine(std::string_view line);

// Parses `text`, which ends with the empty line, into `head`. Strict where leniency lets two readers of one connection
// see different requests: no bare LF or CR, no folded lines, no space before a colon, one `Host` that is a host, at
// most one of `Content-Length` and `Transfer-Encoding`, a target of origin-form, absolute-form or `OPTIONS *`, no
// CONNECT. Returns the reason of a refusal, if any: MALFORMED_REQUEST or HEADERS_TOO_LARGE; what was understood until
// then is in `head`.
std::optional<v1::ErrorReason> ParseHead(std::string_view text, std::size_t max_lines, RequestHead& head);

}  // namespace livekit::token::http
