#include "server/authority_builder.h"

#include <string>
#include <utility>
#include <vector>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "livekit/token/access_token.h"
#include "livekit/token/grants.h"

namespace livekit::token {
namespace {

using testing::EnvironmentOf;
using ::testing::HasSubstr;
using testing::InDir;
using ::testing::IsEmpty;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::KeyFile;
using testing::KeyOf;
using testing::kMainSecret;
using testing::kMarker;
using testing::kOtherSecret;
using testing::kServerYaml;
using testing::kSpareSecret;
using testing::NoEnvironment;
using ::testing::Not;
using testing::SecretOf;
using testing::ServerConfigOf;

class BuildAuthority : public testing::AuthorityFixture {
 protected:
  BuildAuthority() {
    dir_.Write("key_id", "APIpair\n");
    dir_.Write("key_secret", std::string(kSpareSecret) + "\n");
    dir_.Write("open.keys", std::string("APIopen: ") + kSpareSecret + "\n", 0644);
    dir_.Write("weak.keys", "APIweak: MARKSECRETshort\n");
    dir_.Write("dev.keys", "devkey: secret\n");
    dir_.Write("wellknown.keys", "APIknown: secretsecretsecretsecretsecretsecret\n");
    dir_.Write("broken.keys", "APIa " + std::string(kMarker) + "\n");
    dir_.Write("again.keys", std::string("APImain: ") + kSpareSecret + "\n");
  }

  BuildResult BuildFrom(const std::string& yaml, Environment environment = NoEnvironment(), bool dev = false) {
    BuildOptions options;
    options.environment = std::move(environment);
    options.dev = dev;
    return BuildAuthorityState(ServerConfigOf(InDir(dir_, yaml)), options);
  }

  // Expects exactly this one problem.
  void ExpectProblem(const std::string& yaml, const std::string& path, const std::string& fragment, bool dev = false) {
    const BuildResult built = BuildFrom(yaml, NoEnvironment(), dev);
    const std::string all = FormatProblems("f", built.problems);
    EXPECT_EQ(built.state, nullptr) << yaml;
    EXPECT_THAT(all, Not(HasSubstr(kMarker)));
    ASSERT_EQ(built.problems.size(), 1U) << yaml << all;
    EXPECT_EQ(built.problems[0].path, path) << yaml << all;
    EXPECT_THAT(built.problems[0].message, HasSubstr(fragment)) << yaml;
  }

  // A small good configuration with its parts exchanged.
  struct Parts {
    std::string project = "{ name: main, client_url: wss://main.example, keys: { file: $DIR/other.keys } }";
    std::string authenticators =
        "[{ name: app, api_keys: { file: $DIR/partners.yaml } }, { name: guests, anonymous: {} }]";
    std::string policy = "{ name: p, match: { authenticator: app }, room: { client: allow } }";
    std::string service = "{ name: s, match: { authenticator: app, subject: web }, verify: true }";

