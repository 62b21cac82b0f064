#include "server/room_config_rule.h"

#include <functional>
#include <map>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "policy_fixture.h"
#include "protojson/reader.h"

namespace livekit::token {
namespace {

using google::protobuf::util::MessageDifferencer;
using livekit::RoomConfiguration;
using testing::IsFieldRefusal;
using testing::Someone;

RoomConfiguration ConfigOf(const std::string& json) {
  RoomConfiguration config;
  EXPECT_OK(protojson::Read(json, {}, config)) << json;
  return config;
}

absl::StatusOr<v1::Grants> Resolve(const RoomConfigRule& rule, const RoomConfiguration& sent) {
  v1::Grants grants;
  const absl::Status resolved = ResolveRoomConfig(rule, sent, Someone("alice"), grants).status();
  if (!resolved.ok()) return resolved;
  return grants;
}

RoomConfigRule Allowed() {
  RoomConfigRule rule;
  rule.mode = FieldMode::kAllow;
  return rule;
}

// A rule that permits one thing, a request for it, and a path.
struct Verdict {
  const char* json;  // what the client asks for
  std::function<void(RoomConfigRule&)> permit;
  const char* refused_path;  // without the permission; empty: permitted to everyone who may send the message
  v1::ErrorReason reason = v1::FIELD_NOT_PERMITTED;
};

void Agents(RoomConfigRule& rule) { rule.agents = {"bot"}; }

// Every field of the message and of its agents: a new one in the schema has no row here, and the next test fails.
const std::map<std::string, Verdict>& Verdicts() {
  static const auto* const verdicts = new std::map<std::string, Verdict>{
      {"name", {R"({"name":"lobby"})", [](auto&) {}, ""}},
      {"empty_timeout",
       {R"({"empty_timeout":9})", [](auto& r) { r.limits.empty_timeout = 9; }, "room_config.empty_timeout"}},
      {"departure_timeout",
       {R"({"departure_timeout":9})", [](auto& r) { r.limits.departure_timeout = 9; },
        "room_config.departure_timeout"}},
      {"max_participants",
       {R"({"max_participants":9})", [](auto& r) { r.limits.max_participants = 9; }, "room_config.max_participants"}},
      {"min_playout_delay",
       {R"({"min_playout_delay":9})", [](auto& r) { r.limits.max_playout_delay = 9; },
        "room_config.min_playout_delay"}},
      {"max_playout_delay",
       {R"({"max_playout_delay":9})", [](auto& r) { r.limits.max_playout_delay = 9; },
        "room_config.max_playout_delay"}},
      {"sync_streams",
       {R"({"sync_streams":true})", [](auto& r) { r.limits.sync_streams = true; }, "room_config.sync_streams"}},
      {"metadata", {R"({"metadata":"m"})", [](auto&) {}, ""}},
      {"egress", {R"({"egress":{}})", [](auto& r) { r.egress = true; }, "room_config.egress"}},
      {"tags", {R"({"tags":{"k":"v"}})", [](auto& r) { r.tags = {"k"}; }, "room_config.tags"}},
      {"agents",
       {R"({"agents":[{"agent_name":"bot"}]})", Agents, "room_config.agents[0].agent_name", v1::AGENT_NOT_PERMITTED}},
      {"agents.agent_name",
       {R"({"agents":[{"agent_name":"bot"}]})", Agents, "room_config.agents[0].agent_name", v1::AGENT_NOT_PERMITTED}},
      {"agents.metadata",
       {R"({"agents":[{"metadata":"m"}]})", [](auto& r) { r.agents = {"*"}; }, "room_config.agents[0].agent_name",
        v1::AGENT_NOT_PERMITTED}},
      {"agents.attributes",
       {R"({"agents":[{"attributes":{"k":"v"}}]})", [](auto& r) { r.agents = {"*"}; },
        "room_config.agents[0].agent_name", v1::AGENT_NOT_PERMITTED}},
      // Whether a job starts again is the worker's affair; harmless for whoever may dispatch it.
      {"agents.restart_policy",
       {R"({"agents":[{"restart_policy":"JRP_NEVER"}]})", [](auto& r) { r.agents = {"*"}; },
        "room_config.agents[0].agent_name", v1::AGENT_NOT_PERMITTED}},
      {"agents.deployment",
       {R"({"agents":[{"agent_name":"bot","deployment":"blue"}]})",
        [](auto& r) {
          Agents(r);
          r.deployments = {"blue"};
        },
        "room_config.agents[0].agent_name", v1::AGENT_NOT_PERMITTED}},
  };
  return *verdicts;
}

// Fields, with those of messages inside, apart from the recordings, which are named or not as a whole.
void CollectFields(const google::protobuf::Descriptor& type, const std::string& prefix, std::vector<std::string>& out) {
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    out.push_back(prefix + field.name());
    if (field.message_type() == nullptr || field.is_map() || out.back() == "egress") continue;
    CollectFields(*field.message_type(), out.back() + ".", out);
  }
}

TEST(RoomConfigRule, HasAVerdictForEveryField) {
  std::vector<std::string> fields;
  CollectFields(*RoomConfiguration::descriptor(), "", fields);
  EXPECT_EQ(fields.size(), Verdicts().size());
  for (const std::string& field : fields) {
    ASSERT_TRUE(Verdicts().count(field)) << field << " is new: decide who may set it, in CheckChosen and here";
    const Verdict& verdict = Verdicts().at(field);
    const RoomConfiguration sent = ConfigOf(verdict.json);
    if (*verdict.refused_path == '\0') {
      EXPECT_OK(Resolve(Allowed(), sent)) << field;
    } else {
      EXPECT_THAT(Resolve(Allowed(), sent), IsFieldRefusal(verdict.reason, std::string(verdict.refused_path))) << field;
    }
    RoomConfigRule rule = Allowed();
    verdict.permit(rule);
    auto taken = Resolve(rule, sent);
    ASSERT_OK(taken) << field;
    EXPECT_TRUE(MessageDifferencer::Equals(taken->room_config(), sent)) << field;
    // The rule as a whole comes before its parts.
    rule.mode = FieldMode::kForbid;
    EXPECT_THAT(Resolve(rule, sent), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("room_config"))) << field;
    rule.mode = FieldMode::kIgnore;
    auto ignored = Resolve(rule, sent);
    ASSERT_OK(ignored);
    EXPECT_FALSE(ignored->has_room_config());
  }
}

