#include "service/config.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "livekit/token/config/v1/gateway_config.pb.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using config::v1::ApiKeyFile;
using config::v1::GatewayConfig;
using config::v1::ServerConfig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

template <typename T>
T FromText(const std::string& text) {
  T message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

template <typename T>
void ExpectReads(std::string_view yaml, const std::string& expected) {
  T message;
  const ConfigProblems problems = ReadYaml(yaml, message);
  EXPECT_EQ(FormatProblems("f", problems), "") << yaml;
  const T wanted = FromText<T>(expected);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(message, wanted)) << message.DebugString();
}

TEST(ReadYaml, ReadsEveryKindOfField) {
  ExpectReads<ServerConfig>(R"(
listen: { grpc: "[::]:50051", admin: ':9464' }
projects:
  - name: main
    client_url: wss://acme.livekit.cloud
    keys: { file: /etc/livekit/keys.yaml, signing_key: APIabc }
    sfu_version: 1.10            # a string field takes a plain scalar as it is written
authenticators:
  - { name: partners, api_keys: { file: keys, header: x-api-key } }
  - { name: guests, anonymous: {} }
policies:
  - name: app
    match: { authenticator: guests }
    room: { client: if_equal, value: "r-{random}" }
    identity: { client: allow, default: 010 }
    metadata: { client: forbid }
    room_config: { client: allow, agents: ["support-*", yes], max_agents: 3, egress: true }
    grants: { can_publish: false, can_publish_sources: [camera] }
    ttl: 1h30m
services:
  - { name: s, match: { authenticator: partners, subject: web }, relay: true, verify: false,
      mint: { rooms: [a], max_ttl: 1500ms } }
reflection: true
log_level: |-
  debug
drain: { delay: 0s, timeout: 20s }
)",
                            R"(
listen { grpc: "[::]:50051" admin: ":9464" }
projects {
  name: "main" client_url: "wss://acme.livekit.cloud"
  keys { file: "/etc/livekit/keys.yaml" signing_key: "APIabc" } sfu_version: "1.10"
}
authenticators { name: "partners" api_keys { file: "keys" header: "x-api-key" } }
authenticators { name: "guests" anonymous {} }
policies {
  name: "app" match { authenticator: "guests" }
  room { client: FIELD_MODE_IF_EQUAL value: "r-{random}" }
  identity { client: FIELD_MODE_ALLOW default: "010" }
  metadata { client: FIELD_MODE_FORBID }
  room_config { client: FIELD_MODE_ALLOW agents: "support-*" agents: "yes" max_agents: 3 egress: true }
  grants { can_publish: false can_publish_sources: "camera" }
  ttl { seconds: 5400 }
}
services {
  name: "s" match { authenticator: "partners" subject: "web" } relay: true
  mint { rooms: "a" max_ttl { seconds: 1 nanos: 500000000 } }
}
reflection: true
log_level: "debug"
drain { delay {} timeout { seconds: 20 } }
)");
}

TEST(ReadYaml, ReadsTheGatewaysConfiguration) {
  ExpectReads<GatewayConfig>(
      "limits: {body_bytes: 1024, idle_timeout: 60s, connections: -1}\n"
      "cors: {origins: ['https://a.example'], credentials: true}\nrelay_headers: []\n",
      "limits { body_bytes: 1024 idle_timeout { seconds: 60 } connections: -1 } "
      "cors { origins: \"https://a.example\" credentials: true }");
}

TEST(ReadYaml, ReadsMaps) {
  ExpectReads<ApiKeyFile>("keys:\n- id: a\n  claims: {tenant: acme, plan: 1, \"odd key\": \"\"}\n",
                          R"(keys { id: "a" claims { key: "tenant" value: "acme" } claims { key: "plan" value: "1" }
                                   claims { key: "odd key" value: "" } })");
}

TEST(ReadYaml, AnEmptyFileIsAnEmptyMapping) {
  ExpectReads<ServerConfig>("", "");
  ExpectReads<ServerConfig>("# nothing\n", "");
  ExpectReads<ServerConfig>("{}", "");
  ExpectReads<ServerConfig>("---\nreflection: true\n", "reflection: true");
}

TEST(ReadYaml, TakesOneTextForAListOfOne) {
  ServerConfig config;
  ASSERT_EQ(FormatProblems("f", ReadYaml("services: [{projects: main}]", config)), "");
  ASSERT_EQ(config.services(0).projects_size(), 1);
  EXPECT_EQ(config.services(0).projects(0), "main");
}

