// HMAC-SHA-256 with the work that depends only on the key done once.
#pragma once

#include <openssl/sha.h>

#include <string_view>

namespace livekit::token::jose {

// Signs with one key (RFC 2104; JWS algorithm HS256). The hash states after the two padded key blocks are kept, so that
// a signature costs neither key setup nor an allocation.
//
// Thread safety: Sign and Verify may be called concurrently.
class HmacSha256 {
 public:
  static constexpr std::size_t kSize = SHA256_DIGEST_LENGTH;

  // `key` is used as it is, of any length. Every message is taken to begin with `prefix`, which is hashed only here.
  // Neither need outlive the constructor.
  explicit HmacSha256(std::string_view key, std::string_view prefix = {});
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;
  ~HmacSha256();

  // Writes the kSize bytes of the code of the prefix and `message` to `out`.
  void Sign(std::string_view message, unsigned char* out) const;
  // Whether `code` is the code of the prefix and `message`; the comparison takes the same time wherever they differ.
  bool Verify(std::string_view message, std::string_view code) const;

 private:
  SHA256_CTX inner_;
  SHA256_CTX outer_;
};

}  // namespace livekit::token::jose
