// Tests of policies.

#include "server/policy_tests.h"

#include <string>
#include <vector>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class PolicyTests : public testing::AuthorityFixture {
 protected:
  PolicyTests() {
    dir_.Write("deny.yaml", "blocked: [{ identity: mallory }]");
    BuildOptions options;
    options.environment = testing::NoEnvironment();
    options.check_only = true;
    BuildResult built = BuildAuthorityState(testing::ServerConfigOf(testing::InDir(dir_, R"(
projects:
  - { name: main, client_url: wss://main.example, keys: { file: $DIR/main.keys, signing_key: APImain } }
  - { name: other, client_url: wss://other.example, keys: { file: $DIR/other.keys } }
authenticators:
  - { name: app, jwt: { issuer: "https://login.example", audiences: [a], algorithms: [RS256] } }
  - { name: programs, api_keys: { file: $DIR/programs.yaml, header: authorization } }
  - { name: guests, anonymous: {} }
deny_list: { file: $DIR/deny.yaml }
policies:
  - name: staff
    match: { authenticator: app, claims: { role: staff } }
    project: main
    room: { client: allow, pattern: "acme_[a-z]{1,9}" }
    attributes: { client: forbid, value: { tier: "{claims.tier}" } }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: true, room_admin: true }
    ttl: 1h
  - name: everyone
    match: { authenticator: app }
    project: main
    room: { client: if_equal, value: lobby }
    metadata: { client: forbid }
  - name: box
    match: { authenticator: guests, sandbox_id: [box-*] }
    project: main
    room: { client: allow, default: "room-{random}" }
  - name: asserted
    match: { service: bff }
    project: other
    room: { client: allow }
services:
  - { name: bff, match: { authenticator: programs, subject: gateway }, projects: [main], assert: true }
)")),
                                            options);
    EXPECT_EQ(FormatProblems("f", built.problems), "");
    state_ = built.state;
  }

  ConfigProblems ProblemsOf(const std::string& yaml) {
    config::v1::PolicyTestFile file;
    ConfigProblems problems = ReadYaml(yaml, file);
    EXPECT_EQ(FormatProblems("f", problems), "");
    EXPECT_THAT(RunPolicyTests(file, *state_, clock_.now, problems), IsEmpty());
    return problems;
  }

  // What fails of one test, given without its name.
  std::vector<std::string> Failures(const std::string& test) {
    config::v1::PolicyTestFile file;
    const std::string yaml = "tests:\n  - { name: t, " + test + " }\n";
    ConfigProblems problems = ReadYaml(yaml, file);
    const auto results = RunPolicyTests(file, *state_, clock_.now, problems);
    EXPECT_EQ(FormatProblems("f", problems), "") << yaml;
    if (results.size() != 1) return {"was not run"};
    EXPECT_EQ(results[0].name, "t");
    return results[0].failures;
  }
};

constexpr char kStaff[] = "principal: { authenticator: app, subject: alice, claims: { role: staff, tier: pro } }, ";
constexpr char kAlice[] = "principal: { authenticator: app, subject: alice }, ";
constexpr char kStaffGrants[] =
    "grants: { identity: alice, attributes: { tier: pro }, video: { room_join: true, room: \"acme_*\", room_admin: "
    "true, can_publish: true, can_subscribe: true, can_publish_data: true } }";

TEST_F(PolicyTests, PassWhenAllIsAsStated) {
  const std::string staff = kStaff;
  EXPECT_THAT(
      Failures(staff + "request: { room_name: acme_x }, expect: { policy: staff, ttl: 1h, " + kStaffGrants + " }"),
      IsEmpty());
  EXPECT_THAT(Failures(staff + "request: { room_name: acme_x }, expect: { policy: staff }"), IsEmpty());
  EXPECT_THAT(Failures(staff + "request: { room_name: acme_x }, expect: { ttl: 60m }"), IsEmpty());
  EXPECT_THAT(
      Failures(staff + "request: { room_name: other }, expect: { reason: ROOM_NOT_PERMITTED, field: room_name }"),
      IsEmpty());
  EXPECT_THAT(Failures(staff + "expect: { reason: FIELD_REQUIRED }"), IsEmpty());
  EXPECT_THAT(Failures("principal: { authenticator: guests }, expect: { reason: NO_POLICY }"), IsEmpty());
  EXPECT_THAT(Failures("principal: { authenticator: guests }, sandbox_id: box-1, expect: { policy: box }"), IsEmpty());
  EXPECT_THAT(Failures("principal: { authenticator: app, subject: mallory }, expect: { reason: PARTICIPANT_BLOCKED }"),
              IsEmpty());
  // The projects of the service that asserts bound it here too.
  EXPECT_THAT(Failures("principal: { service: bff, subject: a }, request: { room_name: r }, "
                       "expect: { reason: PROJECT_NOT_PERMITTED }"),
              IsEmpty());
}

TEST_F(PolicyTests, ShowWhatTheTokenSaysElse) {
  const std::string staff = std::string(kStaff) + "request: { room_name: acme_x }, ";
  EXPECT_THAT(
      Failures(staff + "expect: { policy: everyone, ttl: 15m, grants: { identity: bob, video: { room_join: "
                       "true, room: \"acme_b*\", hidden: true, can_publish: true, can_subscribe: true } } }"),
      ElementsAre("expected policy everyone, got policy staff", "identity: expected \"bob\", got \"alice\"",
                  "video.room: expected \"acme_b*\", got \"acme_x\"", "video.hidden: expected true, got nothing",
                  "attributes.tier: not expected, got \"pro\"", "video.room_admin: not expected, got true",
                  "video.can_publish_data: not expected, got true", "ttl: expected 900s, got 3600s"));
}

TEST_F(PolicyTests, ShowWhyThereIsNoToken) {
  EXPECT_THAT(Failures(std::string(kAlice) + "request: { room_name: x, participant_metadata: m }, " +
                       "expect: { policy: staff }"),
              ElementsAre("expected policy staff, got policy everyone",
                          "refused: ROOM_NOT_PERMITTED: This room is not permitted.",
                          "  room_name: must be left out or equal the value that the policy sets",
                          "  participant_metadata: may not be set by the client",
                          "  policy staff: The claim `role` is absent or has none of the values that are needed.",
                          "  policy everyone: It applies."));
  const auto none = Failures("principal: { authenticator: guests }, expect: { policy: box }");
  ASSERT_EQ(none.size(), 6U);
  EXPECT_EQ(none[0], "expected policy box, got none");
  EXPECT_EQ(none[1], "refused: NO_POLICY: No policy allows this request.");
  EXPECT_EQ(none[4], "  policy box: It is for requests with the sandbox id `box-*`.");
  EXPECT_EQ(none[5], "  policy asserted: It is for those whom the service `bff` vouches for.");
}

TEST_F(PolicyTests, ShowATokenWhereNoneIsExpected) {
  EXPECT_THAT(Failures(std::string(kAlice) + "expect: { reason: ROOM_NOT_PERMITTED }"),
              ElementsAre("expected reason ROOM_NOT_PERMITTED, got grants identity=\"alice\", video.room_join=true, "
                          "video.room=\"lobby\""));
}

TEST_F(PolicyTests, ShowAnotherRefusal) {
  const std::string asked = std::string(kAlice) + "request: { room_name: x }, ";
  const auto other = Failures(asked + "expect: { reason: NO_POLICY }");
  ASSERT_GT(other.size(), 1U);
  EXPECT_EQ(other[0], "expected reason NO_POLICY, got reason ROOM_NOT_PERMITTED");
  EXPECT_THAT(other[1], StartsWith("refused: ROOM_NOT_PERMITTED"));
  EXPECT_THAT(Failures(asked + "expect: { reason: ROOM_NOT_PERMITTED, field: participant_name }"),
              ElementsAre("expected field participant_name, got room_name"));
  EXPECT_THAT(Failures("principal: { authenticator: guests }, expect: { reason: NO_POLICY, field: room_name }"),
              ElementsAre("expected field room_name, got no field"));
}

TEST_F(PolicyTests, MustBePossible) {
  const auto problem = [&](const std::string& test, const std::string& path, const std::string& message) {
    const auto problems = ProblemsOf("tests:\n  - { " + test + " }\n");
    ASSERT_EQ(problems.size(), 1U) << test << FormatProblems("f", problems);
    EXPECT_EQ(problems[0].path, "tests[0]." + path) << test;
    EXPECT_THAT(problems[0].message, HasSubstr(message)) << test;
  };
  const std::string alice = std::string("name: t, ") + kAlice;
  problem(std::string(kAlice) + "expect: { policy: a }", "name", "is required");
  problem(alice + "expect: {}", "expect", "expects nothing");
  problem("name: t, principal: { authenticator: guests }", "expect", "expects nothing");
  problem(alice + "expect: { policy: a, reason: NO_POLICY }", "expect", "exclude `reason`");
  problem(alice + "expect: { ttl: 5m, reason: NO_POLICY }", "expect", "exclude `reason`");
  problem(alice + "expect: { grants: {}, reason: NO_POLICY }", "expect", "exclude `reason`");
  problem(alice + "expect: { policy: a, field: room_name }", "expect.field", "goes with `reason`");
  problem(alice + "expect: { ttl: 1500ms }", "expect.ttl", "whole seconds");
  for (const char* reason : {"no_policy", "NO_SUCH", "ERROR_REASON_UNSPECIFIED", "40"}) {
    problem(alice + "expect: { reason: " + reason + " }", "expect.reason", "is not the name of a reason");
  }
  const std::string rest = ", expect: { policy: a }";
  problem("name: t" + rest, "principal.authenticator", "is required, or `service`");
  problem("name: t, principal: { authenticator: nothing, subject: a }" + rest, "principal.authenticator",
          "is not the name of an authenticator");
  problem("name: t, principal: { service: nothing, subject: a }" + rest, "principal.service", "with `assert`");
  problem("name: t, principal: { authenticator: app, service: bff, subject: a }" + rest, "principal.service",
          "does not go with `authenticator`");
  problem("name: t, principal: { authenticator: app }" + rest, "principal.subject", "is required");
  problem("name: t, principal: { authenticator: guests, subject: a }" + rest, "principal.subject", "anonymous");
}

TEST_F(PolicyTests, AreAllReadBeforeOneRuns) {
  const auto problems =
      ProblemsOf(std::string("tests:\n  - { name: a, ") + kAlice + "expect: { policy: everyone } }\n" +
                 "  - { name: a, " + kAlice + "expect: { policy: everyone } }\n" + "  - { name: c }\n");
  ASSERT_EQ(problems.size(), 3U);
  EXPECT_EQ(problems[0].path, "tests[1].name");
  EXPECT_THAT(problems[0].message, HasSubstr("twice"));
  EXPECT_EQ(problems[1].path, "tests[2].expect");
  EXPECT_EQ(problems[2].path, "tests[2].principal.authenticator");
  EXPECT_EQ(ProblemsOf("tests: []\n")[0].path, "tests");
}

}  // namespace
}  // namespace livekit::token
