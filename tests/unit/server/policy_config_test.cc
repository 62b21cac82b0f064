// Configuration of policies: conditions, fields, inheritance, and what is odd about them together.

#include <string>
#include <utility>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/authority_builder.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::NoEnvironment;

class PolicyConfig : public testing::BuildAuthority {
 protected:
  PolicyConfig() {
    dir_.Write("hmac.key", "0123456789abcdef0123456789abcdef\n");
    dir_.Write("short.key", "0123456789abcdef0123456789abcde\n \n");
    dir_.Write("open.key", "0123456789abcdef0123456789abcdef\n", 0644);
  }

  static std::string Policies(const std::string& list, const std::string& more = "") {
    Parts parts;
    parts.policy = list;
    return parts.Yaml() + more;
  }
  static std::string Room(const std::string& rule) { return AppPolicy("room: " + rule); }
  static std::string Matching(const std::string& match) {
    return WithPolicy("{ name: p, match: " + match + ", room: { client: allow } }");
  }
  // The grants that the policies give to a principal.
  absl::StatusOr<v1::Grants> Decide(const std::string& yaml, const Principal& principal, const std::string& room = "",
                                    const std::string& sandbox_id = "") {
    const BuildResult built = BuildFrom(yaml);
    EXPECT_EQ(FormatProblems("f", built.problems), "") << yaml;
    if (built.state == nullptr) return absl::InternalError("not built");
    livekit::TokenSourceRequest request;
    if (!room.empty()) request.set_room_name(room);
    auto decision = built.state->policies.Decide(principal, request, sandbox_id);
    if (!decision.ok()) return decision.status();
    return decision->grants;
  }
  static Principal App(const std::string& claims = "{}") {
    return {"app", "alice", Claims(nlohmann::json::parse(claims))};
  }
};

