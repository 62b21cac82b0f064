#include "server/authn/jwks_cache.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "key_sets.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsRefusal;

using Keys = std::shared_ptr<const jose::KeySet>;
using Result = absl::StatusOr<Keys>;

bool Has(const Keys& keys, std::string_view kid) {
  for (const auto& key : *keys) {
    if (key->key_id() == kid) return true;
  }
  return false;
}

// A cache in a world where time passes and fetches end when the test says so.
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

TEST_F(JwksCacheTest, AnswersKnownKeysAtOnce) {
  Make();
  Succeed({"a", "b"});
  for (const char* const kid : {"a", "b", ""}) {
    ASSERT_OK_AND_ASSIGN(const Keys keys, Get(kid));
    EXPECT_EQ(keys->size(), 2U);
    EXPECT_EQ(keys, cache_->Current(now_));
  }
  EXPECT_EQ(fetches_, 1);
}

TEST_F(JwksCacheTest, WaitsForTheFirstFetch) {
  Make();
  EXPECT_EQ(cache_->Current(now_), nullptr);
  const auto known = Begin("a");
  const auto unknown = Begin("b");
  const auto unnamed = Begin("");
  EXPECT_FALSE(known->has_value() || unknown->has_value() || unnamed->has_value());
  Succeed({"a"});
  for (const auto& answer : {known, unknown, unnamed}) {
    ASSERT_TRUE(answer->has_value());
    ASSERT_OK(**answer);
    EXPECT_TRUE(Has(***answer, "a"));
  }
  EXPECT_EQ(fetches_, 1);
}

TEST_F(JwksCacheTest, IsUnavailableWithoutKeys) {
  Make();
  const auto waiting = Begin("a");
  Fail();
  ASSERT_TRUE(waiting->has_value());
  EXPECT_THAT(**waiting, IsRefusal(v1::UNAVAILABLE));
  // One more attempt for those who ask, and then no more before the cooldown ends.
  EXPECT_TRUE(Waits("a"));
  Fail();
  EXPECT_THAT(Get("a"), IsRefusal(v1::UNAVAILABLE));
  EXPECT_THAT(Get(""), IsRefusal(v1::UNAVAILABLE));
  EXPECT_EQ(fetches_, 2);
}

TEST_F(JwksCacheTest, BoundsThoseWhoWait) {
  JwksCacheOptions options;
  options.max_waiters = 3;
  Make(options);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Waits("a"));
  EXPECT_THAT(Get("a"), IsRefusal(v1::UNAVAILABLE));
  Succeed({"a"});
  EXPECT_OK(Get("a"));
  // Also while there are keys: whether they are the right ones is not known.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Waits("new" + std::to_string(i)));
  EXPECT_THAT(Get("new"), IsRefusal(v1::UNAVAILABLE));
  EXPECT_OK(Get("a"));
  Succeed({"a", "new"});
  EXPECT_OK(Get("new"));
}

TEST_F(JwksCacheTest, AnswersAtItsEnd) {
  Make();
  const auto waiting = Begin("a");
  cache_.reset();
  ASSERT_TRUE(waiting->has_value());
  EXPECT_THAT(**waiting, IsRefusal(v1::UNAVAILABLE));
  // Neither a fetch nor a schedule that ends later finds it.
  Succeed({"a"});
  Make();
}

TEST_F(JwksCacheTest, RefreshesBySchedule) {
  Make();
  Succeed({"a"});
  EXPECT_EQ(UntilRefresh(), minutes(10));
  Pass(minutes(10) - milliseconds(1));
  EXPECT_EQ(fetches_, 1);
  Pass(milliseconds(1));
  EXPECT_EQ(fetches_, 2);
  EXPECT_OK(Get("a"));  // meanwhile
  Succeed({"b"});
  ASSERT_OK_AND_ASSIGN(const Keys keys, Get("b"));
  EXPECT_FALSE(Has(keys, "a"));
  EXPECT_EQ(UntilRefresh(), minutes(10));
}

TEST_F(JwksCacheTest, ComesATenthEarlierAtMost) {
  Make();
  random_ = 0.5;
  Succeed({"a"});
  EXPECT_EQ(UntilRefresh(), seconds(570));
  Pass(minutes(10));
  random_ = 0.999;
  Fail();
  EXPECT_GE(UntilRefresh(), milliseconds(900));
  EXPECT_LT(UntilRefresh(), milliseconds(1000));
}

