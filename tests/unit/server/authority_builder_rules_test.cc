// Checks of policies, services and ceilings.

#include <string>
#include <utility>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/access_token.h"
#include "server/authority_builder.h"

namespace livekit::token {
namespace {

using testing::BuildAuthority;
using testing::InDir;
using ::testing::IsEmpty;
using testing::IsRefusal;
using testing::NoEnvironment;
using testing::ServerConfigOf;

TEST_F(BuildAuthority, ChecksPolicies) {
  const std::string room = "room: { client: allow }, ";
  const std::pair<std::string, std::pair<const char*, const char*>> cases[] = {
      {WithPolicy("{ match: { authenticator: app }, room: { client: allow } }"), {"name", "is required"}},
      {WithPolicy("{ name: p, room: { client: allow } }"), {"match.authenticator", "is required"}},
      {WithPolicy("{ name: p, match: { authenticator: nobody }, room: { client: allow } }"),
       {"match.authenticator", "is not the name of an authenticator"}},
      {WithPolicy("{ name: p, match: { authenticator: app } }"), {"room", "is required"}},
      {AppPolicy("room: {}"), {"room", "can never be had"}},
      {AppPolicy("room: { client: forbid }"), {"room", "can never be had"}},
      {AppPolicy(room + "identity: { client: forbid }"), {"identity", "can never be had"}},
      {AppPolicy(room + "project: nobody"), {"project", "is not the name of a project"}},
      {AppPolicy("room: { client: if_equal }"), {"room.value", "is required with"}},
      {AppPolicy("room: { client: if_equal, value: a, default: b }"), {"room", "both `default` and `value`"}},
      {AppPolicy("room: { client: allow, value: a }"), {"room.value", "is the forced value"}},
      {AppPolicy("room: { client: allow, default: \"{x}\" }"), {"room.default", "unknown variable"}},
      {AppPolicy("room: { client: if_equal, value: \"{subject\" }"), {"room.value", "other half"}},
      {AppPolicy("room: { client: allow, default: \"{subject}{random}\" }"), {"room.default", "right after another"}},
      {AppPolicy(room + "identity: { client: allow, default: \"{x}\" }"), {"identity.default", "unknown variable"}},
      {AppPolicy(room + "display_name: { client: if_equal }"), {"display_name.value", "is required with"}},
      {AppPolicy(room + "metadata: { client: if_equal }"), {"metadata.value", "is required with"}},
      {AppPolicy(room + "attributes: { client: if_equal }"), {"attributes.client", "must be forbid, ignore or allow"}},
      {AppPolicy(room + "room_config: { client: if_equal }"), {"room_config.client", "must be forbid, ignore or allow"}},
      {AppPolicy(room + "room_config: { client: allow, agents: [\"a.*[b]\"] }"),
       {"room_config.agents[0]", "regular expressions do not work"}},
      {AppPolicy(room + "room_config: { client: allow, agents: [a, \"\"] }"), {"room_config.agents[1]", "is empty"}},
      {AppPolicy(room + "room_config: { client: allow, max_agents: -1 }"),
       {"room_config.max_agents", "must not be negative"}},
      {AppPolicy(room + "ttl: 119s"), {"ttl", "must be from 2m to 24h"}},
      {AppPolicy(room + "ttl: 24h1s"), {"ttl", "must be from 2m to 24h"}},
      {AppPolicy(room + "ttl: 0s"), {"ttl", "must be from 2m to 24h"}},
      {AppPolicy(room + "ttl: 150s500ms"), {"ttl", "must be whole seconds"}},
      {GuestPolicy("identity: { client: if_equal, value: \"{subject}\" }"), {"identity.value", "anonymous callers"}},
      {GuestPolicy("metadata: { client: allow, default: \"x-{subject}\" }"), {"metadata.default", "anonymous callers"}},
  };
  for (const auto& [yaml, problem] : cases) {
    ExpectProblem(yaml, "policies[0]." + std::string(problem.first), problem.second);
  }
  ExpectProblem(TwoProjects("{ name: p, match: { authenticator: app }, room: { client: allow } }",
                            "{ name: s, match: { authenticator: app, subject: web }, projects: [main], verify: true }"),
                "policies[0].project", "is required, since there are several");
  Parts parts;
  parts.policy += "\n  - " + parts.policy;
  ExpectProblem(parts.Yaml(), "policies[1].name", "is there twice");
}

TEST_F(BuildAuthority, TakesPoliciesAtTheirLimits) {
  for (const char* rest :
       {"ttl: 2m", "ttl: 24h", "room_config: { client: allow, agents: [\"*\"], max_agents: 0 }",
        "metadata: { client: forbid, value: x }", "identity: { client: forbid, value: \"{subject}\" }",
        "identity: { client: forbid, default: bot }"}) {
    EXPECT_EQ(FormatProblems("f", BuildFrom(AppPolicy(std::string("room: { client: allow }, ") + rest)).problems), "")
        << rest;
  }
}

TEST_F(BuildAuthority, ChecksGrantsOfPolicies) {
  const auto with = [](const std::string& grants) { return AppPolicy("room: { client: allow }, grants: " + grants); };
  const std::string all = "can_publish: true, can_subscribe: true, can_publish_data: true";
  EXPECT_THAT(BuildFrom(with("{ " + all + ", hidden: true, can_publish_sources: [camera] }")).problems, IsEmpty());
  for (const char* grants :
       {"{}", "{ can_publish: true, can_subscribe: true }", "{ can_publish: true, can_publish_data: true }",
        "{ can_subscribe: true, can_publish_data: true }"}) {
    ExpectProblem(with(grants), "policies[0].grants", "must state can_publish");
  }
  for (const char* flag : {"room_create", "room_list", "room_record", "ingress_admin", "agent"}) {
    ExpectProblem(with("{ " + all + ", " + flag + ": true }"), "policies[0].grants." + std::string(flag),
                  "is not limited to one room");
  }
  ExpectProblem(with("{ " + all + ", room_join: true }"), "policies[0].grants.room_join", "is granted by every policy");
  ExpectProblem(with("{ " + all + ", room: x }"), "policies[0].grants.room", "is decided by");
  ExpectProblem(with("{ " + all + ", destination_room: x }"), "policies[0].grants.destination_room", "only from");
  ExpectProblem(with("{ " + all + ", can_publish_sources: [camera, Camera] }"),
                "policies[0].grants.can_publish_sources[1]", "must be camera");
}

TEST_F(BuildAuthority, ChecksServices) {
  const std::pair<std::string, std::pair<const char*, const char*>> cases[] = {
      {"{ match: { authenticator: app, subject: web }, verify: true }", {".name", "is required"}},
      {"{ name: s, match: { subject: web }, verify: true }", {".match.authenticator", "is required"}},
      {"{ name: s, match: { authenticator: x, subject: web }, verify: true }",
       {".match.authenticator", "is not the name of an authenticator"}},
      {"{ name: s, match: { authenticator: app }, verify: true }", {".match.subject", "is required"}},
      {"{ name: s, match: { authenticator: guests }, verify: true }", {".match.authenticator", "is anonymous"}},
      {"{ name: s, match: { authenticator: app, subject: web } }", {"", "permits nothing"}},
      {"{ name: s, match: { authenticator: app, subject: web }, projects: [x], verify: true }",
       {".projects[0]", "is not the name of a project"}},
  };
  for (const auto& [service, problem] : cases) {
    ExpectProblem(WithService(service), "services[0]" + std::string(problem.first), problem.second);
  }
  ExpectProblem(TwoProjects("{ name: p, match: { authenticator: app }, project: two, room: { client: allow } }",
                            "{ name: s, match: { authenticator: app, subject: web }, verify: true }"),
                "services[0].projects", "is required, since there are several");
  Parts parts;
  parts.service += "\n  - { name: t, match: { authenticator: app, subject: web }, relay: true }";
  ExpectProblem(parts.Yaml(), "services[1].match", "is the caller of another service");
  parts = Parts();
  parts.service += "\n  - { name: s, match: { authenticator: app, subject: app }, relay: true }";
  ExpectProblem(parts.Yaml(), "services[1].name", "is there twice");
}

TEST_F(BuildAuthority, ExplainsThatAnonymousServicesHaveNoSubject) {
  const std::string service = "{ name: s, match: { authenticator: guests, subject: web }, verify: true }";
  ExpectProblem(WithService(service), "services[0].match.subject", "does not exist", /*dev=*/true);
  const BuildResult built = BuildFrom(WithService(service));
  EXPECT_EQ(built.problems.size(), 2U);
  EXPECT_THAT(
      BuildFrom(WithService("{ name: s, match: { authenticator: guests }, verify: true }"), NoEnvironment(), true)
          .problems,
      IsEmpty());
}

TEST_F(BuildAuthority, ChecksCeilings) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"{ rooms: [\"a.+\"] }", {"rooms[0]", "regular expressions do not work"}},
      {"{ rooms: [\"^a\"] }", {"rooms[0]", "regular expressions do not work"}},
      {"{ rooms: [\"{subject}\"] }", {"rooms[0]", "regular expressions do not work"}},
      {"{ rooms: [a, \"\"] }", {"rooms[1]", "is empty"}},
      {"{ identities: [\"a|b\"] }", {"identities[0]", "regular expressions do not work"}},
      {"{ room_presets: [\"a?\"] }", {"room_presets[0]", "regular expressions do not work"}},
      {"{ video: { can_publish_sources: [mic] } }", {"video.can_publish_sources[0]", "must be camera"}},
      {"{ video: { room: a } }", {"video", "names a room"}},
      {"{ video: { destination_room: a } }", {"video", "names a room"}},
      {"{ kinds: [agent, Agent] }", {"kinds[1]", "is not a kind"}},
      {"{ kind_details: [x] }", {"kind_details[0]", "is not a kind detail"}},
      {"{ sensitive_room_config: true }", {"sensitive_room_config", "needs `room_config: true`"}},
      {"{ max_ttl: 0s }", {"max_ttl", "must be from 1s"}},
      {"{ max_ttl: 1s500ms }", {"max_ttl", "must be whole seconds"}},
  };
  for (const auto& [mint, problem] : cases) {
    ExpectProblem(WithMint(mint), "services[0].mint." + std::string(problem.first), problem.second);
  }
  EXPECT_THAT(BuildFrom(WithMint("{ max_ttl: 876000h, kinds: [agent], kind_details: [simulation], room_config: true, "
                                 "sensitive_room_config: true }"))
                  .problems,
              IsEmpty());
  auto config = ServerConfigOf(InDir(dir_, WithMint("{ max_ttl: 1s }")));
  config.mutable_services(0)->mutable_mint()->mutable_max_ttl()->set_seconds(kMaxTtl.count() + 1);
  EXPECT_EQ(BuildAuthorityState(config, {}).problems.size(), 1U);
}