// An empty agent beside something else is no way around the rule.
TEST(RoomConfigRule, SeesWhatStandsBesideAnEmptyAgent) {
  for (const char* json : {R"({"agents":[{}],"max_participants":3})", R"({"agents":[{}],"metadata":"m"})",
                           R"({"agents":[{}],"egress":{}})", R"({"agents":[{},{"metadata":"m"}]})"}) {
    EXPECT_THAT(Resolve({}, ConfigOf(json)), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("room_config")))
        << json;
  }
}

// No permission gives another.
TEST(RoomConfigRule, PermitsNothingBesideWhatIsNamed) {
  for (const auto& [permitted, by] : Verdicts()) {
    RoomConfigRule rule = Allowed();
    by.permit(rule);
    for (const char* field : {"empty_timeout", "departure_timeout", "max_participants", "max_playout_delay",
                              "sync_streams", "egress", "tags", "agents"}) {
      const bool same = permitted.rfind(field, 0) == 0 ||
                        (permitted == "min_playout_delay" && std::string(field) == "max_playout_delay");
      if (same) continue;
      const Verdict& verdict = Verdicts().at(field);
      if (permitted.rfind("agents", 0) == 0 && verdict.reason == v1::AGENT_NOT_PERMITTED) continue;
      EXPECT_FALSE(Resolve(rule, ConfigOf(verdict.json)).ok()) << permitted << " permits " << field;
    }
  }
}

TEST(RoomConfigRule, KeepsLimits) {
  RoomConfigRule rule = Allowed();
  rule.limits = {1, 2, 3, 4, false};
  for (const char* json :
       {R"({"empty_timeout":2})", R"({"departure_timeout":3})", R"({"max_participants":4})",
        R"({"min_playout_delay":5})", R"({"max_playout_delay":5})", R"({"max_participants":4294967295})"}) {
    EXPECT_FALSE(Resolve(rule, ConfigOf(json)).ok()) << json;
  }
  EXPECT_OK(Resolve(rule, ConfigOf(R"({"empty_timeout":1,"departure_timeout":2,"max_participants":3,
                                        "min_playout_delay":4,"max_playout_delay":4})")));
  EXPECT_OK(Resolve(Allowed(), ConfigOf(R"({"max_participants":0,"metadata":"m"})")));
  EXPECT_THAT(Resolve(rule, ConfigOf(R"({"max_participants":4})")),
              IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("room_config.max_participants")));
}