TEST_F(PolicyConfig, ChecksFields) {
  const std::string room = "room: { client: allow }, ";
  const std::pair<std::string, std::pair<const char*, const char*>> cases[] = {
      {Room("{ client: ignore }"), {"room", "can never be had"}},
      {Room("{ client: ignore, default: a, value: b }"), {"room", "both `default` and `value`"}},
      {Room("{ client: forbid, value: a, pattern: b }"), {"room.pattern", "goes only with `client: allow`"}},
      {Room("{ client: if_equal, value: a, one_of: [b] }"), {"room.one_of", "goes only with `client: allow`"}},
      {Room("{ client: ignore, value: a, prefix: b }"), {"room.prefix", "goes only with `client: allow`"}},
      {Room("{ value: a, max_bytes: 5 }"), {"room.max_bytes", "goes only with `client: allow`"}},
      {Room("{ client: allow, max_bytes: -1 }"), {"room.max_bytes", "from 1 to LiveKit's own limit of 256"}},
      {Room("{ client: allow, max_bytes: 257 }"), {"room.max_bytes", "from 1 to LiveKit's own limit of 256"}},
      {Room("{ client: allow, pattern: \"(a\" }"), {"room.pattern", "not a regular expression"}},
      {Room("{ client: allow, pattern: \"{claims.t}.*\" }"), {"room.pattern", "followed by pattern text"}},
      {Room("{ client: allow, pattern: \"{claims.t?}_x\" }"), {"room.pattern", "cannot be left out"}},
      {Room("{ client: allow, prefix: \"a-{claims.t}\" }"), {"room.prefix", "ends with a variable"}},
      {Room("{ client: allow, prefix: \"{claims.t?}_\" }"), {"room.prefix", "cannot be left out"}},
      {Room("{ client: allow, prefix: \"{random}_\" }"), {"room.prefix", "no value can be equal to"}},
      {Room("{ client: allow, one_of: [a, \"{uuid}\"] }"), {"room.one_of[1]", "no value can be equal to"}},
      {Room("{ client: allow, one_of: [\"{claims.t?}\"] }"), {"room.one_of[0]", "cannot be left out"}},
      {Room("{ client: allow, default: \"a-{claims.t?}\" }"), {"room.default", "cannot be left out"}},
      {Room("{ value: \"{claims.t?}\" }"), {"room.value", "cannot be left out"}},
      {Room("{ value: \"a \" }"), {"room.value", "must not end with white space"}},
      {Room("{ value: " + std::string(257, 'a') + " }"), {"room.value", "more bytes than LiveKit takes"}},
      {Room("{ value: \"{hmac:subject}\" }"), {"room.value", "needs `hmac_key_file`"}},
      {AppPolicy(room + "identity: { value: \"a#b\" }"), {"identity.value", "must not contain `#`"}},
      {AppPolicy(room + "identity: { value: \"{claims.t?}\" }"), {"identity.value", "cannot be left out"}},
      {AppPolicy(room + "display_name: { client: allow, prefix: \"{claims.t?}_\" }"),
       {"display_name.prefix", "cannot be left out"}},
      {AppPolicy(room + "attributes: { keys: [a] }"), {"attributes.keys", "goes only with `client: allow`"}},
      {AppPolicy(room + "attributes: { client: ignore, max_bytes: 5 }"), {"attributes.max_bytes", "goes only with"}},
      {AppPolicy(room + "attributes: { client: allow, max_bytes: -5 }"),
       {"attributes.max_bytes", "from 1 to LiveKit's"}},
      {AppPolicy(room + "attributes: { client: allow, max_bytes: 65537 }"),
       {"attributes.max_bytes", "from 1 to LiveKit's"}},
      {AppPolicy(room + "attributes: { client: allow, keys: [\"a[bc]\"] }"),
       {"attributes.keys[0]", "regular expressions"}},
      {AppPolicy(room + "attributes: { client: allow, keys: [\"LK.*\"] }"),
       {"attributes.keys[0]", "reserved for LiveKit"}},
      {AppPolicy(room + "attributes: { value: { a: \"{x}\" } }"), {"attributes.value.a", "unknown variable"}},
      {AppPolicy(room + "attributes: { value: { a: \"\" } }"), {"attributes.value.a", "is empty"}},
      {AppPolicy(room + "attributes: { value: { \"a\\u200b\": b } }"), {"attributes.value", "invisible characters"}},
      {AppPolicy(room + "room_config: { agents: [a] }"), {"room_config.agents", "goes only with"}},
      {AppPolicy(room + "room_config: { max_agents: 1 }"), {"room_config.max_agents", "goes only with"}},
      {AppPolicy(room + "room_config: { egress: true }"), {"room_config.egress", "goes only with"}},
      {AppPolicy(room + "room_config: { max_metadata_bytes: 1 }"),
       {"room_config.max_metadata_bytes", "goes only with"}},
      {AppPolicy(room + "room_config: { tags: [a] }"), {"room_config.tags", "goes only with"}},
      {AppPolicy(room + "room_config: { limits: {} }"), {"room_config.limits", "goes only with"}},
      {AppPolicy(room + "room_config: { client: allow, deployments: [a] }"),
       {"room_config.deployments", "nothing without `agents`"}},
      {AppPolicy(room + "room_config: { client: allow, agents: [a], deployments: [\"a|b\"] }"),
       {"room_config.deployments[0]", "regular expressions"}},
      {AppPolicy(room + "room_config: { client: allow, tags: [\"a|b\"] }"),
       {"room_config.tags[0]", "regular expressions"}},
      {AppPolicy(room + "room_config: { client: allow, max_metadata_bytes: -1 }"),
       {"room_config.max_metadata_bytes", "negative"}},
      {AppPolicy(room + "room_config: { client: allow, limits: { empty_timeout: 0 } }"),
       {"room_config.limits.empty_timeout", "permits nothing with 0"}},
      {AppPolicy(room + "room_config: { client: allow, limits: { departure_timeout: 0 } }"),
       {"room_config.limits.departure_timeout", "permits nothing"}},
      {AppPolicy(room + "room_config: { client: allow, limits: { max_participants: 0 } }"),
       {"room_config.limits.max_participants", "permits nothing"}},
      {AppPolicy(room + "room_config: { client: allow, limits: { max_playout_delay: 0 } }"),
       {"room_config.limits.max_playout_delay", "permits nothing"}},
      {AppPolicy(room + "room_config: { client: allow, value: { metadata: m } }"),
       {"room_config.value", "does not go with"}},
      {AppPolicy(room + "room_config: { value: { agents: [{ agent_name: \"{x}\" }] } }"),
       {"room_config.value.agents[0].agent_name", "unknown variable"}},
      {AppPolicy(room + "room_config: { value: { nothing: 1 } }"), {"room_config.value", "does not"}},
      {AppPolicy(room + "max_token_bytes: -1"), {"max_token_bytes", "must not be negative"}},
      {GuestPolicy("display_name: { client: allow, default: \"{claims.name?}\" }"),
       {"display_name.default", "anonymous callers"}},
      {GuestPolicy("metadata: { client: allow, pattern: \"{subject}_x\" }"), {"metadata.pattern", "anonymous callers"}},
      {GuestPolicy("metadata: { client: allow, prefix: \"{claims.x}_\" }"), {"metadata.prefix", "anonymous callers"}},
      {GuestPolicy("metadata: { client: allow, one_of: [\"{subject}\"] }"),
       {"metadata.one_of[0]", "anonymous callers"}},
      {GuestPolicy("attributes: { value: { a: \"{subject}\" } }"), {"attributes.value.a", "anonymous callers"}},
      {GuestPolicy("room_config: { value: { metadata: \"{subject}\" } }"),
       {"room_config.value.metadata", "anonymous callers"}},
  };
  for (const auto& [yaml, problem] : cases) {
    ExpectProblem(yaml, "policies[0]." + std::string(problem.first), problem.second);
  }
}