TEST(ReadYaml, LeavesTheUnderscoreOfAFieldsNameOutOfItsKey) {
  ServerConfig config;
  ASSERT_EQ(FormatProblems("f", ReadYaml("services: [{assert: true}]", config)), "");
  EXPECT_TRUE(config.services(0).assert_());
  EXPECT_EQ(ReadYaml("services: [{assert_: true}]", config).size(), 1u);
}

TEST(ReadYaml, ReadsFreeValues) {
  ServerConfig config;
  const ConfigProblems problems = ReadYaml(R"(
policies:
  - match: { claims: { plan: pro, level: [1, "2", true, "no", 010, 1.5] } }
    room_config: { value: { agents: [{ agent_name: a, metadata: { n: -3, t: "{subject}" } }] } }
)",
                                           config);
  ASSERT_EQ(FormatProblems("f", problems), "");
  const auto& claims = config.policies(0).match().claims();
  ASSERT_EQ(claims.at("plan").values_size(), 1);
  EXPECT_EQ(claims.at("plan").values(0).string_value(), "pro");
  const auto& level = claims.at("level").values();
  ASSERT_EQ(level.size(), 6);
  EXPECT_EQ(level[0].number_value(), 1);
  EXPECT_EQ(level[1].string_value(), "2");
  EXPECT_TRUE(level[2].bool_value());
  EXPECT_EQ(level[3].string_value(), "no");
  EXPECT_EQ(level[4].string_value(), "010");  // what YAML makes of it depends on the library
  EXPECT_EQ(level[5].string_value(), "1.5");
  const auto& agent = config.policies(0).room_config().value().fields().at("agents").list_value().values(0);
  const auto& metadata = agent.struct_value().fields().at("metadata").struct_value().fields();
  EXPECT_EQ(metadata.at("n").number_value(), -3);
  EXPECT_EQ(metadata.at("t").string_value(), "{subject}");
}

TEST(ReadYaml, FindsProblemsInFreeValues) {
  ServerConfig config;
  const ConfigProblems problems =
      ReadYaml("policies: [{match: {claims: {a: {b: c}}}, room_config: {value: {x: , y: 1, y: 2}}}]", config);
  EXPECT_EQ(FormatProblems("f", problems),
            "f: policies[0].match.claims.a: must be a list\n"
            "f: policies[0].room_config.value.x: has no value\n"
            "f: policies[0].room_config.value.y: is given twice\n");
}

struct BadYaml {
  const char* yaml;
  const char* path;
  const char* message;
};

class ReadYamlRefuses : public ::testing::TestWithParam<BadYaml> {};

