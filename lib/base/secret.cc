#include "base/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace livekit::token {

void Wipe(void* data, std::size_t size) {
  if (size != 0) OPENSSL_cleanse(data, size);
}

void Wipe(std::string& text) {
  // Up to the capacity: an earlier, longer value may still stand behind the end.
  text.resize(text.capacity());
  Wipe(text.data(), text.size());
  text.clear();
}

bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void RandomBytes(void* data, std::size_t size) {
  if (RAND_bytes(static_cast<unsigned char*>(data), static_cast<int>(size)) != 1) std::abort();
}

void RandomIdBytes(void* data, std::size_t size) {
  thread_local std::array<char, 4096> pool;
  thread_local std::size_t next = pool.size();
  if (size > pool.size() - next) {
    RandomBytes(pool.data(), pool.size());
    next = 0;
  }
  std::memcpy(data, pool.data() + next, size);
  next += size;
}

Secret::Secret(std::string&& text) : bytes_(text) { Wipe(text); }

Secret Secret::CopyOf(std::string_view text) {
  Secret secret;
  secret.bytes_.assign(text);
  return secret;
}

// A short std::string lives inside the object, so moving it would leave the bytes behind.
Secret::Secret(Secret&& other) noexcept : bytes_(other.bytes_) { Wipe(other.bytes_); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    Wipe(bytes_);
    bytes_ = other.bytes_;
    Wipe(other.bytes_);
  }
  return *this;
}

Secret::~Secret() { Wipe(bytes_); }

}  // namespace livekit::token
