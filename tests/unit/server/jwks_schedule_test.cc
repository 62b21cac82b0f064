// When keys are fetched, and for how long they are used.
#include <algorithm>

#include "jwks_cache_fixture.h"

namespace livekit::token {
namespace {

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

// --- bundles of SPIFFE trust domains

JwksDocument Bundle(const std::string& kid, const std::string& hint, std::optional<seconds> lifetime = std::nullopt) {
  std::string text = KeySetText({kid});
  text.insert(text.rfind("\"kid\""), R"("use":"jwt-svid",)");
  if (!hint.empty()) text.insert(1, "\"spiffe_refresh_hint\":" + hint + ",");
  return {text, lifetime};
}

TEST_F(JwksCacheTest, TheHintOfABundleMovesTheScheduleLikeALifetime) {
  struct Case {
    const char* hint;
    std::optional<seconds> lifetime;
    seconds expected;
  };
  const Case cases[] = {{"", std::nullopt, minutes(10)},     {"1", std::nullopt, minutes(1)},
                        {"120", std::nullopt, seconds(120)}, {"2592000", std::nullopt, hours(1)},
                        {"0", std::nullopt, minutes(10)},    {"120", seconds(300), seconds(120)},
                        {"300", seconds(120), seconds(120)}};
  JwksCacheOptions options;
  options.use = jose::JwksUse::kJwtSvid;
  for (const Case& c : cases) {
    refresh_ = nullptr;
    Make(options);
    End(Bundle("a", c.hint, c.lifetime));
    EXPECT_EQ(UntilRefresh(), c.expected) << c.hint;
    // The same document once more says the same.
    Pass(hours(1));
    End(Bundle("a", c.hint, c.lifetime));
    EXPECT_EQ(UntilRefresh(), c.expected) << c.hint;
  }
}

TEST_F(JwksCacheTest, ANewBundleReplacesTheHint) {
  JwksCacheOptions options;
  options.use = jose::JwksUse::kJwtSvid;
  Make(options);
  End(Bundle("a", "120"));
  Pass(seconds(120));
  End(Bundle("b", ""));
  EXPECT_EQ(UntilRefresh(), minutes(10));
  // A failure is no hint's business.
  Pass(minutes(10));
  Fail();
  EXPECT_EQ(UntilRefresh(), seconds(1));
}

TEST_F(JwksCacheTest, ABundleWithoutKeysForJwtSvidsChangesNothing) {
  JwksCacheOptions options;
  options.use = jose::JwksUse::kJwtSvid;
  Make(options);
  End(Bundle("a", ""));
  Pass(minutes(10));
  Succeed({"b"});  // a key set of an issuer
  ASSERT_OK_AND_ASSIGN(const Keys keys, Get("a"));
  EXPECT_TRUE(Has(keys, "a"));
}

}  // namespace
}  // namespace livekit::token
