// Well-formed and malformed JSON: the classes of text on which parsers are known to differ, written out here and
// combined with the places where they can stand.
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "livekit_token_source.pb.h"
#include "protojson/reader.h"
#include "support/status_matchers.h"

namespace livekit::token::protojson {
namespace {

using token::testing::IsRefusal;

// No JSON value.
std::vector<std::string> MalformedValues() {
  std::vector<std::string> values = {
      // Literals.
      "nul", "nulll", "Null", "NULL", "tru", "True", "TRUE", "truee", "fals", "False", "undefined", "None", "nan",
      "NaN", "Infinity", "-Infinity", "inf", "-NaN", "yes", "a", "'", "truefalse", "true false",
      // Numbers.
      "+1", "01", "-01", "00", "-", "--1", "-+1", "1.", "-1.", ".1", "-.1", "1..2", "1.2.3", "1e", "1e+", "1e-", "1E",
      "e1", "1ee1", "1e1.5", "1e+-1", "0x10", "0xG", "0b1", "0o7", "1_000", "1 000", "1,000", "1f", "1L", "1/2", "2+2",
      "$1", "0.e1", "1.e1", "0e", "012", "-0x1", "1a", "\xEF\xBC\x91",
      "\xE2\x88\x92"
      "1",
      // Strings.
      "\"", "\"a", "'a'", "`a`", "\"a' ", "\"\\\"", "\"\\x41\"", "\"\\a\"", "\"\\0\"", "\"\\v\"", "\"\\'\"", "\"\\u\"",
      "\"\\u0\"", "\"\\u00\"", "\"\\u004\"", "\"\\u00G1\"", "\"\\U0041\"", "\"\\u{41}\"", "\"\\u 041\"", "\"\\\n\"",
      "\"\n\"", "\"\t\"", "\"\r\"", "\"\x01\"", "\"\x1f\"", "\"a\" \"b\"", "\"a\"b", "\\u0041", "\"\\ud800\"",
      "\"\\udc00\"", "\"\\ud800\\ud800\"", "\"\\ud800\\u0041\"", "\"\\ud800a\"", "\"\\udc00\\ud800\"",
      "\"\\uD83D\\uD\"", "\"\\uD83D\\\"",
      "\xE2\x80\x9C"
      "a\xE2\x80\x9D",
      "u\"a\"", "\"a\"\"b\"",
      // Arrays.
      "[", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[1:2]", "[1}", "[]]", "[[]", "]",
      "[\"a\":1]", "[1,2", "[*]", "[...]", "[1,\n", "(1)", "[1]x", "[]{}", "[\"a\",]", "[,\"\"", "[\"\"\x0b]",
      // Objects.
      "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{,\"a\":1}", "{a:1}", "{'a':1}", "{1:1}",
      "{\"a\"}", "{\"a\",\"b\"}", "{\"a\" 1}", "{\"a\"::1}", "{\"a\":1 \"b\":2}", "{\"a\":1;\"b\":2}", "{\"a\"=1}",
      "{\"a\":1]", "{null:1}", "{true:1}", "{[]:1}", "{{}:1}", "{\"a\":}", "{:1}", "{\"a\":1,,\"b\":2}", "{\"a\":1}}",
      "{\"a\":\"b\"#}", "{\"a\":1}/**/", "{\"a\" \"b\"}",
      // Comments, white space that JSON does not know, marks.
      "/*x*/1", "1/*x*/", "//x\n1", "#x\n1", "1//x",
      "\x0c"
      "1",
      "\x0b"
      "1",
      "\xC2\xA0"
      "1",
      "\xE2\x80\x8B"
      "1",
      "\xE2\x80\xA8"
      "1",
      "\xEF\xBB\xBF"
      "1",
      "1\xEF\xBB\xBF", "\x1b[0m1", ";", "<html>", "1;", "&1", "@", "%7B%7D"};
  return values;
}

// Byte sequences that are not UTF-8.
std::vector<std::string> NotUtf8() {
  std::vector<std::string> texts = {"\xc0\x80",
                                    "\xc0\xaf",
                                    "\xc1\xbf",
                                    "\xe0\x80\xaf",
                                    "\xe0\x9f\xbf",
                                    "\xf0\x80\x80\xaf",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf8\x88\x80\x80\x80",
                                    "\xfc\x84\x80\x80\x80\x80",
                                    "\xed\xa0\x80",
                                    "\xed\xaf\xbf",
                                    "\xed\xb0\x80",
                                    "\xed\xbf\xbf",
                                    "\xed\xa0\xbd\xed\xb8\x80",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xf7\xbf\xbf\xbf",
                                    "\xfe",
                                    "\xff",
                                    "\xfe\xff",
                                    "\xff\xfe",
                                    "\xc3",
                                    "\xe2\x82",
                                    "\xe2",
                                    "\xf0\x9f\x98",
                                    "\xf0\x9f",
                                    "\xf0",
                                    "\xc3\x28",
                                    "\xe2\x28\xa1",
                                    "\xe2\x82\x28",
                                    "\xf0\x28\x8c\xbc",
                                    "\xf0\x90\x28\xbc",
                                    "\xf0\x28\x8c\x28",
                                    "\xc3\xa9\xa9",
                                    "\xe9"};
  for (int byte = 0x80; byte < 0xc0; byte += 9) texts.push_back(std::string(1, static_cast<char>(byte)));
  return texts;
}

std::vector<std::string> WellFormedValues() {
  return {"null",
          "true",
          "false",
          "0",
          "-0",
          "1",
          "-1",
          "10",
          "123456789",
          "1.5",
          "-1.5",
          "0.1",
          "1e5",
          "1E5",
          "1e+5",
          "1e-5",
          "0e1",
          "0E+1",
          "0.0e0",
          "1.5e10",
          "9223372036854775807",
          "-9223372036854775808",
          "18446744073709551615",
          "18446744073709551616",
          "1e308",
          "1e-400",
          "-1e-400",
          "0.00000000000000000000000001",
          "\"\"",
          "\"a\"",
          "\" \"",
          "\"\\\"\"",
          "\"\\\\\"",
          "\"\\/\"",
          "\"/\"",
          "\"\\b\\f\\n\\r\\t\"",
          "\"\\u0041\"",
          "\"\\u00e9\"",
          "\"\\uD83D\\uDE00\"",
          "\"\\u0000\"",
          "\"\\uFFFF\"",
          "\"\\u2028\\u2029\"",
          "\"\x7f\"",
          "\"\xc3\xa9\"",
          "\"\xe2\x82\xac\"",
          "\"\xf0\x9f\x98\x80\"",
          "\"\xf4\x8f\xbf\xbf\"",
          "\"\xef\xbf\xbf\"",
          "\"\xee\x80\x80\"",
          "\"\xed\x9f\xbf\"",
          "\"\xef\xbb\xbf\"",
          "\"\xe2\x80\xa8\"",
          "\"//\"",
          "\"/*x*/\"",
          "\"'\"",
          "[]",
          "[ ]",
          "[1]",
          "[1,2]",
          "[ 1 , 2 ]",
          "[[]]",
          "[[],[[]]]",
          "[{}]",
          "[null]",
          "[\"a\",1,true,null,{},[]]",
          "{}",
          "{ }",
          "{\"a\":1}",
          "{\"a\":1,\"b\":2}",
          "{\"\":0}",
          "{\" \":0}",
          "{\"a\":{}}",
          "{\"a\":{\"a\":{\"a\":[]}}}",
          "{\"\\u0061\":1,\"A\":2}",
          "{\"a\":[{\"b\":1},{\"b\":1}]}",
          "\t\r\n 1 \t\r\n",
          "[\n1\n]",
          "{\"a\"\n:\n1}"};
}

absl::Status ReadText(const std::string& json) {
  livekit::TokenSourceRequest request;
  return Read(json, ReadOptions(), request);
}

std::string Printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    char piece[5];
    std::snprintf(piece, sizeof piece, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", static_cast<unsigned char>(c));
    out += piece;
  }
  return out;
}