TEST_F(PolicyConfig, ChecksMatches) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"{}", {"authenticator", "is required, or `service`"}},
      {"{ service: nobody }", {"service", "is not the name of a service"}},
      {"{ service: s }", {"service", "needs `assert: true`"}},
      {"{ authenticator: app, claims: { \"a b\": [x] } }", {"claims.a b", "is not a claim"}},
      {"{ authenticator: app, claims: { a: [] } }", {"claims.a", "names no value"}},
      {"{ authenticator: app, claims: { a: [x, \"\"] } }", {"claims.a[1]", "is empty"}},
      {"{ authenticator: app, claims: { a: [x, [y]] } }", {"claims.a[1]", "must be text"}},
      {"{ authenticator: app, claims: { a: [\"x|y\"] } }", {"claims.a[0]", "regular expressions"}},
      {"{ authenticator: app, scopes: [\"a b\"] }", {"scopes[0]", "must be one scope"}},
      {"{ authenticator: app, scopes: [a, \"\"] }", {"scopes[1]", "must be one scope"}},
      {"{ authenticator: app, room: [\"a.*b$\"] }", {"room[0]", "regular expressions"}},
      {"{ authenticator: app, room: [\"\"] }", {"room[0]", "is empty"}},
      {"{ authenticator: app, sandbox_id: [\"\"] }", {"sandbox_id[0]", "is empty"}},
      {"{ authenticator: app, sandbox_id: [a, \"b.*\", \"c+\"] }", {"sandbox_id[2]", "regular expressions"}},
      {"{ authenticator: guests, claims: { a: [x] } }", {"claims", "anonymous callers cannot meet"}},
      {"{ authenticator: guests, scopes: [x] }", {"scopes", "anonymous callers cannot meet"}},
  };
  for (const auto& [match, problem] : cases) {
    ExpectProblem(Matching(match), "policies[0].match." + std::string(problem.first), problem.second);
  }
  Parts parts;
  parts.service = "{ name: s, match: { authenticator: app, subject: web }, verify: true, assert: true }";
  parts.policy = "{ name: p, match: { authenticator: app, service: s }, room: { client: allow } }";
  ExpectProblem(parts.Yaml(), "policies[0].match.service", "does not go with `authenticator`");
  parts.policy = "{ name: p, match: { service: s }, room: { client: allow } }";
  EXPECT_THAT(BuildFrom(parts.Yaml()).problems, IsEmpty());
}

