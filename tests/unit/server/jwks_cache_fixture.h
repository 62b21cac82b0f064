// A cache of keys in a world where time passes and fetches end when the test says so.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "key_sets.h"
#include "server/authn/jwks_cache.h"
#include "support/status_matchers.h"

namespace livekit::token {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsRefusal;

using Keys = std::shared_ptr<const jose::KeySet>;
using Result = absl::StatusOr<Keys>;

inline bool Has(const Keys& keys, std::string_view kid) {
  for (const auto& key : *keys) {
    if (key->key_id() == kid) return true;
  }
  return false;
}

class JwksCacheTest : public ::testing::Test {
 protected:
  void Make(const JwksCacheOptions& options = {}) {
    JwksCache::World world;
    world.fetch = [this](JwksCache::Fetched fetched) {
      EXPECT_EQ(pending_, nullptr) << "two fetches at a time";
      ++fetches_;
      pending_ = std::move(fetched);
    };
    world.call_at = [this](SteadyTime time, std::function<void()> refresh) {
      EXPECT_EQ(refresh_, nullptr) << "two schedules";
      due_ = time;
      refresh_ = std::move(refresh);
    };
    world.random = [this] { return random_; };
    cache_ = JwksCache::Create(options, std::move(world));
    cache_->Start();
  }

  // Lets time pass, and a refresh begin that is due.
  void Pass(milliseconds time) {
    now_ += time;
    if (refresh_ != nullptr && due_ <= now_) std::exchange(refresh_, nullptr)();
  }

  void End(absl::StatusOr<JwksDocument> document) {
    ASSERT_NE(pending_, nullptr) << "no fetch is under way";
    std::exchange(pending_, nullptr)(std::move(document), now_);
  }
  void Succeed(std::initializer_list<std::string> kids, std::optional<seconds> lifetime = std::nullopt) {
    End(JwksDocument{KeySetText(kids), lifetime});
  }
  void Fail() { End(absl::UnavailableError("the test says so")); }

  // The answer when it comes.
  std::shared_ptr<std::optional<Result>> Begin(const std::string& kid) {
    auto answer = std::make_shared<std::optional<Result>>();
    cache_->Get(kid, now_, [answer](Result result) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = std::move(result);
    });
    return answer;
  }
  // The answer that comes at once.
  Result Get(const std::string& kid) {
    const auto answer = Begin(kid);
    EXPECT_TRUE(answer->has_value()) << kid << " waits";
    return answer->has_value() ? **answer : absl::InternalError("waits");
  }
  bool Waits(const std::string& kid) { return !Begin(kid)->has_value(); }
  milliseconds UntilRefresh() const { return std::chrono::duration_cast<milliseconds>(due_ - now_); }

  SteadyTime now_{hours(1000)};
  double random_ = 0;
  int fetches_ = 0;
  JwksCache::Fetched pending_;
  SteadyTime due_;
  std::function<void()> refresh_;
  std::shared_ptr<JwksCache> cache_;
};

}  // namespace livekit::token
