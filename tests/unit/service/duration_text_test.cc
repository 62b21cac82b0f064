#include "service/duration_text.h"

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;

TEST(ParseDurationText, ReadsUnitsInOrder) {
  EXPECT_EQ(ParseDurationText("0s"), milliseconds(0));
  EXPECT_EQ(ParseDurationText("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDurationText("15m"), milliseconds(900'000));
  EXPECT_EQ(ParseDurationText("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(ParseDurationText("1h1m1s1ms"), milliseconds(3'661'001));
  EXPECT_EQ(ParseDurationText("90s"), milliseconds(90'000));
  EXPECT_EQ(ParseDurationText("876000h"), milliseconds(std::int64_t{876'000} * 3'600'000));
}

TEST(ParseDurationText, RefusesOtherForms) {
  for (const char* text :
       {"",          "0",    "15",   "m",     "15 m", " 15m", "15m ", "15M",  "-15m",    "+15m",
        "1.5h",      "1m1h", "1m1m", "1ms1s", "1d",   "1us",  "1h30", "1,5s", "876001h", "99999999999999999999s",
        "1h\xc3\xa4"}) {
    EXPECT_EQ(ParseDurationText(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace livekit::token