TEST(RoomConfigRule, TakesAnyNameThatARoomCouldHave) {
  EXPECT_OK(Resolve(Allowed(), ConfigOf(R"({"name":"another"})")));
  EXPECT_OK(Resolve(Allowed(), ConfigOf(R"({"name":")" + std::string(256, 'n') + R"("})")));
  EXPECT_THAT(Resolve(Allowed(), ConfigOf(R"({"name":")" + std::string(257, 'n') + R"("})")),
              IsFieldRefusal(v1::FIELD_TOO_LONG, std::string("room_config.name")));
  EXPECT_THAT(Resolve(Allowed(), ConfigOf(R"({"name":"a\tb"})")),
              IsFieldRefusal(v1::FIELD_INVALID, std::string("room_config.name")));
}

TEST(RoomConfigRule, BoundsMetadata) {
  RoomConfigRule rule = Allowed();
  rule.agents = {"*"};
  rule.max_metadata_bytes = 4;
  EXPECT_OK(Resolve(rule, ConfigOf(R"({"metadata":"1234","agents":[{"metadata":"12","attributes":{"k":"v"}}]})")));
  EXPECT_THAT(Resolve(rule, ConfigOf(R"({"metadata":"12345"})")),
              IsFieldRefusal(v1::FIELD_TOO_LONG, std::string("room_config.metadata")));
  for (const char* json : {R"({"agents":[{"metadata":"12345"}]})", R"({"agents":[{"attributes":{"key":"va"}}]})",
                           R"({"agents":[{"metadata":"123","attributes":{"k":"v"}}]})"}) {
    EXPECT_THAT(Resolve(rule, ConfigOf(json)),
                IsFieldRefusal(v1::FIELD_TOO_LONG, std::string("room_config.agents[0].metadata")));
  }
  RoomConfigRule standard = Allowed();
  EXPECT_OK(Resolve(standard, ConfigOf("{\"metadata\":\"" + std::string(4096, 'x') + "\"}")));
  EXPECT_FALSE(Resolve(standard, ConfigOf("{\"metadata\":\"" + std::string(4097, 'x') + "\"}")).ok());
}

TEST(RoomConfigRule, ChecksNamesOfAgentsDeploymentsAndTags) {
  RoomConfigRule rule = Allowed();
  rule.agents = {"support-*"};
  rule.deployments = {"blue*"};
  rule.tags = {"team", "x-*"};
  EXPECT_OK(Resolve(
      rule, ConfigOf(R"({"agents":[{"agent_name":"support-1","deployment":"blue2"}],"tags":{"team":"1","x-y":"2"}})")));
  const std::pair<const char*, std::pair<v1::ErrorReason, const char*>> cases[] = {
      {R"({"agents":[{"agent_name":"support"}]})", {v1::AGENT_NOT_PERMITTED, "room_config.agents[0].agent_name"}},
      {R"({"agents":[{"agent_name":"support-1","deployment":"green"}]})",
       {v1::AGENT_NOT_PERMITTED, "room_config.agents[0].deployment"}},
      {R"({"agents":[{"agent_name":"support-\u200b"}]})", {v1::FIELD_INVALID, "room_config.agents[0].agent_name"}},
      {R"({"agents":[{"agent_name":"support-1","deployment":"blue\u200b"}]})",
       {v1::FIELD_INVALID, "room_config.agents[0].deployment"}},
      {R"({"agents":[{"agent_name":"support-1","attributes":{"lk.x":"1"}}]})",
       {v1::FIELD_NOT_PERMITTED, "room_config.agents[0].attributes"}},
      {R"({"agents":[{"agent_name":"support-1","attributes":{"SIP.x":"1"}}]})",
       {v1::FIELD_NOT_PERMITTED, "room_config.agents[0].attributes"}},
      {R"({"agents":[{"agent_name":"support-1","attributes":{"a\u202e":"1"}}]})",
       {v1::FIELD_INVALID, "room_config.agents[0].attributes"}},
      {R"({"tags":{"teams":"1"}})", {v1::FIELD_NOT_PERMITTED, "room_config.tags"}},
      {R"({"tags":{"x-\u200b":"1"}})", {v1::FIELD_INVALID, "room_config.tags"}},
      {R"({"agents":[{"agent_name":"support-1"},{"agent_name":"support-1"}]})",
       {v1::AGENT_NOT_PERMITTED, "room_config.agents"}},
      {R"({"agents":[{},{}]})", {v1::AGENT_NOT_PERMITTED, "room_config.agents"}},
  };
  for (const auto& [json, refusal] : cases) {
    EXPECT_THAT(Resolve(rule, ConfigOf(json)), IsFieldRefusal(refusal.first, std::string(refusal.second))) << json;
  }
}

