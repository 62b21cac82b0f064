// Who gets which keys.
#include "jwks_cache_fixture.h"

namespace livekit::token {
namespace {

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
