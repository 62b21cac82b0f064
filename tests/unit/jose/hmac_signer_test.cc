#include "jose/hmac_signer.h"

#include <openssl/hmac.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "gtest/gtest.h"

namespace livekit::token::jose {
namespace {

std::string Code(const HmacSha256& hmac, std::string_view message) {
  std::string code(HmacSha256::kSize, '\0');
  hmac.Sign(message, reinterpret_cast<unsigned char*>(code.data()));
  return code;
}

std::string OneShot(std::string_view key, std::string_view message) {
  std::string code(HmacSha256::kSize, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), reinterpret_cast<unsigned char*>(code.data()), nullptr);
  return code;
}

// RFC 4231, test cases 1, 2 and 6.
TEST(HmacSha256, SignsAsRfc4231Says) {
  EXPECT_EQ(HexEncode(Code(HmacSha256(std::string(20, '\x0b')), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HexEncode(Code(HmacSha256("Jefe"), "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      HexEncode(Code(HmacSha256(std::string(131, '\xaa')), "Test Using Larger Than Block-Size Key - Hash Key First")),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256, AgreesWithOpensslForEveryLengthOfKeyMessageAndPrefix) {
  std::mt19937 random(1);
  for (std::size_t length = 0; length < 200; ++length) {
    std::string key(length % 150, '\0');
    std::string message(length, '\0');
    for (char& c : key) c = static_cast<char>(random());
    for (char& c : message) c = static_cast<char>(random());
    const std::string expected = OneShot(key, message);
    EXPECT_EQ(Code(HmacSha256(key), message), expected);
    const std::size_t cut = length == 0 ? 0 : random() % length;
    const std::string_view text = message;
    EXPECT_EQ(Code(HmacSha256(key, text.substr(0, cut)), text.substr(cut)), expected);
  }
}

TEST(HmacSha256, VerifiesOnlyTheExactCode) {
  const HmacSha256 hmac("key");
  const std::string code = Code(hmac, "message");
  EXPECT_TRUE(hmac.Verify("message", code));
  EXPECT_FALSE(hmac.Verify("messagf", code));
  EXPECT_FALSE(hmac.Verify("message", ""));
  for (std::size_t length = 0; length < code.size(); ++length) {
    EXPECT_FALSE(hmac.Verify("message", std::string_view(code).substr(0, length)));
  }
  EXPECT_FALSE(hmac.Verify("message", code + '\0'));
  for (std::size_t bit = 0; bit < code.size() * 8; ++bit) {
    std::string flipped = code;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(hmac.Verify("message", flipped)) << bit;
  }
}

TEST(HmacSha256, MayBeSharedByThreads) {
  const HmacSha256 hmac("key", "prefix");
  const std::string expected = Code(hmac, "message");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) ASSERT_EQ(Code(hmac, "message"), expected);
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace livekit::token::jose