// --- forced configurations

google::protobuf::Value ValueOf(const nlohmann::json& json) {
  google::protobuf::Value value;
  if (json.is_string()) value.set_string_value(json.get<std::string>());
  if (json.is_boolean()) value.set_bool_value(json.get<bool>());
  if (json.is_number()) value.set_number_value(json.get<double>());
  if (json.is_array()) value.mutable_list_value();
  if (json.is_object()) value.mutable_struct_value();
  if (json.is_array()) {
    for (const auto& element : json) *value.mutable_list_value()->add_values() = ValueOf(element);
  }
  if (json.is_object()) {
    for (const auto& [name, member] : json.items())
      (*value.mutable_struct_value()->mutable_fields())[name] = ValueOf(member);
  }
  return value;
}

std::unique_ptr<const ForcedRoomConfig> Forced(const std::string& json,
                                               std::vector<ForcedRoomConfig::Problem>& problems) {
  return ForcedRoomConfig::Build(ValueOf(nlohmann::json::parse(json)).struct_value(), testing::WithHmac(), problems);
}

absl::StatusOr<RoomConfiguration> Rendered(const std::string& json, const Principal& principal) {
  std::vector<ForcedRoomConfig::Problem> problems;
  const auto forced = Forced(json, problems);
  EXPECT_TRUE(problems.empty()) << json << problems.front().path << problems.front().message;
  if (forced == nullptr) return absl::InternalError("not built");
  RoomConfiguration out;
  const absl::Status rendered = forced->Render(principal, out);
  if (!rendered.ok()) return rendered;
  return out;
}

TEST(ForcedRoomConfig, FillsTemplatesIn) {
  const Principal alice = Someone("alice", R"({"plan":"pro\"},{","n":5,"list":["a"]})");
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", R"({})"},
      {R"({"max_participants":3,"syncStreams":true,"metadata":"m","tags":{"a":"b"}})",
       R"({"maxParticipants":3,"syncStreams":true,"metadata":"m","tags":{"a":"b"}})"},
      {R"({"agents":[{"agent_name":"a-{claims.n}","deployment":"blue"},{"agent_name":"b","attributes":{"k":"{subject}","o":"{claims.x?}","c":"d"}}]})",
       R"({"agents":[{"agent_name":"a-5","deployment":"blue"},{"agent_name":"b","attributes":{"k":"alice","c":"d"}}]})"},
      {R"({"metadata":"{claims.x?}","tags":{"u":"{subject}","v":"{claims.x?}"}})", R"({"tags":{"u":"alice"}})"},
      // Quotes and braces of a claim stay inside the string.
      {R"({"agents":[{"agent_name":"b","metadata":{"plan":"{claims.plan}","z":[1,true,"{claims.x?}","{subject}"],"a":{"q":"x"},"o":"{claims.x?}","e":""}}]})",
       R"({"agents":[{"agent_name":"b","metadata":"{\"a\":{\"q\":\"x\"},\"e\":\"\",\"plan\":\"pro\\\"},{\",\"z\":[1,true,\"alice\"]}"}]})"},
      {R"({"metadata":{"u":"{subject}"}})", R"({"metadata":"{\"u\":\"alice\"}"})"},
      {R"({"metadata":["{subject}"]})", R"({"metadata":"[\"alice\"]"})"},
      {R"({"metadata":{"o":"{claims.x?}","p":"{claims.x?}"}})", R"({"metadata":"{}"})"},
      {R"({"egress":{"room":{"layout":"{subject}","file_outputs":[{"filepath":"x"},{"filepath":"r/{subject}"}]}}})",
       R"({"egress":{"room":{"layout":"alice","file_outputs":[{"filepath":"x"},{"filepath":"r/alice"}]}}})"},
  };
  for (const auto& [json, expected] : cases) {
    auto rendered = Rendered(json, alice);
    ASSERT_OK(rendered) << json;
    EXPECT_TRUE(MessageDifferencer::Equals(*rendered, ConfigOf(expected))) << json << rendered->DebugString();
  }
  EXPECT_THAT(Rendered(R"({"agents":[{"agent_name":"{claims.none}"}]})", alice), testing::IsRefusal(v1::CLAIM_MISSING));
  EXPECT_THAT(Rendered(R"({"metadata":{"a":"{claims.none}"}})", alice), testing::IsRefusal(v1::CLAIM_MISSING));
  EXPECT_THAT(Rendered(R"({"metadata":{"a":"{claims.list}"}})", alice), testing::IsRefusal(v1::CLAIM_MISSING));
}

