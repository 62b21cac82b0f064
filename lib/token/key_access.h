// The way from an ApiKey to its signer, for this library's own files.
#pragma once

#include "jose/hmac_signer.h"
#include "livekit/token/api_key.h"

namespace livekit::token {

struct ApiKey::Signer {
  explicit Signer(std::string_view secret) : hmac(secret) {}
  jose::HmacSha256 hmac;
};

class KeyAccess {
 public:
  static const jose::HmacSha256& Hmac(const ApiKey& key) { return key.signer_->hmac; }
};

}  // namespace livekit::token
