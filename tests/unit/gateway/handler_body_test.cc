// Bodies: what the SDKs send, and what attackers send.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "handler_fixture.h"

namespace livekit::token::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TokenHandlerBodyTest : public HandlerTest {
 protected:
  // What the token server is asked for `body`, which must be accepted.
  livekit::TokenSourceRequest Relayed(const std::string& body, std::vector<http::Header> headers = {}) {
    const std::size_t before = backend.items.size();
    const auto response = Ask(Post(body, std::move(headers)));
    EXPECT_EQ(response.status, 201) << body << " -> " << response.body;
    return backend.items.size() > before ? backend.items.back().request() : livekit::TokenSourceRequest();
  }
};

TEST_F(TokenHandlerBodyTest, TakesNoBodyForAnEmptyObject) {
  for (const char* body : {"", "{}", " {}\r\n"}) {
    EXPECT_EQ(Relayed(body).ByteSizeLong(), 0u) << body;
  }
}

TEST_F(TokenHandlerBodyTest, ReadsWhatTheJavaScriptSdkSends) {
  EXPECT_EQ(Relayed("{}").ByteSizeLong(), 0u);
  const auto request =
      Relayed(R"({"room_name":"standup","participant_name":"Alice","participant_identity":"alice",)"
              R"("participant_metadata":"{\"team\":\"red\"}","participant_attributes":{"lang":"en","theme":"dark"},)"
              R"("room_config":{"agents":[{"agent_name":"helper","metadata":"be kind","deployment":"blue"}]}})",
              {{"User-Agent", "Mozilla/5.0"}, {"Accept", "*/*"}, {"Sec-Fetch-Mode", "cors"}});
  EXPECT_EQ(request.room_name(), "standup");
  EXPECT_EQ(request.participant_name(), "Alice");
  EXPECT_EQ(request.participant_identity(), "alice");
  EXPECT_EQ(request.participant_metadata(), R"({"team":"red"})");
  EXPECT_EQ(request.participant_attributes().at("lang"), "en");
  EXPECT_EQ(request.participant_attributes().at("theme"), "dark");
  ASSERT_EQ(request.room_config().agents_size(), 1);
  EXPECT_EQ(request.room_config().agents(0).agent_name(), "helper");
  EXPECT_EQ(request.room_config().agents(0).metadata(), "be kind");
  EXPECT_EQ(request.room_config().agents(0).deployment(), "blue");
}

TEST_F(TokenHandlerBodyTest, ReadsAnAgentWithAnEmptyNameAsOneAgent) {
  const auto request = Relayed(R"({"room_config":{"agents":[{}]}})");
  ASSERT_EQ(request.room_config().agents_size(), 1);
  EXPECT_EQ(request.room_config().agents(0).ByteSizeLong(), 0u);
}

TEST_F(TokenHandlerBodyTest, ReadsWhatTheSwiftSdkSends) {
  const auto empty = Relayed(R"({"room_config":{}})");
  EXPECT_TRUE(empty.has_room_config());
  EXPECT_EQ(empty.room_config().ByteSizeLong(), 0u);
  const auto request = Relayed(
      R"({"participant_identity":"bob","room_name":"team\/red","room_config":{"agents":[{"agent_name":"a\/b"}]}})");
  EXPECT_EQ(request.room_name(), "team/red");
  EXPECT_EQ(request.room_config().agents(0).agent_name(), "a/b");
}

TEST_F(TokenHandlerBodyTest, ReadsWhatTheAndroidAndFlutterSdksSend) {
  EXPECT_EQ(Relayed(R"({"room_config":{}})", {{"Content-Type", "application/json; charset=utf-8"}})
                .room_config()
                .ByteSizeLong(),
            0u);
  EXPECT_EQ(Relayed(R"({"room_config":{"agents":[]}})").room_config().agents_size(), 0);
  const auto request = Relayed(
      R"({"room_name":"","participant_name":"Zoë","room_config":{"agents":[{"agent_name":"x","metadata":""}]}})");
  EXPECT_TRUE(request.has_room_name());
  EXPECT_EQ(request.room_name(), "");
  EXPECT_EQ(request.participant_name(), "Zo\xc3\xab");
}

TEST_F(TokenHandlerBodyTest, ReadsWhatTheCppAndUnitySdksSend) {
  EXPECT_EQ(Relayed("{}", {{"User-Agent", "LiveKit-CPP/1.0"}, {"Expect", "100-continue"}}).ByteSizeLong(), 0u);
  const auto request = Relayed(R"({"room_name":"r","room_config":{"agents":[{"agent_name":"n","deployment":"d"}]}})");
  EXPECT_FALSE(request.has_participant_name());
  EXPECT_EQ(request.room_config().agents(0).deployment(), "d");
}

TEST_F(TokenHandlerBodyTest, ReadsCamelCaseAsTheMicrocontrollersSendIt) {
  const auto request = Relayed(R"({"roomName":"r","participantName":"p"})");
  EXPECT_EQ(request.room_name(), "r");
  EXPECT_EQ(request.participant_name(), "p");
}

