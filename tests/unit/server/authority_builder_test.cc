#include "server/authority_builder.h"

#include <string>
#include <utility>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using testing::BuildAuthority;
using testing::EnvironmentOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsRefusal;
using testing::KeyFile;
using testing::KeyOf;
using testing::kMainSecret;
using testing::kMarker;
using testing::kServerYaml;
using testing::NoEnvironment;
using ::testing::Not;
using testing::SecretOf;

TEST_F(BuildAuthority, TakesACompleteConfiguration) {
  const BuildResult built = BuildFrom(kServerYaml);
  EXPECT_EQ(FormatProblems("f", built.problems), "");
  // Partners and programs both have `{subject}` for identity, in one project.
  EXPECT_THAT(FormatProblems("f", built.warnings), ::testing::StartsWith("f: policies[1].identity: gives a subject"));
  EXPECT_EQ(built.warnings.size(), 1U);
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
  ExpectProblem(WithKeys("{ api_key_file: $DIR/key_id }"), "projects[0].keys", "cannot be read");
  ExpectProblem(WithKeys("{ api_secret_file: $DIR/key_secret }"), "projects[0].keys", "cannot be read");
  ExpectProblem(WithKeys("{ file: $DIR/none.keys }"), "projects[0].keys", "cannot be read");
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
  ASSERT_NE(web->claims.Find(*ClaimPath::Parse("plan")), nullptr);
  EXPECT_EQ(*web->claims.Find(*ClaimPath::Parse("plan")), "pro");
  clock_.now -= std::chrono::seconds(1);
  EXPECT_OK(ask("web." + SecretOf("old")));
  clock_.now += std::chrono::seconds(2);
  EXPECT_THAT(ask(KeyOf("web")), IsRefusal(v1::AUTHENTICATION_FAILED));
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

}  // namespace
}  // namespace livekit::token