    std::string Yaml() const {
      return "projects:\n  - " + project + "\nauthenticators: " + authenticators + "\npolicies:\n  - " + policy +
             "\nservices:\n  - " + service + "\n";
    }
  };
  static std::string WithProject(const std::string& project) {
    Parts parts;
    parts.project = project;
    return parts.Yaml();
  }
  static std::string WithKeys(const std::string& keys) {
    return WithProject("{ name: main, client_url: wss://main.example, keys: " + keys + " }");
  }
  static std::string WithUrl(const std::string& url) {
    return WithProject("{ name: main, client_url: \"" + url + "\", keys: { file: $DIR/other.keys } }");
  }
  static std::string WithAuthenticators(const std::string& authenticators) {
    Parts parts;
    parts.authenticators = authenticators;
    return parts.Yaml();
  }
  static std::string WithPolicy(const std::string& policy) {
    Parts parts;
    parts.policy = policy;
    return parts.Yaml();
  }
  // A policy for API keys or guests with more said about it.
  static std::string AppPolicy(const std::string& rest) {
    return WithPolicy("{ name: p, match: { authenticator: app }, " + rest + " }");
  }
  static std::string GuestPolicy(const std::string& rest) {
    return WithPolicy("{ name: p, match: { authenticator: guests }, room: { client: allow }, " + rest + " }");
  }
  static std::string WithService(const std::string& service) {
    Parts parts;
    parts.service = service;
    return parts.Yaml();
  }
  static std::string WithMint(const std::string& mint) {
    return WithService("{ name: s, match: { authenticator: app, subject: web }, mint: " + mint + " }");
  }
  static std::string TwoProjects(const std::string& policy, const std::string& service) {
    Parts parts;
    parts.project =
        "{ name: main, client_url: wss://a.example, keys: { file: $DIR/other.keys } }\n"
        "  - { name: two, client_url: wss://b.example, keys: { file: $DIR/main.keys, signing_key: APIspare } }";
    parts.policy = policy;
    parts.service = service;
    return parts.Yaml();
  }
};

TEST_F(BuildAuthority, TakesACompleteConfiguration) {
  const BuildResult built = BuildFrom(kServerYaml);
  EXPECT_EQ(FormatProblems("f", built.problems), "");
  EXPECT_EQ(FormatProblems("f", built.warnings), "");
  ASSERT_NE(built.state, nullptr);
  EXPECT_EQ(built.state->services.size(), 6U);
  const auto& gateway = built.state->services[0];
  EXPECT_TRUE(gateway.relay);
  EXPECT_EQ(gateway.mint, nullptr);
  EXPECT_EQ(gateway.verifier, nullptr);
  const auto& recorder = built.state->services[1];
  EXPECT_FALSE(recorder.relay);
  ASSERT_NE(recorder.mint, nullptr);
  EXPECT_EQ(recorder.mint->max_ttl, std::chrono::hours(1));
  EXPECT_THAT(recorder.mint->rooms, ::testing::ElementsAre("acme_*"));
  ASSERT_EQ(recorder.projects.size(), 1U);
  EXPECT_EQ(recorder.projects[0]->signing_key->id(), "APImain");
  EXPECT_EQ(recorder.projects[0]->keys->keys().size(), 2U);
}

TEST_F(BuildAuthority, TakesTheSmallConfigurationThatTheOtherTestsChange) {
  EXPECT_THAT(BuildFrom(Parts().Yaml()).problems, IsEmpty());
  EXPECT_THAT(BuildFrom(TwoProjects("{ name: p, match: { authenticator: app }, project: two, room: { client: allow } }",
                                    "{ name: s, match: { authenticator: app, subject: web }, projects: [main, two], "
                                    "verify: true }"))
                  .problems,
              IsEmpty());
}

TEST_F(BuildAuthority, FindsEveryProblemAtOnce) {
  const BuildResult built = BuildFrom("log_level: info\n");
  ASSERT_EQ(built.problems.size(), 2U);
  EXPECT_EQ(built.problems[0].path, "projects");
  EXPECT_EQ(built.problems[1].path, "authenticators");
  EXPECT_EQ(built.state, nullptr);
}

TEST_F(BuildAuthority, RefusesMissingNames) {
  ExpectProblem(WithProject("{ client_url: wss://main.example, keys: { file: $DIR/other.keys } }"), "projects[0].name",
                "is required");
  ExpectProblem(WithAuthenticators("[{ api_keys: { file: $DIR/programs.yaml, header: x-b } }, "
                                   "{ name: app, api_keys: { file: $DIR/partners.yaml } }]"),
                "authenticators[0].name", "is required");
}

TEST_F(BuildAuthority, ChecksProjects) {
  ExpectProblem(WithProject("{ name: main, keys: { file: $DIR/other.keys } }"), "projects[0].client_url",
                "is required");
  for (const char* url :
       {"livekit.example", "wss:/x", "wss://", "wss:///x", "ftp://x", "wss://user:pass@x", "wss://a b", "WSS://x"}) {
    ExpectProblem(WithUrl(url), "projects[0].client_url", "must be a wss:// or ws:// address");
  }
  ExpectProblem(WithProject("{ name: main, client_url: wss://x, api_url: wss://x, keys: { file: $DIR/other.keys } }"),
                "projects[0].api_url", "must begin with http");
  ExpectProblem(WithProject("{ name: main, client_url: wss://x, sfu_version: new, keys: { file: $DIR/other.keys } }"),
                "projects[0].sfu_version", "must be a version");
  EXPECT_THAT(BuildFrom(WithProject("{ name: main, client_url: wss://x, api_url: \"http://livekit:7880\", "
                                    "sfu_version: \"1.11\", keys: { file: $DIR/other.keys } }"))
                  .problems,
              IsEmpty());
}

TEST_F(BuildAuthority, RewritesHttpAddressesForClientsWithAWarning) {
  for (const auto& [given, sent] :
       {std::pair{"https://a.example", "wss://a.example"}, {"http://b:7880", "ws://b:7880"}}) {
    const BuildResult built = BuildFrom(WithUrl(given));
    ASSERT_THAT(built.problems, IsEmpty());
    ASSERT_EQ(built.warnings.size(), 1U);
    EXPECT_EQ(built.warnings[0].path, "projects[0].client_url");
    EXPECT_THAT(built.warnings[0].message, HasSubstr("clients are sent ws"));
    EXPECT_EQ(built.state->services[0].projects[0]->client_url, sent);
  }
}

TEST_F(BuildAuthority, TakesKeysFromExactlyOnePlace) {
  for (const char* keys : {"{}", "{ signing_key: APIother }", "{ file: $DIR/other.keys, env: true }",
                           "{ file: $DIR/other.keys, api_key_file: $DIR/key_id, api_secret_file: $DIR/key_secret }",
                           "{ env: true, api_secret_file: $DIR/key_secret }"}) {
    ExpectProblem(WithKeys(keys), "projects[0].keys", "give exactly one of");
  }
  ExpectProblem(WithKeys("{ env: true }"), "projects[0].keys", "the environment has no key");
  ExpectProblem(WithKeys("{ api_key_file: $DIR/key_id }"), "projects[0].keys", "cannot be opened");
  ExpectProblem(WithKeys("{ api_secret_file: $DIR/key_secret }"), "projects[0].keys", "cannot be opened");
  ExpectProblem(WithKeys("{ file: $DIR/none.keys }"), "projects[0].keys", "cannot be opened");
  ExpectProblem(WithKeys("{ file: $DIR/open.keys }"), "projects[0].keys", "others may access the file");
  ExpectProblem(WithKeys("{ file: $DIR/broken.keys }"), "projects[0].keys", "line 1");

  const BuildResult pair = BuildFrom(WithKeys("{ api_key_file: $DIR/key_id, api_secret_file: $DIR/key_secret }"));
  ASSERT_THAT(pair.problems, IsEmpty());
  EXPECT_EQ(pair.state->services[0].projects[0]->signing_key->id(), "APIpair");
  EXPECT_THAT(FormatProblems("f", pair.warnings), Not(HasSubstr(kMarker)));
  const BuildResult env = BuildFrom(
      WithKeys("{ env: true }"), EnvironmentOf({{"LIVEKIT_API_KEY", "APIenv"}, {"LIVEKIT_API_SECRET", kMainSecret}}));
  ASSERT_THAT(env.problems, IsEmpty());
  EXPECT_EQ(env.state->services[0].projects[0]->signing_key->id(), "APIenv");
}

TEST_F(BuildAuthority, NeedsAChosenKeyWhereThereAreSeveral) {
  ExpectProblem(WithKeys("{ file: $DIR/main.keys }"), "projects[0].keys.signing_key", "is required");
  ExpectProblem(WithKeys("{ file: $DIR/main.keys, signing_key: APIother }"), "projects[0].keys.signing_key",
                "is not among");
  const BuildResult built = BuildFrom(WithKeys("{ file: $DIR/main.keys, signing_key: APIspare }"));
  ASSERT_THAT(built.problems, IsEmpty());
  EXPECT_EQ(built.state->services[0].projects[0]->signing_key->id(), "APIspare");
}

TEST_F(BuildAuthority, RefusesAKeyInTwoProjects) {
  Parts parts;
  parts.project =
      "{ name: main, client_url: wss://a, keys: { file: $DIR/main.keys, signing_key: APImain } }\n"
      "  - { name: two, client_url: wss://b, keys: { file: $DIR/again.keys } }";
  parts.policy = "{ name: p, match: { authenticator: app }, project: main, room: { client: allow } }";
  parts.service = "{ name: s, match: { authenticator: app, subject: web }, projects: [main], verify: true }";
  ExpectProblem(parts.Yaml(), "projects[1].keys", "is there twice");
  parts.project =
      "{ name: main, client_url: wss://a, keys: { file: $DIR/other.keys } }\n"
      "  - { name: main, client_url: wss://b, keys: { file: $DIR/again.keys } }";
  ExpectProblem(parts.Yaml(), "projects[1].name", "is there twice");
}

TEST_F(BuildAuthority, RefusesWeakAndWellKnownSecretsOutsideDevelopment) {
  ExpectProblem(WithKeys("{ file: $DIR/weak.keys }"), "projects[0].keys", "shorter than 32 bytes");
  for (const char* file : {"dev.keys", "wellknown.keys"}) {
    ExpectProblem(WithKeys("{ file: $DIR/" + std::string(file) + " }"), "projects[0].keys", "well-known");
  }
  for (const char* file : {"weak.keys", "dev.keys", "wellknown.keys"}) {
    EXPECT_THAT(BuildFrom(WithKeys("{ file: $DIR/" + std::string(file) + " }"), NoEnvironment(), true).problems,
                IsEmpty())
        << file;
  }
}

TEST_F(BuildAuthority, ChecksAuthenticators) {
  const std::string guests = ", { name: guests, anonymous: {} }";
  ExpectProblem(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/partners.yaml } }, { name: g }]"),
                "authenticators[1]", "says not how");
  ExpectProblem(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/partners.yaml } }" + guests +
                                   ", { name: more, anonymous: {} }]"),
                "authenticators[2].anonymous", "there is one already");
  ExpectProblem(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/partners.yaml } }, { name: app, "
                                   "api_keys: { file: $DIR/programs.yaml } }]"),
                "authenticators[1].name", "is there twice");
  ExpectProblem(WithAuthenticators("[{ name: app, api_keys: {} }" + guests + "]"), "authenticators[0].api_keys.file",
                "is required");
  ExpectProblem(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/none } }" + guests + "]"),
                "authenticators[0].api_keys.file", "cannot be read");
  for (const char* header : {"x-caller-authorization", "X-Caller-Authorization", "x api key", "x_key", "x:key"}) {
    ExpectProblem(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/partners.yaml, header: \"" +
                                     std::string(header) + "\" } }]"),
                  "authenticators[0].api_keys.header", "is not a header");
  }
}

