#include "jose/json.h"

#include <string>

#include "gtest/gtest.h"

namespace livekit::token::jose {
namespace {

std::string Nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += "{\"a\":";
  text += "1";
  for (int i = 0; i < depth; ++i) text += "}";
  return text;
}

TEST(ParseJsonObject, AcceptsObjects) {
  for (const char* text :
       {"{}", " {\"a\":1}\n", "{\"a\":[{\"a\":1},{\"a\":2}],\"b\":{\"a\":3}}", "{\"\\u00e9\":\"\xc3\xa9\"}"}) {
    EXPECT_TRUE(ParseJsonObject(text).has_value()) << text;
  }
}

TEST(ParseJsonObject, RefusesEverythingElse) {
  for (const std::string& text :
       {std::string(""), std::string("null"), std::string("[]"), std::string("1"), std::string("\"a\""),
        std::string("{"), std::string("{}x"), std::string("{} {}"), std::string("{'a':1}"), std::string("{\"a\":1,}"),
        std::string("{\"a\":01}"), std::string("{\"a\":NaN}"), std::string("\xef\xbb\xbf{}"), std::string("{}\0", 3),
        std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":\"\\ud800\"}"), std::string("{\"a\":\"\xed\xa0\x80\"}"),
        std::string("{\"a\":/**/1}")}) {
    EXPECT_FALSE(ParseJsonObject(text).has_value()) << text;
  }
}

TEST(ParseJsonObject, RefusesAMemberTwiceAtAnyLevel) {
  EXPECT_FALSE(ParseJsonObject(R"({"a":1,"a":1})").has_value());
  EXPECT_FALSE(ParseJsonObject(R"({"a":1,"\u0061":2})").has_value());
  EXPECT_FALSE(ParseJsonObject(R"({"x":[{"y":{"a":1,"b":2,"a":3}}]})").has_value());
}

TEST(ParseJsonObject, LimitsTheDepth) {
  EXPECT_TRUE(ParseJsonObject(Nested(kMaxJsonDepth)).has_value());
  EXPECT_FALSE(ParseJsonObject(Nested(kMaxJsonDepth + 1)).has_value());
  EXPECT_FALSE(ParseJsonObject("{\"a\":" + std::string(1 << 20, '[')).has_value());
  EXPECT_FALSE(ParseJsonObject("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}").has_value());
}

}  // namespace
}  // namespace livekit::token::jose