TEST_F(PolicyConfig, AppliesConditions) {
  const auto decided = [&](const std::string& match, const Principal& who, const std::string& room = "r",
                           const std::string& sandbox = "") {
    const auto result = Decide(Matching(match), who, room, sandbox);
    EXPECT_THAT(result.status(), ::testing::AnyOf(testing::IsOk(), IsRefusal(v1::NO_POLICY)));
    return result.ok();
  };
  const std::string typed = "{ authenticator: app, claims: { a: [true, 1, \"2\"] } }";
  EXPECT_TRUE(decided(typed, App(R"({"a":true})")));
  EXPECT_TRUE(decided(typed, App(R"({"a":1})")));
  EXPECT_TRUE(decided(typed, App(R"({"a":["2"]})")));
  for (const char* other : {R"({"a":"true"})", R"({"a":"1"})", R"({"a":2})", R"({"a":false})", "{}"}) {
    EXPECT_FALSE(decided(typed, App(other))) << other;
  }
  EXPECT_TRUE(decided("{ authenticator: app, claims: { plan: pro* } }", App(R"({"plan":"pro2"})")));
  // Every claim that is named, whose values are alternatives.
  const std::string both = "{ authenticator: app, claims: { a: [x, y], b.c: z }, scopes: [s, t] }";
  EXPECT_TRUE(decided(both, App(R"({"a":"y","b":{"c":"z"},"scope":"t s"})")));
  EXPECT_FALSE(decided(both, App(R"({"a":"y","b":{"c":"x"},"scope":"t s"})")));
  EXPECT_FALSE(decided(both, App(R"({"a":"q","b":{"c":"z"},"scope":"t s"})")));
  EXPECT_FALSE(decided(both, App(R"({"a":"y","b":{"c":"z"},"scope":"s"})")));

  EXPECT_TRUE(decided("{ authenticator: app, room: [a, b-*] }", App(), "b-1"));
  EXPECT_FALSE(decided("{ authenticator: app, room: [a, b-*] }", App(), "c"));
  EXPECT_FALSE(decided("{ authenticator: app, room: [\"*\"] }", App(), ""));

  EXPECT_TRUE(decided("{ authenticator: app, sandbox_id: [one, two] }", App(), "r", "two"));
  for (const char* sandbox : {"", "three", "tw", "*"}) {
    EXPECT_FALSE(decided("{ authenticator: app, sandbox_id: [one, two] }", App(), "r", sandbox)) << sandbox;
  }
  // Globs, as the room is; what the client sends is none.
  EXPECT_TRUE(decided("{ authenticator: app, sandbox_id: [one-*] }", App(), "r", "one-1"));
  for (const char* sandbox : {"", "one", "on*", "*", "two-1"}) {
    EXPECT_FALSE(decided("{ authenticator: app, sandbox_id: [one-*] }", App(), "r", sandbox)) << sandbox;
  }
  EXPECT_FALSE(decided("{ authenticator: app, sandbox_id: \"*\" }", App(), "r", ""));
  EXPECT_FALSE(decided("{ authenticator: app }", App(), "r", "one"));
  EXPECT_FALSE(decided("{ authenticator: guests, sandbox_id: [one] }", App(), "r", "one"));
}