TEST_F(BuildAuthority, ReadsHeadersInAnyCase) {
  const BuildResult built =
      BuildFrom(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/partners.yaml, header: X-Partner-Key } }]"));
  ASSERT_THAT(built.problems, IsEmpty());
  EXPECT_THAT(built.state->authenticators.headers(), ::testing::ElementsAre("authorization", "x-partner-key"));
}

TEST_F(BuildAuthority, ChecksApiKeyFiles) {
  const std::string hash(64, 'a');
  const std::pair<std::string, const char*> cases[] = {
      {"keys: [{ id: \"a.b\", sha256: " + hash + " }]", "keys[0].id: must be 1 to 64"},
      {"keys: [{ sha256: " + hash + " }]", "keys[0].id: must be 1 to 64"},
      {"keys: [{ id: a }]", "keys[0].sha256: must be 64 hexadecimal digits"},
      {"keys: [{ id: a, sha256: " + std::string(kMarker) + " }]", "keys[0].sha256: must be 64 hexadecimal digits"},
      {"keys: [{ id: a, sha256: " + std::string(63, 'a') + "g }]", "keys[0].sha256: must be 64 hexadecimal digits"},
      {"keys: [{ id: a, sha256: " + std::string(65, 'a') + " }]", "keys[0].sha256: must be 64 hexadecimal digits"},
      {"keys: [{ id: a, sha256: " + hash + ", not_after: tomorrow }]", "keys[0].not_after: must be a time"},
      {"keys: [{ id: a, sha256: " + hash + ", not_after: \"2027-01-31\" }]", "keys[0].not_after: must be a time"},
      {"keys: [{ id: a, secret: " + std::string(kMarker) + ", sha256: " + hash + " }]", "keys[0].secret"},
      {"keys: [{ id: a, sha256: " + hash + ", sha256: " + hash + " }]", "keys[0].sha256"},
      {std::string(kMarker) + " : [", "api.yaml"},
  };
  for (const auto& [text, fragment] : cases) {
    dir_.Write("api.yaml", text);
    ExpectProblem(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/api.yaml } }]"),
                  "authenticators[0].api_keys.file", fragment);
  }
  dir_.Write("api.yaml", KeyFile({"web"}));
  ExpectProblem(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/partners.yaml } }, { name: more, api_keys: { "
                                   "file: $DIR/api.yaml, header: x-more } }]"),
                "authenticators[1].api_keys.file", "belongs to another authenticator");
}

