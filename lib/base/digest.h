// SHA-256.
#pragma once

#include <string>
#include <string_view>

namespace livekit::token {

// The 32 bytes of the SHA-256 of `text`.
std::string Sha256(std::string_view text);

}  // namespace livekit::token