TEST(ForcedRoomConfig, SaysWhatIsWrong) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {R"({"agents":[{"agent_name":"{x}"}]})", {"agents[0].agent_name", "unknown variable"}},
      {R"({"metadata":{"a":{"b":["x","{x}"]}}})", {"metadata.a.b[1]", "unknown variable"}},
      {R"({"metadata":{"a":1.5}})", {"metadata.a", "whole number"}},
      {R"({"max_participants":"{claims.n}"})", {"max_participants", "only where text does"}},
      {R"({"max_participants":true})", {"max_participants", "only where text does"}},
      {R"({"agents":{"agent_name":"x"}})", {"agents", "only where text does"}},
      {R"({"nobody":1})", {"", "does not"}},
      {R"({"agents":[{"agent_name":"{claims.x?}"}]})", {"agents[0].agent_name", "cannot be left out"}},
      {R"({"agents":[{"agent_name":"a","deployment":"{claims.x?}"}]})", {"agents[0].deployment", "cannot be left out"}},
      {R"({"egress":{"tracks":{"s3":{"secret":"x"}}}})", {"", "credential"}},
      {R"({"egress":{"tracks":{"s3":{"secret":"{subject}"}}}})", {"", "credential"}},
      {R"({"egress":{"tracks":{"s3":{"metadata":{"a":"{subject}"}}}}})",
       {"egress.tracks.s3.metadata.a", "only constant text"}},
  };
  for (const auto& [json, problem] : cases) {
    std::vector<ForcedRoomConfig::Problem> problems;
    EXPECT_EQ(Forced(json, problems), nullptr) << json;
    ASSERT_EQ(problems.size(), 1U) << json;
    EXPECT_EQ(problems[0].path, problem.first) << json;
    EXPECT_NE(problems[0].message.find(problem.second), std::string::npos) << problems[0].message;
  }
}

TEST(ForcedRoomConfig, MustBeEqualled) {
  std::vector<ForcedRoomConfig::Problem> problems;
  RoomConfigRule rule;
  rule.value = Forced(R"({"agents":[{"agent_name":"bot","attributes":{"a":"{subject}","b":"2"}}]})", problems);
  ASSERT_NE(rule.value, nullptr);
  const RoomConfiguration expected =
      ConfigOf(R"({"agents":[{"agent_name":"bot","attributes":{"b":"2","a":"alice"}}]})");
  for (const FieldMode mode : {FieldMode::kForbid, FieldMode::kIgnore}) {
    rule.mode = mode;
    for (const char* json : {"{}", R"({"agents":[]})", R"({"agents":[{}]})",
                             R"({"agents":[{"agent_name":"bot","attributes":{"b":"2","a":"alice"}}]})"}) {
      auto taken = Resolve(rule, ConfigOf(json));
      ASSERT_OK(taken) << json;
      EXPECT_TRUE(MessageDifferencer::Equals(taken->room_config(), expected));
    }
    for (const char* json : {R"({"agents":[{"agent_name":"bot","attributes":{"b":"2","a":"bob"}}]})",
                             R"({"agents":[{"agent_name":"bot"}]})", R"({"agents":[{"agent_name":"other"}]})",
                             R"({"metadata":"m"})", R"({"agents":[{},{"agent_name":"x"}]})"}) {
      auto taken = Resolve(rule, ConfigOf(json));
      if (mode == FieldMode::kIgnore) {
        ASSERT_OK(taken);
        EXPECT_TRUE(MessageDifferencer::Equals(taken->room_config(), expected));
      } else {
        EXPECT_THAT(taken, IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("room_config"))) << json;
      }
    }
  }
}

}  // namespace
}  // namespace livekit::token
