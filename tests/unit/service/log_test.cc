#include "service/log.h"

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

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

std::string Line(std::string_view value) {
  return FormatLogLine(Time{}, LogLevel::kInfo, "started", "", {{"why", value}});
}

TEST(FormatLogLine, WritesOneObject) {
  EXPECT_EQ(
      FormatLogLine(
          Time(std::chrono::milliseconds(1'795'335'585'007)), LogLevel::kWarn, "stopped", R"(,"pod":"a")",
          {{"name", "main"}, {"items", 3}, {"needed", std::int64_t{1} << 60}, {"duration_ms", 0.5}, {"clean", true}}),
      R"({"ts":"2026-11-22T08:19:45.007Z","level":"warn","event":"stopped","pod":"a","name":"main","items":3,)"
      R"("needed":1152921504606846976,"duration_ms":0.5,"clean":true})");
  EXPECT_EQ(FormatLogLine(Time{}, LogLevel::kDebug, "started", "", {}),
            R"({"ts":"1970-01-01T00:00:00.000Z","level":"debug","event":"started"})");
}

TEST(FormatLogLine, EscapesWhatATerminalMayActOn) {
  const std::string line = Line("a\nb\r\x1b[31m\x7f\xc2\x9b\"\\\xc3\xa4");
  EXPECT_THAT(line, HasSubstr(R"("why":"a\u000ab\u000d\u001b[31m\u007f\u009b\"\\)"
                              "\xc3\xa4\""));
  for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(FormatLogLine, ReplacesWhatIsNotUtf8) {
  EXPECT_THAT(Line("a\xff\xc3z\xe2\x82"), HasSubstr("\"a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\""));
}

TEST(FormatLogLine, CutsLongValuesBetweenCharacters) {
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(256, 'x')))["why"], std::string(256, 'x'));
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(257, 'x')))["why"], std::string(256, 'x'));
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(255, 'x') + "\xc3\xa4"))["why"], std::string(255, 'x'));
  EXPECT_EQ(nlohmann::json::parse(Line(std::string(254, 'x') + "\xc3\xa4y"))["why"],
            std::string(254, 'x') + "\xc3\xa4");
}

TEST(FormatLogLine, WritesNumbersThatJsonHas) {
  const auto number = [](double value) {
    return nlohmann::json::parse(
        FormatLogLine(Time{}, LogLevel::kInfo, "started", "", {{"duration_ms", value}}))["duration_ms"];
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
    const std::string line = Line(bytes);
    EXPECT_TRUE(nlohmann::json::accept(line)) << ::testing::PrintToString(line);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_TRUE(IsValidUtf8(line));
  }
}

// What a name in a request may try, and what no reader may see as more than one line or one object.
TEST(IsPlainLogString, SeesWhatIsToBeChangedAtEveryPlace) {
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::string plain(size, 'x');
    std::string text;
    AppendLogString(plain, text);
    EXPECT_EQ(text, '"' + plain + '"');
    EXPECT_TRUE(IsPlainLogString(plain)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string value = plain;
        value[at] = static_cast<char>(c);
        // The space before a credential, and a letter that a token begins with.
        const bool is_plain = c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != 'J';
        ASSERT_EQ(IsPlainLogString(value), is_plain) << size << ' ' << at << ' ' << c;
      }
    }
  }
  EXPECT_TRUE(IsPlainLogString(std::string(kMaxLogString, 'x')));
  EXPECT_FALSE(IsPlainLogString(std::string(kMaxLogString + 1, 'x')));
}

