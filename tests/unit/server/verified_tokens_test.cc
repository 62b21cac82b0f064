#include "server/authn/verified_tokens.h"

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "jwt_fixture.h"

namespace livekit::token {
namespace {

using testing::kNow;

constexpr std::chrono::seconds kSecond{1};

std::shared_ptr<const Principal> PrincipalOf(const std::string& subject) {
  auto principal = std::make_shared<Principal>();
  principal->subject = subject;
  return principal;
}

// A cache with one key set.
class Cache {
 public:
  explicit Cache(std::size_t max_entries, std::size_t max_bytes = 1 << 20) : tokens_(max_entries, max_bytes) {}

  void Insert(const std::string& token, Time expires = kNow + kSecond) {
    tokens_.Insert(tokens_.DigestOf(token), token.size(), PrincipalOf("of " + token), expires, keys_);
  }
  bool Has(const std::string& token, Time now = kNow) { return Has(token, now, keys_.get()); }
  bool Has(const std::string& token, Time now, const jose::KeySet* keys) {
    const auto principal = tokens_.Find(tokens_.DigestOf(token), now, keys);
    if (principal != nullptr) {
      EXPECT_EQ(principal->subject, "of " + token);
    }
    return principal != nullptr;
  }
  VerifiedTokens& operator*() { return tokens_; }

 private:
  std::shared_ptr<const jose::KeySet> keys_ = std::make_shared<const jose::KeySet>();
  VerifiedTokens tokens_;
};

TEST(VerifiedTokens, RemembersUntilTheTokenExpires) {
  Cache cache(10);
  cache.Insert("a");
  EXPECT_TRUE(cache.Has("a"));
  EXPECT_FALSE(cache.Has("b"));
  EXPECT_FALSE(cache.Has(""));
  EXPECT_TRUE(cache.Has("a", kNow + kSecond - std::chrono::nanoseconds(1)));
  EXPECT_FALSE(cache.Has("a", kNow + kSecond));
  EXPECT_EQ((*cache).size(), 0u);
  EXPECT_FALSE(cache.Has("a"));
}

TEST(VerifiedTokens, BelievesOnlyTheKeysThatVerified) {
  Cache cache(10);
  const jose::KeySet others;
  cache.Insert("a");
  EXPECT_FALSE(cache.Has("a", kNow, &others));
  EXPECT_EQ((*cache).size(), 0u);
  cache.Insert("a");
  EXPECT_FALSE(cache.Has("a", kNow, nullptr));
  EXPECT_EQ((*cache).size(), 0u);
}

TEST(VerifiedTokens, ForgetsTheOneNotLookedUpForLongest) {
  Cache cache(3);
  for (const char* token : {"a", "b", "c"}) cache.Insert(token);
  EXPECT_TRUE(cache.Has("a"));
  cache.Insert("d");
  EXPECT_EQ((*cache).size(), 3u);
  EXPECT_FALSE(cache.Has("b"));
  for (const char* token : {"a", "c", "d"}) EXPECT_TRUE(cache.Has(token)) << token;
  // The same again is no second entry.
  cache.Insert("a");
  EXPECT_EQ((*cache).size(), 3u);
  EXPECT_TRUE(cache.Has("c"));
}

TEST(VerifiedTokens, IsBoundedByTheSizeOfTokensToo) {
  Cache cache(100, 1000);
  for (int i = 0; i < 50; ++i) cache.Insert(std::string(100, static_cast<char>('a' + i)));
  EXPECT_EQ((*cache).size(), 10u);
  cache.Insert(std::string(1000, 'x'));
  EXPECT_EQ((*cache).size(), 1u);
  EXPECT_TRUE(cache.Has(std::string(1000, 'x')));
  cache.Insert(std::string(1001, 'y'));
  EXPECT_FALSE(cache.Has(std::string(1001, 'y')));
  EXPECT_TRUE(cache.Has(std::string(1000, 'x')));
}

TEST(VerifiedTokens, CanBeTurnedOff) {
  Cache cache(0);
  cache.Insert("a");
  EXPECT_FALSE(cache.Has("a"));
}

TEST(VerifiedTokens, HashesWithAKeyOfItsOwn) {
  const VerifiedTokens one(1, 1);
  const VerifiedTokens other(1, 1);
  EXPECT_EQ(one.DigestOf("a"), one.DigestOf("a"));
  EXPECT_NE(one.DigestOf("a"), one.DigestOf("b"));
  EXPECT_NE(one.DigestOf("a"), other.DigestOf("a"));
}

TEST(VerifiedTokens, IsBoundedUnderConcurrentUse) {
  Cache cache(20);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&cache, thread] {
      for (int i = 0; i < 2000; ++i) {
        const std::string token = std::to_string((i * (thread + 1)) % 50);
        if (!cache.Has(token)) cache.Insert(token);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE((*cache).size(), 20u);
}

}  // namespace
}  // namespace livekit::token
