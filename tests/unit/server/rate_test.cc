// Rates as text.
#include "server/rate.h"

#include <chrono>
#include <string>

#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Rate RateOf(std::string_view text) {
  const auto rate = ParseRate(text);
  EXPECT_OK(rate) << text;
  return rate.ok() && *rate ? **rate : Rate();
}

TEST(RateTest, TakesANumberForASecondAMinuteOrAnHour) {
  EXPECT_EQ(RateOf("10/s"), (Rate{10, seconds(1), 20}));
  EXPECT_EQ(RateOf("600/m"), (Rate{600, minutes(1), 600}));
  EXPECT_EQ(RateOf("1000/h"), (Rate{1000, hours(1), 1000}));
  EXPECT_EQ(RateOf("1/s burst 1"), (Rate{1, seconds(1), 1}));
  EXPECT_EQ(RateOf("10/m burst 50"), (Rate{10, minutes(1), 50}));
  EXPECT_EQ(RateOf("1000000000/s").burst, 2'000'000'000);
  EXPECT_EQ(RateOf("1/s burst 2000000000").burst, 2'000'000'000);
}

TEST(RateTest, OffIsNoLimit) {
  const auto rate = ParseRate("off");
  ASSERT_OK(rate);
  EXPECT_FALSE(rate->has_value());
}

TEST(RateTest, RefusesEverythingElse) {
  for (const std::string_view text : {"",
                                      "10",
                                      "10/",
                                      "/s",
                                      "0/s",
                                      "-1/s",
                                      "+1/s",
                                      "01/s",
                                      "1.5/s",
                                      "10/d",
                                      "10/sec",
                                      "10/s ",
                                      " 10/s",
                                      "10 /s",
                                      "10/S",
                                      "10/s burst",
                                      "10/s burst ",
                                      "10/s burst 0",
                                      "10/s  burst 5",
                                      "10/s burst 5 ",
                                      "10/s burst -5",
                                      "10/s Burst 5",
                                      "1000000001/s",
                                      "1/s burst 2000000001",
                                      "99999999999999999999/s",
                                      "1/s burst 99999999999999999999",
                                      "Off",
                                      "off ",
                                      "10/s,20/s"}) {
    EXPECT_FALSE(ParseRate(text).ok()) << "`" << text << "`";
  }
}

}  // namespace
}  // namespace livekit::token