TEST_F(JwksCacheTest, LifetimeMovesTheSchedule) {
  const std::pair<seconds, seconds> cases[] = {
      {seconds(0), minutes(1)},   {seconds(59), minutes(1)},  {seconds(61), seconds(61)}, {minutes(9), minutes(9)},
      {minutes(30), minutes(30)}, {minutes(60), minutes(60)}, {hours(24), hours(1)},      {hours(876'000), hours(1)},
  };
  for (const auto& [lifetime, expected] : cases) {
    refresh_ = nullptr;
    Make();
    Succeed({"a"}, lifetime);
    EXPECT_EQ(UntilRefresh(), expected) << lifetime.count();
  }
}

TEST_F(JwksCacheTest, LifetimeDoesNotUndoTheInterval) {
  JwksCacheOptions options;
  options.refresh_interval = seconds(10);
  Make(options);
  Succeed({"a"}, seconds(0));
  EXPECT_EQ(UntilRefresh(), seconds(10));  // not a minute
  refresh_ = nullptr;
  options.refresh_interval = hours(2);
  Make(options);
  Succeed({"a"}, hours(24));
  EXPECT_EQ(UntilRefresh(), hours(2));  // not an hour
}

TEST_F(JwksCacheTest, TriesAgainLaterAndLater) {
  Make();
  for (const int delay : {1, 2, 4, 8, 16, 32, 60, 60, 60}) {
    Fail();
    EXPECT_EQ(UntilRefresh(), seconds(delay));
    Pass(seconds(delay));
  }
  for (int i = 0; i < 100; ++i) {
    Fail();
    Pass(minutes(1));
  }
  Succeed({"a"});
  EXPECT_EQ(UntilRefresh(), minutes(10));
  Pass(minutes(10));
  Fail();
  EXPECT_EQ(UntilRefresh(), seconds(1));
}

TEST_F(JwksCacheTest, AnUnknownKeyRefreshesOncePerCooldown) {
  Make();
  Succeed({"a"});
  const auto first = Begin("b");
  EXPECT_FALSE(first->has_value());
  EXPECT_EQ(fetches_, 2);
  EXPECT_TRUE(Waits("c"));  // for the same fetch
  EXPECT_EQ(fetches_, 2);
  Succeed({"a"});
  ASSERT_TRUE(first->has_value());
  ASSERT_OK(**first);
  EXPECT_FALSE(Has(***first, "b"));
  Pass(seconds(30) - milliseconds(1));
  EXPECT_OK(Get("d"));  // with what there is
  EXPECT_EQ(fetches_, 2);
  Pass(milliseconds(1));
  const auto next = Begin("e");
  EXPECT_EQ(fetches_, 3);
  Succeed({"a", "e"});
  ASSERT_TRUE(next->has_value());
  EXPECT_TRUE(Has(***next, "e"));
}

TEST_F(JwksCacheTest, AFailedRefreshForAnUnknownKeyCoolsDownToo) {
  Make();
  Succeed({"a"});
  const auto waiting = Begin("b");
  Fail();
  ASSERT_TRUE(waiting->has_value());
  EXPECT_OK(**waiting);
  EXPECT_OK(Get("b"));
  EXPECT_EQ(fetches_, 2);
  EXPECT_EQ(UntilRefresh(), minutes(10));  // not a failure of the schedule
}

TEST_F(JwksCacheTest, RemembersWhatIsUnknown) {
  JwksCacheOptions options;
  options.cooldown = minutes(20);  // longer than the schedule
  Make(options);
  Succeed({"a"});
  EXPECT_TRUE(Waits("b"));
  Succeed({"a"});
  Pass(minutes(10));
  // A fetch is under way, for which others wait.
  EXPECT_TRUE(Waits("c"));
  EXPECT_OK(Get("b"));
  Fail();
  // What a failed fetch did not bring is not known to be unknown.
  Pass(seconds(1));
  EXPECT_TRUE(Waits("c"));
  // What is fetched is known, whatever was remembered.
  Succeed({"a", "b"});
  ASSERT_OK_AND_ASSIGN(const Keys keys, Get("b"));
  EXPECT_TRUE(Has(keys, "b"));
}

TEST_F(JwksCacheTest, ForgetsWhatIsUnknownAfterTheCooldown) {
  Make();
  Succeed({"a"});
  EXPECT_TRUE(Waits("b"));
  Pass(seconds(5));
  Succeed({"a"});
  Pass(seconds(29));
  EXPECT_TRUE(Waits("other"));  // the cooldown is over, and b is still remembered
  EXPECT_OK(Get("b"));
  Succeed({"a"});
  Pass(seconds(30));
  EXPECT_TRUE(Waits("b"));
  EXPECT_EQ(fetches_, 4);
}

TEST_F(JwksCacheTest, BoundsWhatItRemembers) {
  JwksCacheOptions options;
  options.max_unknown = 2;
  options.cooldown = minutes(20);
  Make(options);
  Succeed({"a"});
  for (const char* const kid : {"b", "c", "d"}) EXPECT_TRUE(Waits(kid));
  Succeed({"a"});
  Pass(minutes(10));        // a fetch begins
  EXPECT_TRUE(Waits("b"));  // the oldest was forgotten
  EXPECT_OK(Get("c"));
  EXPECT_OK(Get("d"));
}

TEST_F(JwksCacheTest, LongKeyIdsAreNeitherAskedForNorKept) {
  Make();
  Succeed({"a"});
  EXPECT_OK(Get(std::string(257, 'k')));
  EXPECT_EQ(fetches_, 1);
  EXPECT_TRUE(Waits(std::string(256, 'k')));
  EXPECT_EQ(fetches_, 2);
}

// A thousand made-up key ids a second for an hour, every one another, while the issuer changes its key.
TEST_F(JwksCacheTest, AFloodNeitherMultipliesFetchesNorHoldsARotationUp) {
  Make();
  Succeed({"old"});
  const SteadyTime begin = now_;
  int made_up = 0;
  int on_schedule = 0;
  bool rotated = false;
  SteadyTime seen;
  for (int tick = 0; tick < 3600 * 20; ++tick) {
    const int before = fetches_;
    Pass(milliseconds(50));
    on_schedule += fetches_ - before;
    // 50 a tick; a fetch that they cause takes until the next one and brings nothing before the rotation.
    for (int i = 0; i < 50; ++i) Begin("made-up-" + std::to_string(made_up++));
    if (now_ - begin >= minutes(25)) rotated = true;
    if (pending_ != nullptr) rotated ? Succeed({"old", "new"}) : Succeed({"old"});
    if (seen == SteadyTime() && Has(cache_->Current(now_), "new")) seen = now_;
  }
  EXPECT_EQ(made_up, 3'600'000);
  EXPECT_GE(on_schedule, 5);                            // every ten minutes all the same
  EXPECT_LE(fetches_, 1 + 3600 / 30 + 3600 / 600 + 1);  // one per cooldown beside the schedule
  ASSERT_NE(seen, SteadyTime());
  EXPECT_LE(seen - begin, minutes(25) + seconds(31));
}

// An issuer that answers what the flood causes with errors, as a rate limit would.
TEST_F(JwksCacheTest, TheScheduleIsItsOwn) {
  Make();
  Succeed({"old"});
  const SteadyTime due = due_;
  for (int i = 0; i < 19; ++i) {
    Pass(seconds(30));
    EXPECT_TRUE(Waits("made-up-" + std::to_string(i)));
    Fail();
    EXPECT_EQ(due_, due);
  }
  Pass(seconds(30));
  EXPECT_EQ(now_, due);
  Succeed({"new"});
  EXPECT_OK(Get("new"));
  EXPECT_EQ(UntilRefresh(), minutes(10));
}

TEST_F(JwksCacheTest, AScheduledRefreshComesRightAfterAnother) {
  JwksCacheOptions options;
  options.refresh_interval = minutes(10);
  Make(options);
  Succeed({"old"});
  Pass(minutes(10) - seconds(1));
  EXPECT_TRUE(Waits("made-up"));  // a fetch that takes some seconds
  EXPECT_EQ(fetches_, 2);
  Pass(seconds(5));
  EXPECT_EQ(fetches_, 2);  // one at a time
  const auto waiting = Begin("new");
  Succeed({"old"});  // as the set was when that fetch began
  EXPECT_EQ(fetches_, 3);
  EXPECT_TRUE(waiting->has_value());
  Succeed({"old", "new"});
  EXPECT_TRUE(Has(cache_->Current(now_), "new"));
  EXPECT_EQ(UntilRefresh(), minutes(10));
}

TEST_F(JwksCacheTest, KeepsGoodKeysWhenABadSetComes) {
  Make();
  Succeed({"a"});
  const Keys keys = cache_->Current(now_);
  Pass(minutes(10));
  for (const std::string& text :
       {std::string(), std::string("<html>"), std::string("{}"), std::string("[]"), std::string(R"({"keys":[]})"),
        std::string(R"({"keys":{}})"), std::string(R"({"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a"}]})"),
        KeySetText({"b"}) + "x", "{\"keys\":[" + std::string(300'000, ' ') + "]}"}) {
    End(JwksDocument{text, hours(1)});
    EXPECT_EQ(cache_->Current(now_), keys) << text.substr(0, 40);
    EXPECT_FALSE(cache_->state(now_).last_error.empty());
    EXPECT_LE(UntilRefresh(), minutes(1)) << "a failure is tried again";
    Pass(minutes(1));
  }
  Succeed({"b"});
  EXPECT_TRUE(cache_->state(now_).last_error.empty());
  EXPECT_TRUE(Has(cache_->Current(now_), "b"));
}

TEST_F(JwksCacheTest, KeysDoNotOutliveTheirAge) {
  Make();
  Succeed({"a"});
  const SteadyTime success = now_;
  Pass(minutes(10));
  while (now_ - success < hours(24)) {
    if (pending_ != nullptr) Fail();
    EXPECT_OK(Get("a"));
    Pass(std::min<milliseconds>(minutes(1), std::chrono::duration_cast<milliseconds>(success + hours(24) - now_)));
  }
  if (pending_ != nullptr) Fail();
  EXPECT_OK(Get("a"));
  EXPECT_EQ(cache_->state(now_).keys, 1U);
  now_ += milliseconds(1);
  EXPECT_EQ(cache_->Current(now_), nullptr);
  EXPECT_EQ(cache_->state(now_).keys, 0U);
  EXPECT_EQ(cache_->state(now_).last_success, success);
  EXPECT_TRUE(Waits("a"));  // as at the start
  Fail();
  EXPECT_THAT(Get("a"), IsRefusal(v1::UNAVAILABLE));
  EXPECT_THAT(Get(""), IsRefusal(v1::UNAVAILABLE));
  Pass(minutes(1));
  Succeed({"a"});
  EXPECT_OK(Get("a"));
}

TEST_F(JwksCacheTest, AnUnchangedSetProlongsItsAge) {
  Make();
  Succeed({"a"});
  for (int i = 0; i < 200; ++i) {
    Pass(minutes(10));
    Succeed({"a"});
  }
  EXPECT_OK(Get("a"));
  EXPECT_EQ(cache_->state(now_).last_success, now_);
}

TEST_F(JwksCacheTest, RefreshesTwiceBeforeKeysAreTooOld) {
  JwksCacheOptions options;
  options.max_stale = minutes(4);
  Make(options);
  Succeed({"a"}, hours(1));
  EXPECT_EQ(UntilRefresh(), minutes(2));
}

TEST_F(JwksCacheTest, TheSameDocumentIsTheSameSet) {
  Make();
  Succeed({"a"});
  const Keys keys = cache_->Current(now_);
  Pass(minutes(10));
  Succeed({"a"});
  EXPECT_EQ(cache_->Current(now_), keys);
  Pass(minutes(10));
  Succeed({"a", "b"});
  EXPECT_NE(cache_->Current(now_), keys);
  EXPECT_EQ(keys->size(), 1U);  // a set that was handed over does not change
}

TEST_F(JwksCacheTest, CallbacksMayAskAgain) {
  Make();
  std::optional<Result> second;
  cache_->Get("a", now_, [&](const Result&) { cache_->Get("a", now_, [&](Result r) { second = std::move(r); }); });
  Succeed({"a"});
  ASSERT_TRUE(second.has_value());
  EXPECT_OK(*second);
}

TEST_F(JwksCacheTest, TellsItsState) {
  Make();
  EXPECT_EQ(cache_->state(now_).last_success, std::nullopt);
  EXPECT_EQ(cache_->state(now_).keys, 0U);
  Fail();
  EXPECT_EQ(cache_->state(now_).last_error, "the test says so");
  Pass(seconds(1));
  Succeed({"a", "b"});
  EXPECT_EQ(cache_->state(now_).last_success, now_);
  EXPECT_EQ(cache_->state(now_).last_error, "");
  EXPECT_EQ(cache_->state(now_).keys, 2U);
}

}  // namespace
}  // namespace livekit::token