// A file is read as written: hashes in either case, two secrets for one id, ends of validity.
TEST_F(BuildAuthority, AuthenticatesTheKeysOfTheFile) {
  std::string upper = HashApiKey("upper", SecretOf("upper")).line;
  for (std::size_t at = upper.find("sha256: ") + 8; upper[at] != ' '; ++at) {
    upper[at] = static_cast<char>(std::toupper(upper[at]));
  }
  const auto until = [](const std::string& id, const std::string& secret, const std::string& time) {
    std::string line = HashApiKey(id, secret).line;
    return line.replace(line.rfind(" }"), 2, ", not_after: \"" + time + "\", claims: { plan: pro } }");
  };
  // The clock of these tests stands at 2030-03-17T17:46:40Z.
  dir_.Write("api.yaml", "keys:\n  " + upper + "\n  " + until("web", SecretOf("old"), "2030-03-17T18:46:40+01:00") +
                             "\n  " + until("web", SecretOf("web"), "2030-03-17T17:46:41Z") + "\n");
  const BuildResult built = BuildFrom(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/api.yaml } }]"));
  ASSERT_EQ(FormatProblems("f", built.problems), "");
  const auto ask = [&](const std::string& key) {
    absl::StatusOr<Principal> result = absl::InternalError("not called");
    built.state->authenticators.Authenticate({{{"x-api-key", key}}}, clock_.now,
                                             [&](auto principal) { result = std::move(principal); });
    return result;
  };
  EXPECT_OK(ask(KeyOf("upper")));
  EXPECT_THAT(ask("web." + SecretOf("old")), IsRefusal(v1::AUTHENTICATION_FAILED));
  auto web = ask(KeyOf("web"));
  ASSERT_OK(web);
  EXPECT_EQ(web->claims.fields().at("plan").string_value(), "pro");
  clock_.now -= std::chrono::seconds(1);
  EXPECT_OK(ask("web." + SecretOf("old")));
  clock_.now += std::chrono::seconds(2);
  EXPECT_THAT(ask(KeyOf("web")), IsRefusal(v1::AUTHENTICATION_FAILED));
}

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
      {AppPolicy(room + "attributes: { client: if_equal }"), {"attributes.client", "must be allow or forbid"}},
      {AppPolicy(room + "room_config: { client: if_equal }"), {"room_config.client", "must be allow or forbid"}},
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
  EXPECT_OK(ApplyCeiling(*built.state->services[0].mint, asked));
  for (std::size_t left_out = 0; left_out < std::size(rights); ++left_out) {
    std::string less = "{ rooms: [r], identities: [i], video: { room_join: true }";
    for (std::size_t i = 0; i < std::size(rights); ++i) {
      if (i != left_out) less += std::string(", ") + rights[i];
    }
    const BuildResult without = BuildFrom(WithMint(less + " }"));
    ASSERT_THAT(without.problems, IsEmpty());
    EXPECT_THAT(ApplyCeiling(*without.state->services[0].mint, asked), IsRefusal(v1::GRANT_NOT_PERMITTED))
        << rights[left_out];
  }
}