TEST_F(TokenHandlerBodyTest, ReadsNullAsAbsent) {
  const auto request =
      Relayed(R"({"room_name":null,"participant_name":null,"participant_identity":null,"participant_metadata":null,)"
              R"("participant_attributes":null,"room_config":null})");
  EXPECT_EQ(request.ByteSizeLong(), 0u);
  EXPECT_FALSE(request.has_room_name());
  EXPECT_FALSE(request.has_room_config());
}

TEST_F(TokenHandlerBodyTest, IgnoresAndNeverPassesOnWhatItDoesNotKnow) {
  const auto request = Relayed(R"({"room_name":"r","ttl":"1h","room_config":{"future":{"a":[1]},"agents":[]}})");
  livekit::TokenSourceRequest expected;
  expected.set_room_name("r");
  expected.mutable_room_config();
  EXPECT_EQ(request.SerializeAsString(), expected.SerializeAsString());
  EXPECT_THAT(metrics.Serialize(), HasSubstr("livekit_token_unknown_fields_total 2"));
}

struct BadBody {
  std::string name;
  std::string body;
  std::string reason;
  std::string field = "";  // the one that must be named, if any
};

// MARK stands wherever a client's own text can stand.
std::vector<BadBody> BadBodies() {
  const std::string nul(1, '\0');
  std::string many = "{\"participant_attributes\":{";
  for (int i = 0; i < 20000; ++i) many += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":\"v\"";
  many += "}}";
  return {
      // Not one JSON object.
      {"array", R"(["MARK"])", "INVALID_JSON"},
      {"string", R"("MARK")", "INVALID_JSON"},
      {"number", "1", "INVALID_JSON"},
      {"null", "null", "INVALID_JSON"},
      {"space only", " ", "INVALID_JSON"},
      {"truncated", R"({"room_name":"MARK)", "INVALID_JSON"},
      {"truncated after key", R"({"MARK")", "INVALID_JSON"},
      {"trailing text", R"({}MARK)", "INVALID_JSON"},
      {"two objects", R"({}{"MARK":1})", "INVALID_JSON"},
      {"trailing comma", R"({"room_name":"MARK",})", "INVALID_JSON"},
      {"single quotes", R"({'room_name':'MARK'})", "INVALID_JSON"},
      {"bare key", R"({room_name:"MARK"})", "INVALID_JSON"},
      {"comment", R"({/*MARK*/})", "INVALID_JSON"},
      {"raw control character", "{\"room_name\":\"MARK\n\"}", "INVALID_JSON"},
      {"form", "room_name=MARK", "INVALID_JSON"},
      {"binary", std::string("\x00\x01\xfe\xff MARK", 9), "INVALID_JSON"},
      // D-20
      {"depth bomb", std::string(60000, '['), "INVALID_JSON"},
      {"depth bomb inside a known field", R"({"room_config":)" + std::string(60000, '['), "FIELD_INVALID",
       "room_config"},
      {"depth bomb inside an unknown field", R"({"MARK":)" + std::string(60000, '['), "INVALID_JSON"},
      {"closed depth bomb", R"({"MARK":)" + std::string(33, '[') + std::string(33, ']') + "}", "INVALID_JSON"},
      {"too many members", many, "FIELD_INVALID"},
      // D-21
      {"duplicate", R"({"room_name":"MARK","room_name":"MARK"})", "FIELD_INVALID", "room_name"},
      {"escaped duplicate", R"({"room_name":"a","room\u005fname":"MARK"})", "FIELD_INVALID", "room_name"},
      {"alias twin", R"({"room_name":"a","roomName":"MARK"})", "FIELD_INVALID", "room_name"},
      {"alias twin, other order", R"({"roomName":"a","room_name":"MARK"})", "FIELD_INVALID", "room_name"},
      {"twin of null", R"({"room_name":null,"roomName":"MARK"})", "FIELD_INVALID", "room_name"},
      {"duplicate message", R"({"room_config":{},"roomConfig":{}})", "FIELD_INVALID", "room_config"},
      {"duplicate inside room_config", R"({"room_config":{"name":"a","name":"MARK"}})", "FIELD_INVALID",
       "room_config.name"},
      {"twin inside an agent", R"({"room_config":{"agents":[{"agent_name":"a","agentName":"MARK"}]}})", "FIELD_INVALID",
       "room_config.agents[0].agent_name"},
      // D-22
      {"bad UTF-8", "{\"room_name\":\"MARK\xff\"}", "INVALID_JSON"},
      {"overlong UTF-8", "{\"room_name\":\"MARK\xc0\xaf\"}", "INVALID_JSON"},
      {"surrogate in UTF-8", "{\"room_name\":\"MARK\xed\xa0\x80\"}", "INVALID_JSON"},
      {"lone surrogate", R"({"room_name":"MARK\ud800"})", "INVALID_JSON"},
      {"BOM", "\xef\xbb\xbf{\"room_name\":\"MARK\"}", "INVALID_JSON"},
      {"NUL after the end", "{}" + nul + "MARK", "INVALID_JSON"},
      {"NaN", R"({"MARK":NaN})", "INVALID_JSON"},
      {"Infinity", R"({"MARK":-Infinity})", "INVALID_JSON"},
      {"int out of range", R"({"room_config":{"max_participants":4294967296}})", "FIELD_INVALID",
       "room_config.max_participants"},
      {"negative for unsigned", R"({"room_config":{"max_participants":-1}})", "FIELD_INVALID",
       "room_config.max_participants"},
      {"fraction for int", R"({"room_config":{"max_participants":1.5}})", "FIELD_INVALID",
       "room_config.max_participants"},
      {"huge exponent", R"({"room_config":{"max_participants":1e400}})", "", ""},
      {"number for string", R"({"room_name":5})", "FIELD_INVALID", "room_name"},
      {"object for string", R"({"participant_identity":{"MARK":"MARK"}})", "FIELD_INVALID", "participant_identity"},
      {"array for string", R"({"participant_metadata":["MARK"]})", "FIELD_INVALID", "participant_metadata"},
      {"bool for string", R"({"participant_name":true})", "FIELD_INVALID", "participant_name"},
      {"array for map", R"({"participant_attributes":["MARK"]})", "FIELD_INVALID", "participant_attributes"},
      {"string for message", R"({"room_config":"MARK"})", "FIELD_INVALID", "room_config"},
      {"object for list", R"({"room_config":{"agents":{"MARK":1}}})", "FIELD_INVALID", "room_config.agents"},
      {"null in list", R"({"room_config":{"agents":[null]}})", "FIELD_INVALID"},
      {"null in map", R"({"participant_attributes":{"MARK":null}})", "FIELD_INVALID"},
      {"number in map", R"({"participant_attributes":{"MARK":1}})", "FIELD_INVALID"},
      {"unknown enum name", R"({"room_config":{"agents":[{"restart_policy":"MARK"}]}})", "FIELD_INVALID",
       "room_config.agents[0].restart_policy"},
      {"string for bool", R"({"room_config":{"sync_streams":"true"}})", "FIELD_INVALID", "room_config.sync_streams"},
  };
}

