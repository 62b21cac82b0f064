// The key of the templates' `{hmac:…}` and of names in the audit.
#pragma once

#include <memory>
#include <string>

#include "jose/hmac_signer.h"

namespace livekit::token::build {

struct Context;

// What the one key makes; null if there is none. Codes of one use tell nothing about those of the other.
struct HmacKeys {
  std::shared_ptr<const jose::HmacSha256> templates;
  std::shared_ptr<const jose::HmacSha256> audit;
};

// Reads the key from `file`, whose white space at the end does not count; none if `file` is empty or a problem.
HmacKeys LoadHmacKeys(const std::string& file, Context& context);

}  // namespace livekit::token::build
