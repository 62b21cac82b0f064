// Random protobuf messages for property tests.
#pragma once

#include <random>
#include <string>

#include "google/protobuf/message.h"

namespace livekit::token::testing {

// What a random message may contain.
struct RandomMessageOptions {
  int max_depth = 6;                 // of messages in messages
  double presence = 0.3;             // probability that a field is set
  bool unknown_enum_numbers = true;  // enum values without a name
  bool not_finite = true;            // NaN and infinities
};

// Fills `message` by reflection with values that proto3 JSON can express: strings are UTF-8, with characters that need
// an escape, and 64-bit and floating-point values include the extremes.
void FillRandomly(std::mt19937_64& random, const RandomMessageOptions& options, google::protobuf::Message& message);

// A random UTF-8 text of at most `max_length` characters.
std::string RandomText(std::mt19937_64& random, int max_length);

}  // namespace livekit::token::testing
