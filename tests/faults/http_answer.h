// An answer of HTTP/1.1 with a length, as our servers write them.
#pragma once

#include <cstddef>
#include <string_view>

namespace livekit::token::faults {

// What a client needs to know of it.
struct HttpAnswer {
  int status = 0;
  bool close = false;        // `Connection: close`
  bool retry_after = false;  // `Retry-After` in whole seconds
  std::string_view body;     // points into the text
};

// How far the answer has come.
enum class HttpProgress { kPartial, kWhole, kBroken };

// Reads the answer that is all of `text`. More bytes than the answer has are broken, since nobody asked for them.
HttpProgress ReadHttpAnswer(std::string_view text, HttpAnswer& answer);

}  // namespace livekit::token::faults