TEST_F(PolicyConfig, TellsAssertedPrincipalsFromAuthenticatedOnes) {
  Parts parts;
  parts.service = "{ name: app, match: { authenticator: app, subject: web }, verify: true, assert: true }";
  const Principal authenticated{"app", "alice", {}};
  const Principal asserted{"", "alice", {}, "app"};
  parts.policy = "{ name: p, match: { service: app }, room: { client: allow } }";
  EXPECT_OK(Decide(parts.Yaml(), asserted, "r"));
  EXPECT_THAT(Decide(parts.Yaml(), authenticated, "r"), IsRefusal(v1::NO_POLICY));
  EXPECT_THAT(Decide(parts.Yaml(), {"app", "alice", {}, "app"}, "r"), IsRefusal(v1::NO_POLICY));
  parts.policy = "{ name: p, match: { authenticator: app }, room: { client: allow } }";
  EXPECT_OK(Decide(parts.Yaml(), authenticated, "r"));
  EXPECT_THAT(Decide(parts.Yaml(), asserted, "r"), IsRefusal(v1::NO_POLICY));
  EXPECT_THAT(Decide(parts.Yaml(), {"", "alice", {}}, "r"), IsRefusal(v1::NO_POLICY));
  EXPECT_THAT(Decide(parts.Yaml(), {"app", "alice", {}, "app"}, "r"), IsRefusal(v1::NO_POLICY));
  parts.policy = "{ name: p, match: { service: app }, room: { client: allow } }";
  for (const char* service : {"", "other"}) {
    EXPECT_THAT(Decide(parts.Yaml(), {"", "alice", {}, service}, "r"), IsRefusal(v1::NO_POLICY));
  }
}

TEST_F(PolicyConfig, HasDefaultsForWhatIsNotStated) {
  const Principal al = App(R"({"name":"Al"})");
  auto grants = Decide(Matching("{ authenticator: app }"), al, "r");
  ASSERT_OK(grants);
  EXPECT_EQ(grants->identity(), "alice");
  EXPECT_EQ(grants->name(), "Al");
  EXPECT_EQ(Decide(Matching("{ authenticator: app }"), App(), "r")->name(), "");
  auto guest = Decide(Matching("{ authenticator: guests }"), {"guests", "", {}}, "r");
  ASSERT_OK(guest);
  EXPECT_THAT(guest->identity(), ::testing::MatchesRegex("guest-[a-z2-7]{26}"));
  EXPECT_THAT(Decide(Matching("{ authenticator: app }"), App(), ""),
              IsFieldRefusal(v1::FIELD_REQUIRED, std::string("room_name")));
}

TEST_F(PolicyConfig, TakesPseudonymsFromAKeyFile) {
  const std::string with_hmac = Policies(
      "{ name: p, match: { authenticator: app }, room: { client: allow }, identity: { value: \"{hmac:subject}\" } }");
  auto grants = Decide(with_hmac + "hmac_key_file: $DIR/hmac.key\n", App(), "r");
  ASSERT_OK(grants);
  EXPECT_THAT(grants->identity(), ::testing::MatchesRegex("[a-z2-7]{26}"));
  EXPECT_EQ(grants->identity(), Decide(with_hmac + "hmac_key_file: $DIR/hmac.key\n", App(), "r")->identity());
  const std::string plain = Parts().Yaml();
  ExpectProblem(plain + "hmac_key_file: $DIR/short.key\n", "hmac_key_file", "less than 32 bytes");
  ExpectProblem(plain + "hmac_key_file: $DIR/open.key\n", "hmac_key_file", "accessible to others");
  ExpectProblem(plain + "hmac_key_file: $DIR/none.key\n", "hmac_key_file", "cannot be read");
}

// --- extends

