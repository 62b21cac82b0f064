// The key of the templates' `{hmac:…}`.
#pragma once

#include <memory>
#include <string>

#include "jose/hmac_signer.h"

namespace livekit::token::build {

struct Context;

// Reads the key from `file`, whose white space at the end does not count; null if `file` is empty or a problem.
std::shared_ptr<const jose::HmacSha256> LoadHmacKey(const std::string& file, Context& context);

}  // namespace livekit::token::build