TEST_F(BuildAuthority, NeverShowsASecretInItsMessages) {
  std::string said;
  for (const char* file : {"weak.keys", "broken.keys", "open.keys", "main.keys", "other.keys", "partners.yaml"}) {
    for (const std::string& keys :
         {"{ file: $DIR/" + std::string(file) + " }",
          "{ api_key_file: $DIR/" + std::string(file) + ", api_secret_file: $DIR/" + file + " }",
          "{ api_key_file: $DIR/key_id, api_secret_file: $DIR/" + std::string(file) + " }"}) {
      const BuildResult built = BuildFrom(WithKeys(keys));
      said += FormatProblems("f", built.problems) + FormatProblems("f", built.warnings);
    }
    const BuildResult built =
        BuildFrom(WithAuthenticators("[{ name: app, api_keys: { file: $DIR/" + std::string(file) + " } }]"));
    said += FormatProblems("f", built.problems);
  }
  const std::string lone = "x" + std::string(kMarker);
  for (const auto& values : {std::map<std::string, std::string>{{"LIVEKIT_API_SECRET", lone}},
                             {{"LIVEKIT_API_KEY", "k"}, {"LIVEKIT_API_SECRET", lone}},
                             {{"LIVEKIT_KEYS", "k: " + lone}},
                             {{"LIVEKIT_KEYS", lone}},
                             {{"LIVEKIT_KEYS", "k: \"" + lone}}}) {
    const BuildResult built = BuildFrom(WithKeys("{ env: true }"), EnvironmentOf(values));
    EXPECT_FALSE(built.problems.empty());
    said += FormatProblems("f", built.problems);
  }
  EXPECT_GT(said.size(), 1000U);
  EXPECT_THAT(said, Not(HasSubstr(kMarker)));
}