TEST_F(PolicyConfig, TakesOverWhatIsNotStated) {
  const char* const base =
      "{ name: base, match: { authenticator: app, claims: { plan: [pro] } }, room: { client: allow, pattern: "
      "\"[a-z]+\" }, "
      "metadata: { client: allow }, grants: { can_publish: false, can_subscribe: true, can_publish_data: false, "
      "hidden: true }, ttl: 5m, max_token_bytes: 900 }";
  const char* const trial = "{ name: trial, extends: base, match: { authenticator: app }, ttl: 3m }";
  const char* const third =
      "{ name: third, extends: trial, room: { value: x }, grants: { can_publish: true, can_subscribe: true, "
      "can_publish_data: true } }";
  for (const std::string& list : {std::string(base) + "\n  - " + trial + "\n  - " + third,
                                  std::string(third) + "\n  - " + trial + "\n  - " + base}) {
    const BuildResult built = BuildFrom(Policies(list));
    ASSERT_EQ(FormatProblems("f", built.problems), "");
    livekit::TokenSourceRequest request;
    request.set_room_name("abc");
    request.set_participant_metadata("m");
    const bool in_order = list.rfind(base, 0) == 0;
    if (in_order) {
      auto decision = built.state->policies.Decide(App(), request);
      ASSERT_OK(decision);
      EXPECT_EQ(decision->policy->name, "trial");
      EXPECT_EQ(decision->policy->ttl.count(), 180);
      EXPECT_EQ(decision->policy->max_token_bytes, 900);
      EXPECT_EQ(decision->grants.metadata(), "m");
      EXPECT_TRUE(decision->grants.video().hidden());
      request.set_room_name("123");
      EXPECT_THAT(built.state->policies.Decide(App(), request), IsRefusal(v1::ROOM_NOT_PERMITTED));
      // The match is replaced as a whole as well: the plan counts for the first only.
      request.set_room_name("abc");
      EXPECT_EQ(built.state->policies.Decide(App(R"({"plan":"pro"})"), request)->policy->name, "base");
    } else {
      request.clear_room_name();
      auto decision = built.state->policies.Decide(App(), request);
      ASSERT_OK(decision);
      EXPECT_EQ(decision->policy->name, "third");
      EXPECT_EQ(decision->grants.video().room(), "x");
      EXPECT_EQ(decision->policy->ttl.count(), 180);
      EXPECT_EQ(decision->grants.metadata(), "m");
      EXPECT_TRUE(decision->grants.video().can_publish());
      EXPECT_FALSE(decision->grants.video().hidden());  // whole fields, not parts of them
      request.set_room_name("abc");
      EXPECT_THAT(built.state->policies.Decide(App(), request), IsRefusal(v1::ROOM_NOT_PERMITTED));
    }
  }
}

TEST_F(PolicyConfig, RefusesToExtendNothingOrItself) {
  const std::string rest = ", match: { authenticator: app }, room: { client: allow } }";
  ExpectProblem(Policies("{ name: a, extends: b" + rest), "policies[0].extends", "is not the name of a policy");
  ExpectProblem(Policies("{ name: a, extends: a" + rest), "policies[0].extends", "leads back to the policy itself");
  ExpectProblem(Policies("{ name: a, extends: b }\n  - { name: b, extends: c }\n  - { name: c, extends: a" + rest),
                "policies[2].extends", "leads back to the policy itself");
  ExpectProblem(Policies("{ name: a, extends: b }\n  - { name: b, extends: nobody }"), "policies[1].extends",
                "is not the name of a policy");
}

// Where the field is stated, and once.
TEST_F(PolicyConfig, NotesProblemsOfExtendedPoliciesOnce) {
  const std::string base = "{ name: base, match: { authenticator: app }, room: { client: allow, default: \"{x}\" } }";
  ExpectProblem(Policies(base + "\n  - { name: b, extends: base }\n  - { name: c, extends: b, ttl: 5m }"),
                "policies[0].room.default", "unknown variable");
  ExpectProblem(Policies("{ name: b, extends: base, ttl: 5m }\n  - " + base), "policies[1].room.default",
                "unknown variable");
  // What is wrong only with the policy that takes it over.
  ExpectProblem(Policies("{ name: base, match: { authenticator: app }, room: { value: \"{subject}\" } }\n"
                         "  - { name: b, extends: base, match: { authenticator: guests } }"),
                "policies[0].room.value", "which anonymous callers do not have; use {random} (where policies[1] takes");
}