TEST_F(BuildAuthority, DeniesWhatACeilingDoesNotState) {
  const BuildResult built = BuildFrom(WithMint("{}"));
  ASSERT_THAT(built.problems, IsEmpty());
  const MintCeiling& ceiling = *built.state->services[0].mint;
  EXPECT_EQ(ceiling.max_ttl, std::chrono::minutes(15));
  EXPECT_TRUE(ceiling.rooms.empty() && ceiling.identities.empty() && ceiling.kinds.empty() &&
              ceiling.kind_details.empty() && ceiling.room_presets.empty());
  EXPECT_FALSE(ceiling.sha256 || ceiling.extra_claims || ceiling.room_config || ceiling.sensitive_room_config);
  for (const google::protobuf::Message* grant : std::initializer_list<const google::protobuf::Message*>{
           &ceiling.video, &ceiling.sip, &ceiling.agent, &ceiling.inference, &ceiling.observability}) {
    EXPECT_EQ(grant->ByteSizeLong(), 0U);
  }
}

// Every right is carried from the file to the ceiling that is applied.
TEST_F(BuildAuthority, CarriesEveryRightOfACeiling) {
  const char* const rights[] = {"sip: { admin: true, call: true }",
                                "agent: { admin: true, simulation_admin: true, database_admin: true }",
                                "inference: { perform: true }",
                                "observability: { write: true }",
                                "kinds: [agent]",
                                "kind_details: [forwarded]",
                                "room_presets: [\"b*\"]",
                                "sha256: true",
                                "extra_claims: true",
                                "room_config: true"};
  std::string mint = "{ rooms: [r], identities: [i], video: { room_join: true, can_publish: true }";
  for (const char* right : rights) mint += std::string(", ") + right;
  const BuildResult built = BuildFrom(WithMint(mint + " }"));
  ASSERT_EQ(FormatProblems("f", built.problems), "");
  v1::Grants asked;
  asked.set_identity("i");
  asked.mutable_video()->set_room_join(true);
  asked.mutable_video()->set_room("r");
  asked.mutable_sip()->set_call(true);
  asked.mutable_agent()->set_database_admin(true);
  asked.mutable_inference()->set_perform(true);
  asked.mutable_observability()->set_write(true);
  asked.set_kind("agent");
  asked.add_kind_details("forwarded");
  asked.set_room_preset("big");
  asked.set_sha256("x");
  asked.mutable_room_config();
  (*asked.mutable_extra_claims()->mutable_fields())["n"].set_bool_value(true);
  v1::Grants grants = asked;
  EXPECT_OK(ApplyCeiling(*built.state->services[0].mint, grants));
  for (std::size_t left_out = 0; left_out < std::size(rights); ++left_out) {
    std::string less = "{ rooms: [r], identities: [i], video: { room_join: true }";
    for (std::size_t i = 0; i < std::size(rights); ++i) {
      if (i != left_out) less += std::string(", ") + rights[i];
    }
    const BuildResult without = BuildFrom(WithMint(less + " }"));
    ASSERT_THAT(without.problems, IsEmpty());
    grants = asked;
    EXPECT_THAT(ApplyCeiling(*without.state->services[0].mint, grants), IsRefusal(v1::GRANT_NOT_PERMITTED))
        << rights[left_out];
  }
}

}  // namespace
}  // namespace livekit::token
