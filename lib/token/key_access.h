// The way from an ApiKey to its signer, for this library's own files.
#pragma once

#include <string>
#include <string_view>

#include "jose/hmac_signer.h"
#include "livekit/token/api_key.h"

namespace livekit::token {

// What of a token depends on the key alone, made once: the header and the claim `iss`, encoded and hashed.
struct ApiKey::Signer {
  Signer(std::string_view id, std::string_view secret);

  // The first characters of every token of this key: the header, the dot, and as much of the claims as is the same.
  std::string prefix;
  // The bytes of the claims behind that, fewer than three, which do not fill a group of base64.
  std::string tail;
  jose::HmacSha256 signer;    // of texts without `prefix`
  jose::HmacSha256 verifier;  // of whole texts

 private:
  struct Start {
    std::string prefix;
    std::string tail;
  };
  Signer(Start start, std::string_view secret);
  static Start MakeStart(std::string_view id);
};

class KeyAccess {
 public:
  static const ApiKey::Signer& Signer(const ApiKey& key) { return *key.signer_; }
};

}  // namespace livekit::token
