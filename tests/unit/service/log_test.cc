#include "service/log.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "service/log_line.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Line(std::string_view value) { return FormatLogLine(Time{}, LogLevel::kInfo, "event", {{"value", value}}); }

TEST(FormatLogLine, WritesOneObject) {
  EXPECT_EQ(
      FormatLogLine(Time(std::chrono::milliseconds(1'795'335'585'007)), LogLevel::kWarn, "token_issued",
                    {{"project", "main"}, {"count", 3}, {"big", std::int64_t{1} << 60}, {"ratio", 0.5}, {"dev", true}}),
      R"({"ts":"2026-11-22T08:19:45.007Z","level":"warn","event":"token_issued","project":"main","count":3,)"
      R"("big":1152921504606846976,"ratio":0.5,"dev":true})");
  EXPECT_EQ(FormatLogLine(Time{}, LogLevel::kDebug, "e", {}),
            R"({"ts":"1970-01-01T00:00:00.000Z","level":"debug","event":"e"})");
}

TEST(FormatLogLine, EscapesWhatATerminalMayActOn) {
  const std::string line = Line("a\nb\r\x1b[31m\x7f\xc2\x9b\"\\\xc3\xa4");
  EXPECT_THAT(line, HasSubstr(R"("value":"a\u000ab\u000d\u001b[31m\u007f\u009b\"\\)"
                              "\xc3\xa4\""));
  for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(FormatLogLine, ReplacesWhatIsNotUtf8) {
  EXPECT_THAT(Line("a\xff\xc3z\xe2\x82"), HasSubstr("\"a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\""));
}

TEST(FormatLogLine, CutsLongValuesBetweenCharacters) {
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(256, 'x')))["value"], std::string(256, 'x'));
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(257, 'x')))["value"], std::string(256, 'x'));
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(255, 'x') + "\xc3\xa4"))["value"], std::string(255, 'x'));
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(254, 'x') + "\xc3\xa4y"))["value"],
            std::string(254, 'x') + "\xc3\xa4");
}

TEST(FormatLogLine, WritesNumbersThatJsonHas) {
  const auto number = [](double value) {
    return nlohmann::json::parse(FormatLogLine(Time{}, LogLevel::kInfo, "e", {{"v", value}}))["v"];
  };
  EXPECT_EQ(number(0.1), 0.1);
  EXPECT_EQ(number(1e300), 1e300);
  EXPECT_TRUE(number(std::numeric_limits<double>::infinity()).is_null());
  EXPECT_TRUE(number(std::nan("")).is_null());
}

TEST(FormatLogLine, IsOneLineOfJsonWhateverTheBytes) {
  std::mt19937 random(5);
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::string line = FormatLogLine(Time{}, LogLevel::kError, bytes, {{bytes, bytes}});
    EXPECT_TRUE(nlohmann::json::accept(line)) << ::testing::PrintToString(line);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_TRUE(IsValidUtf8(line));
  }
}

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_OK(SetLogLevel("")); }
};

TEST_F(LogTest, WritesLinesOfItsLevelAndAboveToStandardError) {
  ::testing::internal::CaptureStderr();
  ASSERT_OK(SetLogLevel("warn"));
  Log(LogLevel::kInfo, "not_this");
  Log(LogLevel::kWarn, "this", {{"format", "{} %s"}});
  Log(LogLevel::kError, "and_this");
  ASSERT_OK(SetLogLevel(""));
  Log(LogLevel::kInfo, "info_again");
  Log(LogLevel::kDebug, "not_that");
  const std::string output = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(output, ::testing::ContainsRegex(
                          "^\\{\"ts\":\"[^\"]+\",\"level\":\"warn\",\"event\":\"this\",\"format\":\"\\{\\} %s\"\\}\n"));
  EXPECT_THAT(output, HasSubstr("and_this"));
  EXPECT_THAT(output, HasSubstr("info_again"));
  EXPECT_THAT(output, Not(HasSubstr("not_th")));
}

TEST_F(LogTest, KnowsWhichLevelsAreWritten) {
  ASSERT_OK(SetLogLevel("error"));
  EXPECT_FALSE(LogEnabled(LogLevel::kWarn));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  ASSERT_OK(SetLogLevel("debug"));
  EXPECT_TRUE(LogEnabled(LogLevel::kDebug));
  ASSERT_OK(SetLogLevel("info"));
  EXPECT_FALSE(LogEnabled(LogLevel::kDebug));
}

TEST_F(LogTest, RefusesUnknownLevelsAndKeepsTheOldOne) {
  ASSERT_OK(SetLogLevel("warn"));
  for (const char* level : {"WARN", "warning", "trace", "off", " "}) {
    EXPECT_THAT(SetLogLevel(level), testing::IsRefusal(v1::FIELD_INVALID)) << level;
  }
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
}

}  // namespace
}  // namespace livekit::token
