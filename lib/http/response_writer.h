// Responses as bytes.
#pragma once

#include <string>

#include "base/clock.h"
#include "http/server.h"

namespace livekit::token::http {

// What decides how a response is written, beside itself.
struct WriteOptions {
  bool without_body = false;    // the answer to HEAD: all headers, no body
  bool close = false;           // says `Connection: close`
  bool say_keep_alive = false;  // says `Connection: keep-alive`, which HTTP/1.0 clients need
  Time date;
};

// Appends the whole response: status line, `Date`, the response's own headers, `Content-Type`, `Content-Length`,
// `Connection`, body. A header that cannot be written as one line, or that the server itself writes, is left out.
void WriteResponse(const Response& response, const WriteOptions& options, std::string& out);

}  // namespace livekit::token::http
