// A header line of an HTTP message.
#pragma once

#include <string>

namespace livekit::token::http {

// One header line.
struct Header {
  std::string name;
  std::string value;
};

}  // namespace livekit::token::http