// --- development mode

class DevelopmentMode : public testing::AuthorityFixture {
 protected:
  void Start(const Environment& environment) {
    BuildOptions options;
    options.environment = environment;
    options.dev = true;
    const BuildResult built = BuildAuthorityState(DevConfig(environment), options);
    ASSERT_EQ(FormatProblems("dev", built.problems), "");
    authority_ = std::make_unique<TokenAuthority>(built.state, clock_, metrics_);
  }
};

TEST_F(DevelopmentMode, IsRefusedOutsideDevelopment) {
  BuildOptions options;
  options.environment = NoEnvironment();
  const BuildResult built = BuildAuthorityState(DevConfig(NoEnvironment()), options);
  EXPECT_EQ(built.state, nullptr);
  EXPECT_THAT(FormatProblems("f", built.problems), HasSubstr("services[0].match.authenticator: is anonymous"));
}

TEST_F(DevelopmentMode, SignsWithTheEnvironmentsKeyOrLiveKitsOwn) {
  Start(NoEnvironment());
  EXPECT_EQ(Issue(As(""), {})->key_id(), "devkey");
  Start(EnvironmentOf({{"LIVEKIT_URL", "https://acme.livekit.cloud"},
                       {"LIVEKIT_API_KEY", "APImine"},
                       {"LIVEKIT_API_SECRET", "short"}}));
  auto issued = Issue(As(""), {});
  ASSERT_OK(issued);
  EXPECT_EQ(issued->key_id(), "APImine");
  EXPECT_EQ(issued->server_url(), "wss://acme.livekit.cloud");
  Start(EnvironmentOf({{"LIVEKIT_KEYS", "APIone: x\nAPItwo: y"}}));
  EXPECT_EQ(Issue(As(""), {})->key_id(), "APIone");
}

