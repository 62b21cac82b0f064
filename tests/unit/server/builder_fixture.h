// Small configurations with one part exchanged, and what building them says.
#pragma once

#include <string>
#include <utility>

#include "authority_fixture.h"
#include "gmock/gmock.h"

namespace livekit::token::testing {

class BuildAuthority : public AuthorityFixture {
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
    EXPECT_THAT(all, ::testing::Not(::testing::HasSubstr(kMarker)));
    ASSERT_EQ(built.problems.size(), 1U) << yaml << all;
    EXPECT_EQ(built.problems[0].path, path) << yaml << all;
    EXPECT_THAT(built.problems[0].message, ::testing::HasSubstr(fragment)) << yaml;
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

}  // namespace livekit::token::testing
