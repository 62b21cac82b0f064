// The rules of the reader on LiveKit's request. For every text that is accepted there is one that is not.
#include "protojson/reader.h"

#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "livekit/token/v1/grants.pb.h"
#include "livekit_token_source.pb.h"
#include "protojson/writer.h"
#include "support/status_matchers.h"

namespace livekit::token::protojson {
namespace {

using token::testing::IsFieldRefusal;
using token::testing::IsRefusal;

absl::Status ReadRequest(const std::string& json, livekit::TokenSourceRequest* request = nullptr,
                         ReadReport* report = nullptr) {
  livekit::TokenSourceRequest ignored;
  return Read(json, ReadOptions(), request != nullptr ? *request : ignored, report);
}

// What a room configuration is after reading, as canonical JSON; the path at fault otherwise.
std::string RoomConfig(const std::string& json) {
  livekit::TokenSourceRequest request;
  const absl::Status status = ReadRequest("{\"room_config\":" + json + "}", &request);
  if (!status.ok()) {
    const v1::Error error = ToError(status);
    return v1::ErrorReason_Name(error.reason()) + (error.fields_size() == 1 ? " " + error.fields(0).field() : "");
  }
  std::string out;
  EXPECT_TRUE(Append(request.room_config(), out));
  return out;
}

std::string Encoding(const std::string& member, const std::string& value) {
  return RoomConfig("{\"egress\":{\"participant\":{\"advanced\":{\"" + member + "\":" + value + "}}}}");
}

constexpr char kAdvanced[] = "FIELD_INVALID room_config.egress.participant.advanced.";

TEST(Read, AcceptsBothSpellings) {
  livekit::TokenSourceRequest request;
  ASSERT_OK(
      ReadRequest(R"({"room_name":"r","participantIdentity":"i","roomConfig":{"max_participants":1}})", &request));
  EXPECT_EQ(request.room_name(), "r");
  EXPECT_EQ(request.participant_identity(), "i");
  EXPECT_EQ(request.room_config().max_participants(), 1u);
  EXPECT_FALSE(request.has_participant_name());
}

TEST(Read, ClearsTheMessageFirst) {
  livekit::TokenSourceRequest request;
  request.set_room_name("left over");
  ASSERT_OK(ReadRequest("{}", &request));
  EXPECT_FALSE(request.has_room_name());
}

TEST(Read, CountsAndIgnoresUnknownMembers) {
  livekit::TokenSourceRequest request;
  ReadReport report;
  ASSERT_OK(ReadRequest(R"({"x":{"y":[1,null,{"z":"room_name"}]},"room_config":{"future":1,"agents":[{"f":null}]},)"
                        R"("Room_Name":"case matters","roomname":1})",
                        &request, &report));
  EXPECT_EQ(report.unknown_fields, 5);
  EXPECT_FALSE(request.has_room_name());
  EXPECT_EQ(request.room_config().agents_size(), 1);
  ASSERT_OK(ReadRequest("{}", &request, &report));
  EXPECT_EQ(report.unknown_fields, 0);
}

TEST(Read, TakesNullAsAbsent) {
  livekit::TokenSourceRequest request;
  ASSERT_OK(ReadRequest(R"({"room_name":null,"participant_attributes":null,"room_config":null})", &request));
  EXPECT_FALSE(request.has_room_name());
  EXPECT_FALSE(request.has_room_config());
  EXPECT_EQ(RoomConfig(R"({"name":null,"empty_timeout":null,"egress":null,"agents":null,"tags":null})"), "{}");
}

TEST(Read, RefusesNullInListsAndMaps) {
  EXPECT_EQ(RoomConfig(R"({"agents":[{},null]})"), "FIELD_INVALID room_config.agents[1]");
  EXPECT_EQ(RoomConfig(R"({"tags":{"a":null}})"), "FIELD_INVALID room_config.tags");
  EXPECT_EQ(RoomConfig(R"({"egress":{"room":{"webhooks":[{"filter_params":{"include_events":[null]}}]}}})"),
            "FIELD_INVALID room_config.egress.room.webhooks[0].filter_params.include_events[0]");
}

TEST(Read, RefusesDuplicates) {
  for (const char* json :
       {R"({"room_name":"a","room_name":"b"})", R"({"room_name":"a","roomName":"b"})",
        R"({"roomName":"a","room_name":"b"})", R"({"room_name":"a","room\u005fname":"b"})",
        R"({"room_name":null,"room_name":"b"})", R"({"room_name":"b","roomName":null})", R"({"room_name":1e0})"}) {
    EXPECT_THAT(ReadRequest(json), IsFieldRefusal(v1::FIELD_INVALID, "room_name")) << json;
  }
  EXPECT_OK(ReadRequest(R"({"room_name":"a","participant_name":"b"})"));
}

TEST(Read, RefusesDuplicatesAtEveryLevel) {
  EXPECT_EQ(RoomConfig(R"({"emptyTimeout":1,"emptyTimeout":2})"), "FIELD_INVALID room_config.empty_timeout");
  EXPECT_EQ(RoomConfig(R"({"agents":[{"agent_name":"a","agentName":"a"}]})"),
            "FIELD_INVALID room_config.agents[0].agent_name");
  EXPECT_EQ(RoomConfig(R"({"agents":[{"agent_name":"a"},{"agentName":"a"}]})"),
            R"({"agents":[{"agentName":"a"},{"agentName":"a"}]})");
  EXPECT_EQ(RoomConfig(R"({"tags":{"k":"1","\u006b":"2"}})"), "FIELD_INVALID room_config.tags");
  EXPECT_EQ(RoomConfig(R"({"tags":{"some_key":"1","someKey":"2"}})"), R"({"tags":{"someKey":"2","some_key":"1"}})");
  EXPECT_EQ(RoomConfig(R"({"tags":{"a":"1"},"egress":{},"tags":{}})"), "FIELD_INVALID room_config.tags");
}

TEST(Read, RefusesDuplicatesInUnknownMembers) {
  EXPECT_THAT(ReadRequest(R"({"x":1,"x":1})"), IsRefusal(v1::INVALID_JSON));
  EXPECT_THAT(ReadRequest(R"({"x":1,"\u0078":1})"), IsRefusal(v1::INVALID_JSON));
  EXPECT_THAT(ReadRequest(R"({"x":[{"y":{"z":1,"z":2}}]})"), IsRefusal(v1::INVALID_JSON));
  EXPECT_EQ(RoomConfig(R"({"x":1,"name":"n","x":1})"), "FIELD_INVALID room_config");
  EXPECT_EQ(RoomConfig(R"({"agents":[{"x":{"y":1,"y":1}}]})"), "FIELD_INVALID room_config.agents[0]");
  EXPECT_OK(ReadRequest(R"({"x":{"a":1},"y":{"a":1,"b":{"a":1}},"z":[{"a":1},{"a":1}]})"));
}

TEST(Read, RefusesTwoMembersOfOneOneof) {
  const auto room = [](const std::string& members) { return RoomConfig(R"({"egress":{"room":{)" + members + "}}}"); };
  EXPECT_EQ(room(R"("preset":"H264_720P_30","advanced":{})"), "FIELD_INVALID room_config.egress.room.advanced");
  EXPECT_EQ(room(R"("advanced":{},"preset":0)"), "FIELD_INVALID room_config.egress.room.preset");
  EXPECT_EQ(room(R"("preset":null,"advanced":{})"), R"({"egress":{"room":{"advanced":{}}}})");
  EXPECT_EQ(room(R"("advanced":{},"preset":null)"), R"({"egress":{"room":{"advanced":{}}}})");
  EXPECT_EQ(room(R"("preset":1,"file":{})"), R"({"egress":{"room":{"file":{},"preset":"H264_720P_60"}}})");
}

TEST(Read, NamesTheFieldOfAWrongType) {
  EXPECT_THAT(ReadRequest(R"({"room_name":5})"), IsFieldRefusal(v1::FIELD_INVALID, "room_name"));
  EXPECT_THAT(ReadRequest(R"({"roomName":{}})"), IsFieldRefusal(v1::FIELD_INVALID, "room_name"));
  EXPECT_THAT(ReadRequest(R"({"room_name":["a"]})"), IsFieldRefusal(v1::FIELD_INVALID, "room_name"));
  EXPECT_THAT(ReadRequest(R"({"room_config":"x"})"), IsFieldRefusal(v1::FIELD_INVALID, "room_config"));
  EXPECT_THAT(ReadRequest(R"({"room_config":[]})"), IsFieldRefusal(v1::FIELD_INVALID, "room_config"));
  EXPECT_THAT(ReadRequest(R"({"participant_attributes":[]})"),
              IsFieldRefusal(v1::FIELD_INVALID, "participant_attributes"));
  EXPECT_THAT(ReadRequest(R"({"participant_attributes":{"secret key":7}})"),
              IsFieldRefusal(v1::FIELD_INVALID, "participant_attributes"));
  EXPECT_EQ(RoomConfig(R"({"agents":{"agent_name":"x"}})"), "FIELD_INVALID room_config.agents");
  EXPECT_EQ(RoomConfig(R"({"agents":[[]]})"), "FIELD_INVALID room_config.agents[0]");
  EXPECT_EQ(RoomConfig(R"({"agents":[{},{"agent_name":true}]})"), "FIELD_INVALID room_config.agents[1].agent_name");
  EXPECT_EQ(RoomConfig(R"({"tags":{"a":{}}})"), "FIELD_INVALID room_config.tags");
}

TEST(Read, NeverEchoesInput) {
  for (const char* json :
       {R"({"marker":)", R"({"room_name":"marker)", R"({"tags":{"marker":1}, "marker":1,"marker":2})",
        R"({"participant_attributes":{"marker":1}})", R"({"room_config":{"marker":1,"marker":"2"}})",
        R"({"room_config":{"agents":[{"restart_policy":"marker"}]}})"}) {
    const absl::Status status = ReadRequest(json);
    ASSERT_FALSE(status.ok()) << json;
    EXPECT_EQ(ToError(status).ShortDebugString().find("marker"), std::string::npos) << json;
  }
}

TEST(Read, TakesOnlyTrueAndFalseForBooleans) {
  EXPECT_EQ(RoomConfig(R"({"sync_streams":true})"), R"({"syncStreams":true})");
  EXPECT_EQ(RoomConfig(R"({"sync_streams":false})"), "{}");
  for (const char* value : {"1", "0", "\"true\"", "\"\"", "[]", "{}", "1.0"}) {
    EXPECT_EQ(RoomConfig(std::string("{\"sync_streams\":") + value + "}"), "FIELD_INVALID room_config.sync_streams");
  }
}

TEST(Read, TakesWholeNumbersForIntegers) {
  for (const char* value :
       {"30", "30.0", "3e1", "3E+1", "300e-1", "0.3e2", "30.000", "\"30\"", "\"3e1\"", "\"30.0\""}) {
    EXPECT_EQ(RoomConfig(std::string("{\"empty_timeout\":") + value + "}"), R"({"emptyTimeout":30})") << value;
  }
  for (const char* value : {"1.5",
                            "-1",
                            "4294967296",
                            "1e10",
                            "3e-1",
                            "\"+1\"",
                            "\"030\"",
                            "\" 1\"",
                            "\"1 \"",
                            "\"\"",
                            "\"0x1\"",
                            "\"1.\"",
                            "\".5\"",
                            "\"-1\"",
                            "\"1.5\"",
                            "\"NaN\"",
                            "\"1,2\"",
                            "\"1e\"",
                            "\"1\\u0000\"",
                            "true",
                            "[]",
                            "{}",
                            "[1]",
                            "18446744073709551616",
                            "99999999999999999999999",
                            "1e300",
                            "1e-300",
                            "\"1e99999999999999999999\"",
                            "\"1e-99999999999999999999\"",
                            "0.1",
                            "30.00000000000000000000001"}) {
    EXPECT_EQ(RoomConfig(std::string("{\"empty_timeout\":") + value + "}"), "FIELD_INVALID room_config.empty_timeout")
        << value;
  }
  EXPECT_EQ(RoomConfig(R"({"empty_timeout":4294967295})"), R"({"emptyTimeout":4294967295})");
  for (const char* zero : {"0", "-0", "0.0", "-0.0", "0e5", "\"0\"", "0e-5", "\"0e99999999999999999999\""}) {
    EXPECT_EQ(RoomConfig(std::string("{\"empty_timeout\":") + zero + "}"), "{}") << zero;
  }
}

TEST(Read, ChecksTheRangeOfSignedIntegers) {
  EXPECT_EQ(Encoding("width", "-2147483648"), R"({"egress":{"participant":{"advanced":{"width":-2147483648}}}})");
  EXPECT_EQ(Encoding("width", "2147483647"), R"({"egress":{"participant":{"advanced":{"width":2147483647}}}})");
  for (const char* value : {"2147483648", "-2147483649", "-9223372036854775808", "-9223372036854775809", "-1e30"}) {
    EXPECT_EQ(Encoding("width", value), std::string(kAdvanced) + "width") << value;
  }
}

TEST(Read, TakesNumbersAndNamedValuesForDoubles) {
  const auto interval = [](const std::string& text) {
    return "{\"egress\":{\"participant\":{\"advanced\":{\"keyFrameInterval\":" + text + "}}}}";
  };
  for (const char* value : {"2.5", "25e-1", "\"2.5\"", "\"25e-1\"", "2.500"}) {
    EXPECT_EQ(Encoding("key_frame_interval", value), interval("2.5")) << value;
  }
  for (const char* value : {"\"NaN\"", "\"Infinity\"", "\"-Infinity\""}) {
    EXPECT_EQ(Encoding("key_frame_interval", value), interval(value));
  }
  EXPECT_EQ(Encoding("key_frame_interval", "-0"), interval("-0"));
  EXPECT_EQ(Encoding("key_frame_interval", "18446744073709551616"), interval("18446744073709551616"));
  EXPECT_EQ(Encoding("key_frame_interval", "-7"), interval("-7"));
  for (const char* value : {"\"nan\"", "\"inf\"", "\"+Infinity\"", "\"Inf\"", "\" 1\"", "\"1 \"", "\"+1\"", "\"01\"",
                            "\"1e400\"", "1e400", "-1e400", "\"\"", "\"0x10\"", "true", "[]", "{}", "\"1f\""}) {
    EXPECT_EQ(Encoding("key_frame_interval", value), std::string(kAdvanced) + "key_frame_interval") << value;
  }
  for (const char* value : {"NaN", "Infinity", "-Infinity", "nan", "+1", ".5", "1.", "-"}) {
    EXPECT_EQ(Encoding("key_frame_interval", value),
              "INVALID_JSON room_config.egress.participant.advanced.key_frame_interval")
        << value;
  }
}

TEST(Read, TakesEnumsByNameAndByNumber) {
  const auto policy = [](const std::string& value) {
    return RoomConfig("{\"agents\":[{\"restart_policy\":" + value + "}]}");
  };
  for (const char* value : {"\"JRP_NEVER\"", "1", "1.0", "10e-1"}) {
    EXPECT_EQ(policy(value), R"({"agents":[{"restartPolicy":"JRP_NEVER"}]})") << value;
  }
  EXPECT_EQ(policy("0"), R"({"agents":[{}]})");
  EXPECT_EQ(policy("99"), R"({"agents":[{"restartPolicy":99}]})");
  EXPECT_EQ(policy("-5"), R"({"agents":[{"restartPolicy":-5}]})");
  for (const char* value : {"\"SOMETIMES\"", "\"jrp_never\"", "\"1\"", "\"\"", "1.5", "2147483648", "-2147483649",
                            "true", "{}", "[]", "\"JRP_NEVER \""}) {
    EXPECT_EQ(policy(value), "FIELD_INVALID room_config.agents[0].restart_policy") << value;
  }
}

TEST(Read, IgnoresUnknownEnumNamesOnlyWhenAsked) {
  const std::string json = R"({"agents":[{"agent_name":"a","restart_policy":"SOMETIMES"}]})";
  livekit::RoomConfiguration config;
  EXPECT_THAT(Read(json, ReadOptions(), config), IsFieldRefusal(v1::FIELD_INVALID, "agents[0].restart_policy"));
  ReadOptions lenient;
  lenient.ignore_unknown_enum_names = true;
  ASSERT_OK(Read(json, lenient, config));
  EXPECT_EQ(config.agents(0).agent_name(), "a");
  EXPECT_EQ(config.agents(0).restart_policy(), livekit::JRP_ON_FAILURE);
  EXPECT_THAT(Read(R"({"agents":[{"restart_policy":true}]})", lenient, config), IsRefusal(v1::FIELD_INVALID));
}

TEST(Read, UnescapesStrings) {
  livekit::TokenSourceRequest request;
  ASSERT_OK(ReadRequest(R"({"room_name":"a\"\\\/\b\f\n\r\t\u00fc\ud83d\ude00\u0000z"})", &request));
  EXPECT_EQ(request.room_name(), std::string("a\"\\/\b\f\n\r\t\xc3\xbc\xf0\x9f\x98\x80\0z", 17));
  EXPECT_THAT(ReadRequest(R"({"room_name":"\ud83d"})"), IsFieldRefusal(v1::INVALID_JSON, "room_name"));
}

TEST(Read, RefusesWhatIsNotOneObject) {
  for (const char* json : {"", " ", "null", "true", "[]", "[{}]", "\"{}\"", "0", "{} {}", "{}x", "{},", "{", "}", "[",
                           "\xEF\xBB\xBF{}", "{}\xEF\xBB\xBF"}) {
    EXPECT_THAT(ReadRequest(json), IsRefusal(v1::INVALID_JSON)) << json;
  }
  EXPECT_OK(ReadRequest(" \t\r\n{ } \n"));
}

TEST(Read, RefusesNulAnywhere) {
  const std::string nul(1, '\0');
  EXPECT_THAT(ReadRequest("{}" + nul), IsRefusal(v1::INVALID_JSON));
  EXPECT_THAT(ReadRequest("{}" + nul + "{"), IsRefusal(v1::INVALID_JSON));
  EXPECT_THAT(ReadRequest(nul + "{}"), IsRefusal(v1::INVALID_JSON));
  EXPECT_THAT(ReadRequest("{\"room_name\":\"" + nul + "\"}"), IsRefusal(v1::INVALID_JSON));
}

TEST(Read, LimitsDepth) {
  const auto nested = [](int depth) {  // depth of the whole text
    return "{\"x\":" + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
  };
  EXPECT_OK(ReadRequest(nested(32)));
  EXPECT_THAT(ReadRequest(nested(33)), IsRefusal(v1::INVALID_JSON));
  const std::string inside = nested(32).substr(1, nested(32).size() - 2);  // one level less
  EXPECT_EQ(RoomConfig("{" + inside + "}"), "FIELD_INVALID room_config");
  EXPECT_THAT(ReadRequest(std::string(1 << 20, '[')), IsRefusal(v1::INVALID_JSON));
  EXPECT_THAT(ReadRequest("{\"x\":" + std::string(1 << 20, '[')), IsRefusal(v1::INVALID_JSON));
  std::string objects;
  for (int i = 0; i < 200000; ++i) objects += "{\"x\":";
  EXPECT_THAT(ReadRequest(objects), IsRefusal(v1::INVALID_JSON));

  ReadOptions flat;
  flat.max_depth = 1;
  livekit::TokenSourceRequest request;
  EXPECT_OK(Read(R"({"room_name":"r"})", flat, request));
  EXPECT_THAT(Read(R"({"room_config":{}})", flat, request), IsFieldRefusal(v1::FIELD_INVALID, "room_config"));
}

TEST(Read, LimitsTheNumberOfElements) {
  const auto members = [](int count) {
    std::string json = "{";
    for (int i = 0; i < count; ++i) json += (i > 0 ? ",\"m" : "\"m") + std::to_string(i) + "\":0";
    return json + "}";
  };
  EXPECT_OK(ReadRequest(members(10000)));
  EXPECT_THAT(ReadRequest(members(10001)), IsRefusal(v1::INVALID_JSON));
  EXPECT_THAT(ReadRequest(members(100000)), IsRefusal(v1::INVALID_JSON));
  EXPECT_EQ(RoomConfig("{\"tags\":" + members(100000) + "}"), "FIELD_INVALID room_config.tags");
  std::string list = "[{}";
  for (int i = 0; i < 20000; ++i) list += ",{}";
  EXPECT_EQ(RoomConfig("{\"agents\":" + list + "]}"), "FIELD_INVALID room_config.agents[9998]");
  EXPECT_EQ(RoomConfig("{\"agents\":" + list.substr(0, 3 * 9998) + "]}").substr(0, 12), R"({"agents":[{)");
}

TEST(Read, NamesTheFieldThatIsNotUtf8) {
  EXPECT_THAT(ReadRequest("{\"room_name\":\"\xff\"}"), IsFieldRefusal(v1::INVALID_JSON, "room_name"));
  EXPECT_EQ(RoomConfig("{\"agents\":[{\"agent_name\":\"\xc0\x80\"}]}"),
            "INVALID_JSON room_config.agents[0].agent_name");
  EXPECT_EQ(RoomConfig("{\"name\":\"ok\",\"\xff\":1}"), "INVALID_JSON room_config");
}

}  // namespace
}  // namespace livekit::token::protojson