// --- warnings

TEST_F(PolicyConfig, WarnsOfPoliciesThatAreNeverReached) {
  const auto warnings = [&](const std::string& first, const std::string& second) {
    const std::string name = "room: { client: allow } }";
    const BuildResult built = BuildFrom(
        Policies("{ name: a, match: " + first + ", " + name + "\n  - { name: b, match: " + second + ", " + name));
    EXPECT_EQ(FormatProblems("f", built.problems), "");
    return FormatProblems("f", built.warnings);
  };
  const std::string app = "{ authenticator: app }";
  const std::string sandbox = "{ authenticator: app, sandbox_id: [a, b] }";
  for (const std::string& second : {app, std::string("{ authenticator: app, room: [x], claims: { a: b } }")}) {
    EXPECT_THAT(warnings(app, second), HasSubstr("f: policies[1].match: is never reached, since policies[0]"));
  }
  EXPECT_THAT(warnings(sandbox, "{ authenticator: app, sandbox_id: [b] }"), HasSubstr("is never reached"));
  EXPECT_EQ(warnings(sandbox, "{ authenticator: app, sandbox_id: [b, c] }"), "");
  const std::string globs = "{ authenticator: app, sandbox_id: [\"a*\", b] }";
  EXPECT_THAT(warnings(globs, "{ authenticator: app, sandbox_id: [\"ab*\", ac] }"), HasSubstr("is never reached"));
  EXPECT_EQ(warnings(globs, "{ authenticator: app, sandbox_id: [\"*a\"] }"), "");
  EXPECT_EQ(warnings(app, sandbox), "");
  EXPECT_EQ(warnings(sandbox, app), "");
  EXPECT_EQ(warnings(app, "{ authenticator: guests }"), "");
  for (const char* condition : {"room: [x]", "claims: { a: b }", "scopes: [a]"}) {
    EXPECT_EQ(warnings(std::string("{ authenticator: app, ") + condition + " }", app), "") << condition;
  }
}

TEST_F(PolicyConfig, WarnsOfIdentitiesThatTwoOriginsShare) {
  const auto warnings = [&](const std::string& first, const std::string& second, const std::string& project = "main") {
    Parts parts;
    parts.project =
        "{ name: main, client_url: wss://a.example, keys: { file: $DIR/other.keys } }\n"
        "  - { name: two, client_url: wss://b.example, keys: { file: $DIR/main.keys, signing_key: APIspare } }";
    dir_.Write("more.yaml", testing::KeyFile({"more"}));
    parts.authenticators =
        "[{ name: app, api_keys: { file: $DIR/partners.yaml } }, "
        "{ name: more, api_keys: { file: $DIR/more.yaml, header: x-more } }]";
    parts.policy = "{ name: a, match: { authenticator: app }, project: main, room: { client: allow }" + first +
                   " }\n  - { name: b, match: { authenticator: more }, project: " + project +
                   ", room: { client: allow }" + second + " }";
    parts.service = "{ name: s, match: { authenticator: app, subject: web }, projects: [main], verify: true }";
    const BuildResult built = BuildFrom(parts.Yaml());
    EXPECT_EQ(FormatProblems("f", built.problems), "");
    return FormatProblems("f", built.warnings);
  };
  EXPECT_THAT(warnings("", ""), HasSubstr("f: policies[1].identity: gives a subject the identity"));
  EXPECT_THAT(warnings("", ", identity: { value: \"{subject}\" }"), HasSubstr("gives a subject the identity"));
  EXPECT_EQ(warnings("", ", identity: { value: \"more-{subject}\" }"), "");
  EXPECT_EQ(warnings("", "", "two"), "");
  EXPECT_EQ(warnings("", ", identity: { client: allow, default: \"{subject}\" }"), "");
  EXPECT_EQ(warnings(", identity: { value: bot }", ", identity: { value: bot }"), "");
}

}  // namespace
}  // namespace livekit::token
