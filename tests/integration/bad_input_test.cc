// Hostile bodies through the real program: each row has one answer, and the program goes on.

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::PostRequest;
using testing::Program;
using testing::RawClient;

struct Row {
  const char* name;
  std::string body;
  int status;
  const char* reason;
};

std::string Repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::string Members(int count) {
  std::string out = "{\"participant_attributes\":{";
  for (int i = 0; i < count; ++i) out += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"\"";
  return out + "}}";
}

const std::vector<Row>& Rows() {
  static const auto* const rows = new std::vector<Row>{
      // Depth and size (peers-and-users D-20).
      {"depth of arrays", "{\"x\":" + Repeat("[", 60000), 400, "INVALID_JSON"},
      {"depth of objects", Repeat("{\"a\":", 10000) + "1" + Repeat("}", 10000), 400, "INVALID_JSON"},
      {"depth in room_config", "{\"room_config\":{\"x\":" + Repeat("[", 40) + Repeat("]", 40) + "}}", 400, nullptr},
      {"a megabyte of brackets", Repeat("[", 1 << 20), 413, "BODY_TOO_LARGE"},
      {"100,000 members", Members(100000), 413, "BODY_TOO_LARGE"},
      {"64 KiB exactly, too long a field", "{\"room_name\":\"" + Repeat("r", 65536 - 16) + "\"}", 400,
       "FIELD_TOO_LONG"},
      {"64 KiB and a byte", "{\"room_name\":\"" + Repeat("r", 65536 - 15) + "\"}", 413, "BODY_TOO_LARGE"},
      // Duplicates (D-21).
      {"duplicate", R"({"room_name":"a","room_name":"b"})", 400, "FIELD_INVALID"},
      {"duplicate, escaped", R"({"room_name":"a","room\u005fname":"b"})", 400, "FIELD_INVALID"},
      {"both spellings", R"({"room_name":"a","roomName":"b"})", 400, "FIELD_INVALID"},
      {"both spellings, other order", R"({"roomName":"b","room_name":"a"})", 400, "FIELD_INVALID"},
      {"duplicate in room_config", R"({"room_config":{"max_participants":1,"maxParticipants":2}})", 400,
       "FIELD_INVALID"},
      {"duplicate agent name", R"({"room_config":{"agents":[{"agent_name":"a","agentName":"b"}]}})", 400,
       "FIELD_INVALID"},
      {"duplicate attribute", R"({"participant_attributes":{"a":"1","a":"2"}})", 400, "FIELD_INVALID"},
      {"duplicate in an unknown field", R"({"x":{"a":1,"a":2}})", 400, "INVALID_JSON"},
      {"null beside a value", R"({"room_name":null,"room_name":"a"})", 400, "FIELD_INVALID"},
      // Bytes and numbers (D-22).
      {"invalid UTF-8", "{\"room_name\":\"\xff\"}", 400, nullptr},
      {"overlong UTF-8", "{\"room_name\":\"\xc0\xaf\"}", 400, nullptr},
      {"encoded surrogate", "{\"room_name\":\"\xed\xa0\x80\"}", 400, nullptr},
      {"lone surrogate", R"({"room_name":"\ud800"})", 400, nullptr},
      {"surrogates reversed", R"({"room_name":"\udc00\ud800"})", 400, nullptr},
      {"raw NUL", std::string("{\"room_name\":\"a\0b\"}", 20), 400, "INVALID_JSON"},
      {"NUL behind the body", std::string("{}\0", 3), 400, "INVALID_JSON"},
      {"raw control character", "{\"room_name\":\"a\x01\"}", 400, nullptr},
      {"byte order mark", "\xef\xbb\xbf{}", 400, "INVALID_JSON"},
      {"NaN", R"({"room_config":{"empty_timeout":NaN}})", 400, nullptr},
      {"Infinity", R"({"room_config":{"empty_timeout":Infinity}})", 400, nullptr},
      {"1e400", R"({"room_config":{"empty_timeout":1e400}})", 400, nullptr},
      {"out of range", R"({"room_config":{"empty_timeout":4294967296}})", 400, "FIELD_INVALID"},
      {"negative", R"({"room_config":{"empty_timeout":-1}})", 400, "FIELD_INVALID"},
      {"string for an object", R"({"room_config":"x"})", 400, "FIELD_INVALID"},
      {"object for a string", R"({"room_name":{}})", 400, "FIELD_INVALID"},
      {"number for a string", R"({"participant_identity":5})", 400, "FIELD_INVALID"},
      {"bool as text", R"({"room_config":{"sync_streams":"true"}})", 400, "FIELD_INVALID"},
      {"null in a list", R"({"room_config":{"agents":[null]}})", 400, "FIELD_INVALID"},
      {"null in a map", R"({"participant_attributes":{"a":null}})", 400, "FIELD_INVALID"},
      // Truncated, empty and foreign.
      {"truncated", R"({"room_name":"a)", 400, nullptr},
      {"trailing text", "{}{}", 400, "INVALID_JSON"},
      {"trailing comma", R"({"room_name":"a",})", 400, "INVALID_JSON"},
      {"single quotes", "{'room_name':'a'}", 400, "INVALID_JSON"},
      {"bare name", "{room_name:\"a\"}", 400, "INVALID_JSON"},
      {"comment", "{}//", 400, "INVALID_JSON"},
      {"array", "[]", 400, "INVALID_JSON"},
      {"null", "null", 400, "INVALID_JSON"},
      {"string", "\"{}\"", 400, "INVALID_JSON"},
      {"white space only", " ", 400, "INVALID_JSON"},
      {"binary", std::string("\x00\x01\x02\xfe\xff", 5), 400, "INVALID_JSON"},
      {"protobuf", "\n\x04room", 400, "INVALID_JSON"},
      // Beyond what may stand in a token.
      {"token too large", "{\"participant_metadata\":\"" + Repeat("m", 9000) + "\"}", 400, "TOKEN_TOO_LARGE"},
      {"identity too long", "{\"participant_identity\":\"" + Repeat("i", 257) + "\"}", 400, "FIELD_TOO_LONG"},
      {"S3 secret", R"({"room_config":{"egress":{"tracks":{"s3":{"secret":"MARKER"}}}}})", 403,
       "CREDENTIALS_IN_ROOM_CONFIG"},
  };
  return *rows;
}

TEST(BadInput, HasOneAnswerAndTheProgramGoesOn) {
  Program program("livekit-token-standalone",
                  {"--dev", "--http_listen=127.0.0.1:0", "--grpc_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0"});
  const int port = program.AwaitPort("http");
  ASSERT_NE(port, 0) << program.Output();
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.name);
    RawClient client(port);
    const auto response = client.Exchange(PostRequest("/getToken", row.body));
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, row.status);
    const json answer = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(answer.is_object()) << response->body;
    EXPECT_EQ(answer["reason"], row.reason == nullptr ? answer["reason"] : json(row.reason));
    EXPECT_LE(response->body.size(), 1024u);
    EXPECT_EQ(response->body.find("MARKER"), std::string::npos);
    // One answer for one request, and then either the next one or the end.
    const auto next = client.Exchange(PostRequest("/getToken", "{}"));
    EXPECT_EQ(next.has_value() ? next->status : 201, 201);
  }
  RawClient client(port);
  const auto last = client.Exchange(PostRequest("/getToken", "{}"));
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->status, 201);
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), 0) << program.Output();
}

}  // namespace
}  // namespace livekit::token