TEST(ReadJsonText, RefusesMalformedValuesWhereverTheyStand) {
  const auto values = MalformedValues();
  EXPECT_GE(std::set<std::string>(values.begin(), values.end()).size(), 120u);
  for (const std::string& value : values) {
    for (const std::string& text : {value, "{\"x\":" + value + "}", "{\"room_config\":{\"x\":[" + value + "]}}"}) {
      EXPECT_THAT(ReadText(text), IsRefusal(v1::INVALID_JSON)) << Printable(text);
    }
    // Where the schema expects something, a wrong type may be seen before the fault in the text.
    EXPECT_FALSE(ReadText("{\"room_name\":" + value + ",\"participant_name\":\"a\"}").ok()) << Printable(value);
  }
}

TEST(ReadJsonText, AcceptsWellFormedValuesAsUnknownMembers) {
  const auto values = WellFormedValues();
  EXPECT_GE(std::set<std::string>(values.begin(), values.end()).size(), 60u);
  for (const std::string& value : values) {
    for (const std::string& text : {"{\"x\":" + value + "}", "{\"room_config\":{\"x\":[" + value + "]}}",
                                    " {\"x\" : " + value + " , \"y\":" + value + "}\n"}) {
      EXPECT_OK(ReadText(text)) << Printable(text);
    }
  }
}

