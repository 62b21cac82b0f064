// The SHA256_* functions, deprecated in OpenSSL 3 for the EVP ones, keep their state in a plain struct: copying it
// costs no allocation and no reference count, which for a small token is a third of the whole signature (`./dev
// bench`).
#define OPENSSL_SUPPRESS_DEPRECATED
#include "jose/hmac_signer.h"

#include <array>
#include <cstring>

#include "base/secret.h"

namespace livekit::token::jose {

HmacSha256::HmacSha256(std::string_view key, std::string_view prefix) {
  std::array<unsigned char, SHA256_CBLOCK> block{};
  if (key.size() > block.size()) {
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), block.data());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  for (auto& byte : block) byte ^= 0x36;
  SHA256_Init(&inner_);
  SHA256_Update(&inner_, block.data(), block.size());
  SHA256_Update(&inner_, prefix.data(), prefix.size());
  for (auto& byte : block) byte ^= 0x36 ^ 0x5c;
  SHA256_Init(&outer_);
  SHA256_Update(&outer_, block.data(), block.size());
  Wipe(block.data(), block.size());
}

HmacSha256::~HmacSha256() {
  Wipe(&inner_, sizeof inner_);
  Wipe(&outer_, sizeof outer_);
}

void HmacSha256::Sign(std::string_view message, unsigned char* out) const {
  SHA256_CTX context = inner_;
  SHA256_Update(&context, message.data(), message.size());
  std::array<unsigned char, kSize> digest;
  SHA256_Final(digest.data(), &context);
  context = outer_;
  SHA256_Update(&context, digest.data(), digest.size());
  SHA256_Final(out, &context);
  // A state that has seen the key could sign for it.
  Wipe(&context, sizeof context);
}

bool HmacSha256::Verify(std::string_view message, std::string_view code) const {
  std::array<unsigned char, kSize> expected;
  Sign(message, expected.data());
  return ConstantTimeEquals({reinterpret_cast<const char*>(expected.data()), expected.size()}, code);
}

}  // namespace livekit::token::jose