TEST(FormatLogTime, WritesEveryPartOfATime) {
  using namespace std::chrono;
  const auto text = [](Time time) {
    const auto array = FormatLogTime(time);
    return std::string(array.data(), array.size());
  };
  EXPECT_EQ(text(sys_days(year(1970) / 1 / 1)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(text(sys_days(year(2024) / 2 / 29) + hours(23) + minutes(59) + seconds(58) + milliseconds(7)),
            "2024-02-29T23:59:58.007Z");
  EXPECT_EQ(text(sys_days(year(2262) / 4 / 11) + hours(12) + milliseconds(999) + microseconds(999)),
            "2262-04-11T12:00:00.999Z");
  // Rounded down also before 1970.
  EXPECT_EQ(text(sys_days(year(1970) / 1 / 1) - microseconds(1)), "1969-12-31T23:59:59.999Z");
}

TEST(FormatLogLine, KeepsForgedLinesInsideTheirValue) {
  for (const std::string forged :
       {"a\r\n{\"fake\":1}", "a\n{\"ts\":\"x\"}", "a\",\"level\":\"error", "a\xe2\x80\xa8{\"fake\":1}",
        "a\xe2\x80\xa9x", "a\xc2\x85{\"fake\":1}", "a\\\",\"fake\":1", "a\x1b]0;x\x07",
        "\xc2\x9b"
        "2J"}) {
    const std::string line = Line(forged);
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json.size(), 4u) << line;
    EXPECT_EQ(json["why"], forged);
    EXPECT_EQ(json["level"], "info");
    for (const char* end : {"\n", "\r", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xc2\x85", "\x1b", "\x07", "\xc2\x9b"}) {
      EXPECT_THAT(line, Not(HasSubstr(end)));
    }
  }
}

TEST(FormatLogLine, LeavesCredentialsOut) {
  const std::string token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
  EXPECT_THAT(Line("with " + token + " in it"), HasSubstr(R"("why":"with *** in it")"));
  // Also if the cut goes through it, or is before where it would be without what else is left out.
  EXPECT_THAT(Line(std::string(250, 'x') + token), Not(HasSubstr("xe")));
  EXPECT_THAT(Line(token + " " + std::string(200, 'x') + " " + token), Not(HasSubstr("eyJ")));
}

TEST(LogNames, AreListedOnceAndInOrder) {
  for (std::size_t i = 1; i < std::size(kLogEvents); ++i) EXPECT_LT(kLogEvents[i - 1].name, kLogEvents[i].name);
  const std::vector<std::string_view> first = {"ts", "level", "event", "component", "version", "pod"};
  for (std::size_t i = 0; i < std::size(kLogFields); ++i) {
    if (i < first.size()) {
      EXPECT_EQ(kLogFields[i].name, first[i]);
    } else if (i > first.size()) {
      EXPECT_LT(kLogFields[i - 1].name, kLogFields[i].name);
    }
    EXPECT_FALSE(kLogFields[i].meaning.empty());
  }
}

TEST(LogNames, OfEventsAreAllInUse) {
  std::string sources;
  for (const char* folder : {"lib", "server", "gateway"}) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(std::string(SOURCE_DIR "/") + folder)) {
      if (file.path().extension() != ".cc") continue;
      std::ifstream stream(file.path());
      sources.append(std::istreambuf_iterator<char>(stream), {});
    }
  }
  for (const LogEventInfo& event : kLogEvents) {
    EXPECT_NE(sources.find('"' + std::string(event.name) + '"'), std::string::npos) << event.name;
    EXPECT_FALSE(event.level.empty());
    EXPECT_FALSE(event.meaning.empty());
  }
}

TEST(LogLines, OfSuccessesAreWrittenForTheirShare) {
  EXPECT_TRUE(IsShare(0));
  EXPECT_TRUE(IsShare(1));
  for (const double value : {-0.001, 1.001, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_FALSE(IsShare(value)) << value;
  }
  const auto due = [](double share) {
    int count = 0;
    for (int i = 0; i < 10'000; ++i) count += int{AccessLineDue(share)};
    return count;
  };
  EXPECT_EQ(due(1), 10'000);
  EXPECT_EQ(due(0), 0);
  EXPECT_NEAR(due(0.1), 1'000, 200);  // more than six standard deviations
}

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_OK(SetLogLevel("")); }
};

TEST_F(LogTest, WritesLinesOfItsLevelAndAboveToStandardError) {
  ::testing::internal::CaptureStderr();
  ASSERT_OK(SetLogLevel("warn"));
  Log(LogLevel::kInfo, "draining");
  Log(LogLevel::kWarn, "stopped", {{"why", "{} %s"}});
  Log(LogLevel::kError, "stuck");
  ASSERT_OK(SetLogLevel(""));
  Log(LogLevel::kInfo, "listening");
  Log(LogLevel::kDebug, "jwt_refused");
  const std::string output = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(output, ::testing::ContainsRegex(
                          "^\\{\"ts\":\"[^\"]+\",\"level\":\"warn\",\"event\":\"stopped\",\"why\":\"\\{\\} %s\"\\}\n"));
  EXPECT_THAT(output, HasSubstr("stuck"));
  EXPECT_THAT(output, HasSubstr("listening"));
  EXPECT_THAT(output, Not(HasSubstr("draining")));
  EXPECT_THAT(output, Not(HasSubstr("jwt_refused")));
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