TEST(ReadJsonText, RefusesEveryTruncationOfAnObject) {
  const std::string text =
      "{\"room_name\":\"\\u00e9\xc3\xa9\",\"participant_attributes\":{\"a\":\"b\"},\"room_config\":{\"empty_timeout\":"
      "1.0e1,\"sync_streams\":true,\"agents\":[{\"agent_name\":null},{}]},\"x\":[-1,false]}";
  ASSERT_OK(ReadText(text));
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THAT(ReadText(text.substr(0, length)), IsRefusal(v1::INVALID_JSON)) << length;
  }
}

TEST(ReadJsonText, RefusesTextThatFollowsTheObject) {
  for (const char* tail : {"{}", "[]", ",", "}", "]", "x", "\"", "0", "//", "/**/", "#", ";", "null", "\xff", "\x01",
                           "\xEF\xBB\xBF", "\xc2\xa0"}) {
    EXPECT_THAT(ReadText(std::string("{}") + tail), IsRefusal(v1::INVALID_JSON)) << Printable(tail);
    EXPECT_THAT(ReadText(std::string("{} \n") + tail), IsRefusal(v1::INVALID_JSON)) << Printable(tail);
  }
}

TEST(ReadJsonText, RefusesBytesThatAreNotUtf8) {
  for (const std::string& bytes : NotUtf8()) {
    for (const std::string& text :
         {"{\"room_name\":\"a" + bytes + "\"}", "{\"x\":\"" + bytes + "b\"}", "{\"" + bytes + "\":1}",
          "{\"participant_attributes\":{\"" + bytes + "\":\"\"}}", "{\"x\":" + bytes + "}", "{}" + bytes}) {
      EXPECT_THAT(ReadText(text), IsRefusal(v1::INVALID_JSON)) << Printable(text);
    }
  }
}

TEST(ReadJsonText, RefusesOtherEncodings) {
  const std::string text = "{\"x\":1}";
  for (const bool little : {true, false}) {
    for (const int zeros : {1, 3}) {
      std::string wide;
      for (const char c : text) {
        const std::string padding(static_cast<std::size_t>(zeros), '\0');
        wide += little ? c + padding : padding + c;
      }
      EXPECT_THAT(ReadText(wide), IsRefusal(v1::INVALID_JSON));
    }
  }
}

}  // namespace
}  // namespace livekit::token::protojson