TEST_F(TokenHandlerBodyTest, RefusesBadBodiesWithoutEchoingThem) {
  for (const BadBody& bad : BadBodies()) {
    SCOPED_TRACE(bad.name);
    const auto response = Ask(Post(bad.body));
    EXPECT_EQ(response.status, 400);
    if (!bad.reason.empty()) {
      EXPECT_EQ(ReasonIn(response), bad.reason);
    }
    EXPECT_LE(response.body.size(), 1024u);
    EXPECT_THAT(response.body, Not(HasSubstr("MARK")));
    const auto json = JsonOf(response);
    ASSERT_TRUE(json.is_object());
    EXPECT_FALSE(json.contains("server_url"));
    EXPECT_FALSE(json.contains("participant_token"));
    if (!bad.field.empty()) {
      ASSERT_TRUE(json.contains("fields")) << response.body;
      EXPECT_EQ(json["fields"][0]["field"], bad.field);
    }
  }
  EXPECT_TRUE(backend.items.empty());
}

TEST_F(TokenHandlerBodyTest, RefusesEveryPrefixOfAGoodBody) {
  const std::string body =
      R"({"room_name":"r\u00e9","participant_attributes":{"a":"b"},"room_config":{"agents":[{"agent_name":"n"}]}})";
  ASSERT_EQ(Ask(Post(body)).status, 201);
  for (std::size_t size = 1; size < body.size(); ++size) {
    EXPECT_EQ(Ask(Post(body.substr(0, size))).status, 400) << body.substr(0, size);
  }
}

TEST_F(TokenHandlerBodyTest, PutsNothingOfTheRequestIntoAnErrorAnswer) {
  std::vector<http::Request> requests;
  const auto add = [&](auto change) {
    auto request = Post("{}");
    change(request);
    requests.push_back(request);
  };
  add([](auto& r) { r.path = "/MARK"; });
  add([](auto& r) { r.method = "MARK"; });
  add([](auto& r) { r.body = "MARK"; });
  add([](auto& r) { Set(r, "Content-Type", "text/MARK"); });
  add([](auto& r) { Set(r, "Content-Encoding", "MARK"); });
  add([](auto& r) { Set(r, "Origin", "https://MARK.example"); });
  add([](auto& r) {
    Set(r, "Authorization", "MARK");
    r.headers.push_back({"Authorization", "MARK"});
  });
  add([](auto& r) { Set(r, "Authorization", "MARK\xff"); });
  for (auto& request : requests) {
    Set(request, "X-Request-Id", "MARK!");
    Set(request, "MARK", "MARK");
    Set(request, "User-Agent", "MARK");
    if (request.body == "{}") request.body = R"({"room_name":"MARK","MARK":"MARK"})";
    const auto response = Ask(request);
    EXPECT_GE(response.status, 400);
    EXPECT_THAT(AsciiLower(response.body), Not(HasSubstr("mark")));
    for (const auto& header : response.headers) {
      EXPECT_THAT(AsciiLower(header.name + header.value), Not(HasSubstr("mark")));
    }
  }
  EXPECT_TRUE(backend.items.empty());
}

}  // namespace
}  // namespace livekit::token::gateway