TEST_P(ReadYamlRefuses, WithPathAndReason) {
  ServerConfig config;
  const ConfigProblems problems = ReadYaml(GetParam().yaml, config);
  ASSERT_EQ(problems.size(), 1u) << FormatProblems("f", problems);
  EXPECT_EQ(problems[0].path, GetParam().path);
  EXPECT_THAT(problems[0].message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Keys, ReadYamlRefuses,
                         ::testing::Values(BadYaml{"nonsense: 1", "nonsense", "known here: listen, projects"},
                                           BadYaml{"listen: {grcp: a}", "listen.grcp", "known here: grpc, admin"},
                                           BadYaml{"authenticators: [{anonymous: {x: 1}}]",
                                                   "authenticators[0].anonymous.x", "known here: none"},
                                           BadYaml{"logLevel: debug", "logLevel", "not a known key"},
                                           BadYaml{"reflection: true\nreflection: true", "reflection", "given twice"},
                                           BadYaml{"listen: {grpc: a, grpc: b}", "listen.grpc", "given twice"},
                                           BadYaml{"? [a]\n: 1", "", "not a known key"},
                                           BadYaml{"<<: {reflection: true}", "<<", "not a known key"},
                                           BadYaml{"policies: [{}, {room: {x: 1}}]", "policies[1].room.x",
                                                   "not a known key"},
                                           BadYaml{"authenticators: [{name: a, api_keys: {}, anonymous: {}}]",
                                                   "authenticators[0].anonymous", "only one of: api_keys, anonymous"}));

TEST(ReadYaml, ReadsNumbers) {
  for (const auto& [text, value] : {std::pair{"0", 0.0}, {"1", 1.0}, {"0.25", 0.25}, {"-1.5", -1.5}, {"10.0", 10.0}}) {
    config::v1::ServerConfig config;
    EXPECT_TRUE(ReadYaml(std::string("access_log_sample: ") + text, config).empty()) << text;
    EXPECT_EQ(config.access_log_sample(), value);
  }
}

INSTANTIATE_TEST_SUITE_P(Numbers, ReadYamlRefuses,
                         ::testing::Values(BadYaml{"access_log_sample: .5", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: 1.", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: 00.5", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: 1e-1", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: .nan", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: nan", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: 0.1.2", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: \"0.1\"", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: 0,1", "access_log_sample", "such as 0.1"},
                                           BadYaml{"access_log_sample: +1", "access_log_sample", "such as 0.1"}));

INSTANTIATE_TEST_SUITE_P(
    Values, ReadYamlRefuses,
    ::testing::Values(
        BadYaml{"- a", "", "must be a mapping"}, BadYaml{"just text", "", "must be a mapping"},
        BadYaml{"listen:", "listen", "has no value"}, BadYaml{"log_level: ~", "log_level", "has no value"},
        BadYaml{"log_level: null", "log_level", "has no value"},
        BadYaml{"drain: {delay: }", "drain.delay", "has no value"},
        BadYaml{"projects: [~]", "projects[0]", "has no value"}, BadYaml{"listen: text", "listen", "must be a mapping"},
        BadYaml{"listen: []", "listen", "must be a mapping"}, BadYaml{"projects: {}", "projects", "must be a list"},
        BadYaml{"services: [{projects: {a: b}}]", "services[0].projects", "must be a list"},
        BadYaml{"log_level: {}", "log_level", "single value"}, BadYaml{"log_level: [a]", "log_level", "single value"},
        BadYaml{"reflection: yes", "reflection", "true or false"},
        BadYaml{"reflection: True", "reflection", "true or false"},
        BadYaml{"reflection: \"true\"", "reflection", "true or false"},
        BadYaml{"reflection: 1", "reflection", "true or false"}, BadYaml{"log_level: \"a\\0b\"", "log_level", "NUL"}));

#define MAX_AGENTS "policies[0].room_config.max_agents"
INSTANTIATE_TEST_SUITE_P(
    Integers, ReadYamlRefuses,
    ::testing::Values(BadYaml{"policies: [{room_config: {max_agents: 010}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: 0x10}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: 1_000}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: 1.0}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: 1e3}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: +1}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: '1'}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: ''}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: -}}]", MAX_AGENTS, "decimal digits"},
                      BadYaml{"policies: [{room_config: {max_agents: 2147483648}}]", MAX_AGENTS, "out of range"},
                      BadYaml{"policies: [{room_config: {max_agents: 99999999999999999999}}]", MAX_AGENTS,
                              "out of range"}));

INSTANTIATE_TEST_SUITE_P(
    EnumsAndDurations, ReadYamlRefuses,
    ::testing::Values(BadYaml{"policies: [{room: {client: IF_EQUAL}}]", "policies[0].room.client",
                              "one of: forbid, allow, if_equal"},
                      BadYaml{"policies: [{room: {client: field_mode_allow}}]", "policies[0].room.client", "one of:"},
                      BadYaml{"policies: [{room: {client: unspecified}}]", "policies[0].room.client", "one of:"},
                      BadYaml{"policies: [{room: {client: 1}}]", "policies[0].room.client", "one of:"},
                      BadYaml{"drain: {delay: 5}", "drain.delay", "duration such as"},
                      BadYaml{"drain: {delay: 0}", "drain.delay", "duration such as"},
                      BadYaml{"drain: {delay: -5s}", "drain.delay", "duration such as"},
                      BadYaml{"drain: {delay: {seconds: 5}}", "drain.delay", "duration such as"},
                      BadYaml{"drain: {delay: 5 s}", "drain.delay", "duration such as"}));

INSTANTIATE_TEST_SUITE_P(
    Yaml, ReadYamlRefuses,
    ::testing::Values(BadYaml{"log_level: &a debug", "log_level", "anchors"},
                      BadYaml{"listen: &a {grpc: x}", "listen", "anchors"},
                      BadYaml{"log_level: !!str debug", "log_level", "tags"},
                      BadYaml{"listen: !x {grpc: x}", "listen", "tags"},
                      BadYaml{"reflection: true\n---\nreflection: false", "", "more than one YAML document"},
                      BadYaml{"listen: {grpc: x", "", "not valid YAML near line 1"},
                      BadYaml{"a: b: c", "", "not valid YAML"}, BadYaml{"log_level: \"open", "", "not valid YAML"},
                      BadYaml{"\tlog_level: a", "", "not valid YAML"}, BadYaml{"log_level: a\xff", "", "UTF-8"}));

TEST(ReadYaml, RefusesAliases) {
  ServerConfig config;
  const ConfigProblems problems = ReadYaml("log_level: &a debug\nlisten: {grpc: *a}\n", config);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[1].path, "listen.grpc");
  EXPECT_THAT(problems[1].message, HasSubstr("aliases"));
}

TEST(ReadYaml, RefusesDepthBeyond32) {
  ServerConfig config;
  for (const int depth : {33, 400, 100'000}) {
    const std::string yaml = "log_level: " + std::string(static_cast<std::size_t>(depth), '[');
    EXPECT_THAT(ReadYaml(yaml + std::string(static_cast<std::size_t>(depth), ']'), config), Not(IsEmpty())) << depth;
    EXPECT_THAT(ReadYaml(yaml, config), Not(IsEmpty())) << depth;
  }
}

TEST(ReadYaml, FindsEveryProblem) {
  ServerConfig config;
  const ConfigProblems problems =
      ReadYaml("reflection: maybe\nprojects: [{nam: x}, {name: }]\ndrain: {delay: soon}\nwhat: 1\n", config);
  std::vector<std::string> paths;
  for (const ConfigProblem& problem : problems) paths.push_back(problem.path);
  EXPECT_THAT(paths, ElementsAre("reflection", "projects[0].nam", "projects[1].name", "drain.delay", "what"));
}

TEST(ReadYaml, NeverRepeatsAValue) {
  ServerConfig config;
  for (const char* yaml : {"reflection: hunter2", "drain: {delay: hunter2}", "policies: [{room: {client: hunter2}}]",
                           "policies: [{room_config: {max_agents: hunter2}}]", "listen: hunter2", "projects: hunter2",
                           "log_level: [hunter2]", "log_level: \"hunter2", "log_level: *hunter2", "what: hunter2",
                           "log_level: !hunter2 x"}) {
    const std::string text = FormatProblems("f", ReadYaml(yaml, config));
    EXPECT_NE(text, "") << yaml;
    EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  }
}

TEST(ReadYamlWithSection, SharesOutTheFile) {
  ServerConfig server;
  GatewayConfig gateway;
  bool has_section = false;
  EXPECT_THAT(ReadYamlWithSection("reflection: true\ngateway: {extended_response: true}\n", server, "gateway", gateway,
                                  has_section),
              IsEmpty());
  EXPECT_TRUE(has_section);
  EXPECT_TRUE(server.reflection());
  EXPECT_TRUE(gateway.extended_response());
  EXPECT_THAT(ReadYamlWithSection("reflection: true\n", server, "gateway", gateway, has_section), IsEmpty());
  EXPECT_FALSE(has_section);
  EXPECT_FALSE(gateway.extended_response());
}

TEST(ReadYamlWithSection, NamesPathsFromTheTop) {
  ServerConfig server;
  GatewayConfig gateway;
  bool has_section = false;
  const ConfigProblems problems = ReadYamlWithSection(
      "gateway: {reflection: true}\nextended_response: true\ngateway: {}\n", server, "gateway", gateway, has_section);
  std::vector<std::string> paths;
  for (const ConfigProblem& problem : problems) paths.push_back(problem.path);
  EXPECT_THAT(paths, ElementsAre("gateway.reflection", "gateway", "extended_response"));
  EXPECT_EQ(ReadYamlWithSection("gateway:", server, "gateway", gateway, has_section).size(), 1u);
  EXPECT_EQ(ReadYamlWithSection("- a", server, "gateway", gateway, has_section).size(), 1u);
}

TEST(FormatProblems, WritesALineEach) {
  EXPECT_EQ(FormatProblems("server.yaml", {{"a.b", "is wrong"}, {"", "is not YAML"}}),
            "server.yaml: a.b: is wrong\nserver.yaml: is not YAML\n");
  EXPECT_EQ(FormatProblems("f", {{"a\nb\x1b", "x"}}), "f: a?b?: x\n");
}

class ReadFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/livekit-token-config-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    std::remove((folder_ + "/f").c_str());
    std::remove(folder_.c_str());
  }
  std::string folder_;
};

TEST_F(ReadFileTest, ReadsUpToTheLimit) {
  const std::string path = folder_ + "/f";
  std::ofstream(path) << std::string(100, 'x');
  ASSERT_OK_AND_ASSIGN(const std::string content, ReadFile(path, 100));
  EXPECT_EQ(content, std::string(100, 'x'));
  const auto too_long = ReadFile(path, 99);
  EXPECT_FALSE(too_long.ok());
  EXPECT_THAT(std::string(too_long.status().message()), ::testing::AllOf(HasSubstr(path), Not(HasSubstr("xx"))));
}

TEST_F(ReadFileTest, SaysWhyItCannot) {
  EXPECT_EQ(std::string(ReadFile(folder_ + "/none").status().message()), folder_ + "/none: does not exist");
  EXPECT_EQ(std::string(ReadFile(folder_).status().message()), folder_ + ": is a folder");
}

}  // namespace
}  // namespace livekit::token
