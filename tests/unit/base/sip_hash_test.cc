#include "base/sip_hash.h"

#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

constexpr unsigned char kKey[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

SipHash WithTestKey() {
  std::uint64_t low, high;
  std::memcpy(&low, kKey, sizeof low);
  std::memcpy(&high, kKey + sizeof low, sizeof high);
  return SipHash(low, high);
}

// What OpenSSL says, whose SipHash is 2-4 unless told otherwise.
std::uint64_t Expected(const std::string& text) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  std::size_t size = 8;
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t("size", &size), OSSL_PARAM_construct_end()};
  unsigned char code[8];
  EXPECT_EQ(EVP_MAC_init(context, kKey, sizeof kKey, params), 1);
  EXPECT_EQ(EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(text.data()), text.size()), 1);
  EXPECT_EQ(EVP_MAC_final(context, code, &size, sizeof code), 1);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  std::uint64_t hash;
  std::memcpy(&hash, code, sizeof hash);
  return hash;
}

// The example of the paper's appendix A.
TEST(SipHash, IsThatOfThePaper) {
  std::string text;
  for (char c = 0; c < 15; ++c) text += c;
  EXPECT_EQ(WithTestKey()(text), 0xa129ca6149be45e5);
}

TEST(SipHash, IsThatOfOpenSslForEveryLength) {
  std::string text;
  for (int length = 0; length <= 300; ++length) {
    EXPECT_EQ(WithTestKey()(text), Expected(text)) << length;
    text += static_cast<char>(length * 37 + 200);
  }
}

TEST(SipHash, DependsOnItsKey) {
  const SipHash a, b;
  EXPECT_EQ(a("x"), a("x"));
  EXPECT_NE(a("x"), b("x"));
  EXPECT_NE(SipHash(1, 2)("x"), SipHash(2, 2)("x"));
  EXPECT_NE(SipHash(1, 2)("x"), SipHash(1, 1)("x"));
}

}  // namespace
}  // namespace livekit::token