TEST_F(DevelopmentMode, LetsAnonymousClientsChooseEverything) {
  Start(NoEnvironment());
  auto request = InRoom("lobby");
  request.set_participant_identity("alice");
  request.set_participant_name("Alice");
  request.set_participant_metadata("m");
  (*request.mutable_participant_attributes())["k"] = "v";
  for (int i = 0; i < 3; ++i) request.mutable_room_config()->add_agents()->set_agent_name("any-" + std::to_string(i));
  request.mutable_room_config()->mutable_egress()->mutable_tracks()->set_filepath("f");
  auto issued = Issue(As(""), request);
  ASSERT_OK(issued);
  EXPECT_EQ(issued->room_name(), "lobby");
  EXPECT_EQ(issued->participant_identity(), "alice");
  auto& tracks = *request.mutable_room_config()->mutable_egress()->mutable_tracks();
  tracks.mutable_s3()->set_secret("x");
  EXPECT_THAT(Issue(As(""), request), IsRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG));
}

TEST_F(DevelopmentMode, MintsEverythingButCredentials) {
  Start(NoEnvironment());
  v1::MintAccessTokenRequest request = Join("alice", "lobby");
  v1::Grants& grants = *request.mutable_grants();
  for (google::protobuf::Message* grant : std::initializer_list<google::protobuf::Message*>{
           grants.mutable_video(), grants.mutable_sip(), grants.mutable_agent(), grants.mutable_inference(),
           grants.mutable_observability()}) {
    for (int i = 0; i < grant->GetDescriptor()->field_count(); ++i) {
      const auto* field = grant->GetDescriptor()->field(i);
      if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_BOOL) continue;
      grant->GetReflection()->SetBool(grant, field, true);
    }
  }
  grants.mutable_video()->set_destination_room("other");
  grants.mutable_video()->add_can_publish_sources("camera");
  grants.set_room_preset("any");
  grants.set_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  (*grants.mutable_extra_claims()->mutable_fields())["new"].set_bool_value(true);
  grants.mutable_room_config()->set_max_participants(3);
  for (const auto detail : KindDetails()) grants.add_kind_details(std::string(detail));
  for (const auto kind : ParticipantKinds()) {
    grants.set_kind(std::string(kind));
    auto minted = Mint(As(""), request);
    ASSERT_OK(minted) << kind;
    auto verified = Verify(As(""), minted->token());
    ASSERT_OK(verified);
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(verified->verified().grants(), grants))
        << verified->DebugString();
  }
  request.mutable_ttl()->set_seconds(365 * 24 * 3600);
  EXPECT_OK(Mint(As(""), request));
  request.mutable_ttl()->set_seconds(365 * 24 * 3600 + 1);
  EXPECT_THAT(Mint(As(""), request), IsFieldRefusal(v1::TTL_NOT_PERMITTED, std::string("ttl")));
  request.clear_ttl();
  grants.mutable_room_config()->mutable_egress()->mutable_room()->add_stream_outputs();
  EXPECT_THAT(Mint(As(""), request), IsRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG));
}

TEST_F(DevelopmentMode, StillRefusesCredentialsThatItDoesNotKnow) {
  Start(NoEnvironment());
  EXPECT_THAT(Issue(As("web"), {}), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(Mint(AsCaller("web"), Join("a", "r")), IsRefusal(v1::AUTHENTICATION_FAILED));
}

}  // namespace
}  // namespace livekit::token
