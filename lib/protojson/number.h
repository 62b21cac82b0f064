// Exact integers from JSON number text.
#pragma once

#include <cstdint>
#include <string_view>

namespace livekit::token::protojson {

// Whether `text` as a whole is a number by the grammar of RFC 8259 section 6.
bool IsJsonNumber(std::string_view text);

// An integer as sign and magnitude; -0 is negative with magnitude 0.
struct Integer {
  bool negative;
  std::uint64_t magnitude;
};

// Reads `text`, which IsJsonNumber, into `out` without rounding: `3e1` and `30.0` are 30. Returns false if the value is
// not whole or its magnitude needs more than 64 bits.
bool ToInteger(std::string_view text, Integer& out);

}  // namespace livekit::token::protojson
