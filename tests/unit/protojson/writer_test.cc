#include "protojson/writer.h"

#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "livekit/token/v1/errors.pb.h"
#include "livekit/token/v1/grants.pb.h"
#include "livekit_token_source.pb.h"

namespace livekit::token::protojson {
namespace {

std::string Write(const google::protobuf::Message& message) {
  std::string out;
  EXPECT_TRUE(Append(message, out));
  return out;
}

TEST(Append, WritesAnEmptyMessageAsEmptyObject) { EXPECT_EQ(Write(livekit::RoomConfiguration()), "{}"); }

TEST(Append, KeepsWhatIsInTheBuffer) {
  std::string out = "\"roomConfig\":";
  ASSERT_TRUE(Append(livekit::RoomConfiguration(), out));
  EXPECT_EQ(out, "\"roomConfig\":{}");
}

TEST(Append, WritesCamelCaseInOrderOfFieldNumberWithoutDefaults) {
  livekit::RoomConfiguration config;
  (*config.mutable_tags())["env"] = "prod";
  config.set_metadata("m");
  auto* agent = config.add_agents();
  agent->set_agent_name("a \"quoted\"\n\x01 \xc3\xbc");
  agent->set_restart_policy(livekit::JRP_NEVER);
  config.add_agents()->set_restart_policy(livekit::JRP_ON_FAILURE);
  config.set_empty_timeout(4294967295u);
  config.set_sync_streams(true);
  EXPECT_EQ(Write(config),
            "{\"emptyTimeout\":4294967295,\"syncStreams\":true,"
            "\"agents\":[{\"agentName\":\"a \\\"quoted\\\"\\n\\u0001 \xc3\xbc\",\"restartPolicy\":\"JRP_NEVER\"},{}],"
            "\"metadata\":\"m\",\"tags\":{\"env\":\"prod\"}}");
}

TEST(Append, WritesDefaultsThatHavePresence) {
  livekit::TokenSourceRequest request;
  request.set_room_name("");
  request.mutable_room_config();
  EXPECT_EQ(Write(request), R"({"roomName":"","roomConfig":{}})");
  livekit::RoomCompositeEgressRequest egress;
  egress.set_preset(livekit::H264_720P_30);
  EXPECT_EQ(Write(egress), R"({"preset":"H264_720P_30"})");
}

TEST(Append, SortsMapsByKey) {
  livekit::RoomConfiguration config;
  for (const char* key : {"b", "", "\xc3\xbc", "a", "B", "aa"}) (*config.mutable_tags())[key] = "1";
  EXPECT_EQ(Write(config),
            "{\"tags\":{\"\":\"1\",\"B\":\"1\",\"a\":\"1\",\"aa\":\"1\",\"b\":\"1\",\"\xc3\xbc\":\"1\"}}");
}

TEST(Append, WritesUnknownEnumNumbersAsNumbers) {
  livekit::RoomAgentDispatch agent;
  agent.set_restart_policy(static_cast<livekit::JobRestartPolicy>(99));
  EXPECT_EQ(Write(agent), R"({"restartPolicy":99})");
}

TEST(Append, WritesTheShortestDoubleThatReadsBack) {
  livekit::EncodingOptions options;
  for (const auto& [value, text] : std::vector<std::pair<double, std::string>>{
           {4, "4"}, {0.1, "0.1"}, {1e300, "1e+300"}, {-2.5, "-2.5"}, {5e-324, "5e-324"}}) {
    options.set_key_frame_interval(value);
    EXPECT_EQ(Write(options), "{\"keyFrameInterval\":" + text + "}");
  }
}

TEST(Append, WritesWhatIsNotFiniteAsStrings) {
  livekit::EncodingOptions options;
  options.set_key_frame_interval(std::nan(""));
  EXPECT_EQ(Write(options), R"({"keyFrameInterval":"NaN"})");
  options.set_key_frame_interval(-std::numeric_limits<double>::infinity());
  EXPECT_EQ(Write(options), R"({"keyFrameInterval":"-Infinity"})");
}

TEST(Append, RefusesStringsThatAreNotUtf8) {
  livekit::RoomConfiguration config;
  std::string out;
  config.set_name("ok");
  EXPECT_TRUE(Append(config, out));
  config.set_name("\xff");
  EXPECT_FALSE(Append(config, out));
  config.set_name("ok");
  (*config.mutable_tags())["\xc0\x80"] = "";
  EXPECT_FALSE(Append(config, out));
}

TEST(Append, WritesStructAsPlainJson) {
  v1::Grants grants;
  auto& fields = *grants.mutable_extra_claims()->mutable_fields();
  fields["n"].set_null_value(google::protobuf::NULL_VALUE);
  fields["b"].set_bool_value(false);
  fields["s"].set_string_value("x");
  fields["d"].set_number_value(15);
  fields["l"].mutable_list_value()->add_values()->set_number_value(0.5);
  (*fields["o"].mutable_struct_value()->mutable_fields())["k"].set_bool_value(true);
  EXPECT_EQ(Write(grants), R"({"extraClaims":{"b":false,"d":15,"l":[0.5],"n":null,"o":{"k":true},"s":"x"}})");
}

TEST(Append, RefusesAStructValueWithoutJsonForm) {
  v1::Grants grants;
  std::string out;
  const auto value = [&]() -> google::protobuf::Value& {
    return (*grants.mutable_extra_claims()->mutable_fields())["x"];
  };
  value();
  EXPECT_FALSE(Append(grants, out)) << "a Value without member";
  value().set_number_value(std::numeric_limits<double>::infinity());
  EXPECT_FALSE(Append(grants, out));
  value().set_number_value(1);
  EXPECT_TRUE(Append(grants, out));
}

TEST(Append, WritesDurations) {
  v1::Error error;
  error.mutable_retry_delay()->set_seconds(1);
  error.mutable_retry_delay()->set_nanos(500'000'000);
  EXPECT_EQ(Write(error), R"({"retryDelay":"1.500s"})");
  error.mutable_retry_delay()->set_nanos(-1);
  std::string out;
  EXPECT_FALSE(Append(error, out)) << "signs differ";
}

TEST(Append, MayRunConcurrently) {
  livekit::RoomConfiguration config;
  for (int i = 0; i < 20; ++i) (*config.mutable_tags())[std::to_string(i)] = "v";
  const std::string expected = Write(config);
  const livekit::RoomConfiguration& shared = config;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        std::string out;
        if (!Append(shared, out) || out != expected) ++wrong[t];
        livekit::EncodingOptions other;  // another type, so that the table of types is asked
        other.set_width(i + 1);
        if (!Append(other, out)) ++wrong[t];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace livekit::token::protojson
