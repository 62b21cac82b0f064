// Configuration of JWT authenticators: what is wrong with it, and starts without a file.

#include <string>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "server/jwt_config.h"
#include "support/jwt_signer.h"

namespace livekit::token::testing {
namespace {

constexpr char kPath[] = "authenticators[0].jwt";

class BuildJwtAuthenticator : public BuildAuthority {
 protected:
  BuildJwtAuthenticator() {
    const SigningKey rsa = SigningKey::Rsa();
    dir_.Write("rsa.pem", rsa.PublicPem());
    dir_.Write("private.pem", rsa.PrivatePem());
    dir_.Write("jwks.json", "{\"keys\":[" + rsa.Jwk(",\"kid\":\"a\"") + "]}");
    dir_.Write("empty.json", R"({"keys":[]})");
    dir_.Write("weak.pem", SigningKey::Rsa(1024).PublicPem());
    dir_.Write("hs.secret", std::string(kMarker) + "-of-tickets-0123456789abcdef\n");
    dir_.Write("short.secret", std::string(kMarker) + "\n");
    dir_.Write("open.secret", std::string(kMarker) + "-of-tickets-0123456789abcdef\n", 0644);
    dir_.Write("livekit.secret", std::string(kOtherSecret) + "\n");
  }

  static std::string Jwt(const std::string& rest) {
    return WithAuthenticators("[{ name: app, jwt: { " + rest + " } }, { name: guests, anonymous: {} }]");
  }
  // A good one, with more said about it.
  static std::string WithPem(const std::string& rest) {
    return Jwt("issuer: https://id.example, audiences: [calls], public_key_file: $DIR/rsa.pem" + rest);
  }
  static std::string WithKeys(const std::string& keys) {
    return Jwt("issuer: https://id.example, audiences: [calls], " + keys);
  }
  void ExpectGood(const std::string& yaml) { EXPECT_EQ(FormatProblems("f", BuildFrom(yaml).problems), "") << yaml; }
  void ExpectJwtProblem(const std::string& yaml, const std::string& field, const std::string& fragment) {
    ExpectProblem(yaml, field.empty() ? kPath : std::string(kPath) + "." + field, fragment);
  }
};

TEST_F(BuildJwtAuthenticator, TakesEveryPlaceOfKeys) {
  ExpectGood(WithKeys("public_key_file: $DIR/rsa.pem"));
  ExpectGood(WithKeys("jwks_file: $DIR/jwks.json"));
  ExpectGood(WithKeys("hs256_secret_file: $DIR/hs.secret"));
  BuildOptions check;
  check.environment = NoEnvironment();
  check.check_only = true;  // nothing is asked
  for (const char* keys :
       {"jwks_uri: https://id.example/keys", "jwks_uri: http://id.example/keys, allow_http: true", "leeway: 0s"}) {
    const auto built = BuildAuthorityState(ServerConfigOf(InDir(dir_, WithKeys(keys))), check);
    EXPECT_EQ(FormatProblems("f", built.problems), "") << keys;
  }
}

TEST_F(BuildJwtAuthenticator, FindsWhatIsWrongWithWhoIsMeant) {
  ExpectJwtProblem(Jwt("audiences: [calls], public_key_file: $DIR/rsa.pem"), "issuer", "is required");
  ExpectJwtProblem(Jwt("issuer: https://id.example, public_key_file: $DIR/rsa.pem"), "audiences", "is required");
  ExpectJwtProblem(Jwt("issuer: https://id.example, audiences: [''], public_key_file: $DIR/rsa.pem"), "audiences[0]",
                   "is empty");
  ExpectJwtProblem(Jwt("issuer: APIother, audiences: [calls], public_key_file: $DIR/rsa.pem"), "issuer",
                   "is a LiveKit API key");
  ExpectJwtProblem(WithPem(", audience_claim: sub"), "audience_claim", "must be aud, azp or client_id");
  ExpectGood(WithPem(", audience_claim: azp"));
  ExpectJwtProblem(WithPem(", subject_claim: 'a..b'"), "subject_claim", "must be the path of a claim");
  ExpectGood(WithPem(", subject_claim: '[\"https://acme.dev/id\"]'"));
  ExpectJwtProblem(WithPem(", header: x-caller-authorization"), "header", "is not a header");
  ExpectJwtProblem(WithPem(", header: 'x token'"), "header", "is not a header");
  ExpectGood(WithPem(", header: X-Token"));
  ExpectJwtProblem(WithPem(", leeway: 301s"), "leeway", "must be from 0s to 5m");
  ExpectJwtProblem(WithPem(", leeway: 500ms"), "leeway", "must be whole seconds");
  ExpectGood(WithPem(", leeway: 5m, type: application/at+JWT"));
}

TEST_F(BuildJwtAuthenticator, RefusesTwoForOneIssuerUnlessTheHeaderTellsThemApart) {
  const auto two = [](const std::string& header) {
    const std::string jwt = "jwt: { issuer: https://id.example, audiences: [calls], public_key_file: $DIR/rsa.pem";
    return WithAuthenticators("[{ name: app, " + jwt + " } }, { name: other, " + jwt + header + " } }]");
  };
  ExpectProblem(two(""), "authenticators[1].jwt.issuer", "would be ambiguous");
  ExpectGood(two(", header: x-token"));
}

TEST_F(BuildJwtAuthenticator, FindsWhatIsWrongWithKeys) {
  ExpectJwtProblem(WithKeys("public_key_file: $DIR/rsa.pem, jwks_file: $DIR/jwks.json"), "", "more than one place");
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/hs.secret, jwks_uri: https://id.example/"), "",
                   "more than one place");
  ExpectJwtProblem(WithKeys("public_key_file: $DIR/none.pem"), "public_key_file", "cannot be read");
  ExpectJwtProblem(WithKeys("public_key_file: $DIR/private.pem"), "public_key_file", "private");
  ExpectJwtProblem(WithKeys("public_key_file: $DIR/weak.pem"), "public_key_file", "2048");
  ExpectJwtProblem(WithKeys("jwks_file: $DIR/empty.json"), "jwks_file", "empty.json");
  ExpectJwtProblem(WithKeys("jwks_file: $DIR/rsa.pem"), "jwks_file", "rsa.pem");
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/none.secret"), "hs256_secret_file", "cannot be read");
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/short.secret"), "hs256_secret_file", "32");
  ExpectJwtProblem(WithKeys("hs512_secret_file: $DIR/hs.secret"), "hs512_secret_file", "64");
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/open.secret"), "hs256_secret_file", "accessible to others");
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/rsa.pem"), "hs256_secret_file", "rsa.pem");
  // Whoever may sign for users could sign for LiveKit.
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/livekit.secret"), "hs256_secret_file",
                   "secret of a LiveKit API key");
}

TEST_F(BuildJwtAuthenticator, FindsAddressesThatAreNotAsked) {
  ExpectJwtProblem(WithKeys("jwks_uri: http://id.example/keys"), "jwks_uri", "must be an https:// address");
  ExpectJwtProblem(WithKeys("jwks_uri: ftp://id.example/keys, allow_http: true"), "jwks_uri", "must be an https://");
  ExpectJwtProblem(Jwt("issuer: id.example, audiences: [calls]"), "issuer",
                   "must be an https:// address for discovery");
  ExpectJwtProblem(Jwt("issuer: http://id.example, audiences: [calls]"), "issuer", "https://");
  ExpectJwtProblem(WithKeys("jwks_uri: https://id.example/keys, ca_file: $DIR/none.crt"), "ca_file", "cannot be read");
}

TEST_F(BuildJwtAuthenticator, FindsAlgorithmsThatDoNotFit) {
  ExpectJwtProblem(WithPem(", algorithms: [rs256]"), "algorithms[0]", "must be one of");
  ExpectJwtProblem(WithPem(", algorithms: [RS256, none]"), "algorithms[1]", "must be one of");
  ExpectJwtProblem(WithPem(", algorithms: [ES256]"), "algorithms[0]", "does not fit");
  ExpectJwtProblem(WithPem(", algorithms: [HS256]"), "algorithms[0]", "does not fit");
  ExpectJwtProblem(WithKeys("jwks_file: $DIR/jwks.json, algorithms: [HS256]"), "algorithms[0]", "does not fit");
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/hs.secret, algorithms: [RS256]"), "algorithms[0]", "does not fit");
  ExpectJwtProblem(WithKeys("hs256_secret_file: $DIR/hs.secret, algorithms: [HS512]"), "algorithms[0]", "does not fit");
  ExpectGood(WithPem(", algorithms: [RS256, PS512]"));
  ExpectGood(WithKeys("jwks_file: $DIR/jwks.json, algorithms: [RS256, ES256]"));  // the set may get other keys
}

// --- --jwt_issuer

class JwtStartTest : public BuildAuthority {
 protected:
  ConfigProblems Problems(const JwtStart& start, const std::string& url = "wss://x.example") {
    const auto environment =
        EnvironmentOf({{"LIVEKIT_URL", url}, {"LIVEKIT_API_KEY", "APIkey"}, {"LIVEKIT_API_SECRET", kMainSecret}});
    BuildOptions options;
    options.environment = environment;
    options.check_only = true;
    return BuildAuthorityState(JwtConfig(start, environment), options).problems;
  }
};

TEST_F(JwtStartTest, NeedsIssuerAudienceAndProject) {
  EXPECT_EQ(FormatProblems("f", Problems({"https://id.example/", "calls, other"})), "");
  const auto only = [](const ConfigProblems& problems) { return problems.size() == 1 ? problems[0].path : "?"; };
  EXPECT_EQ(only(Problems({"", "calls"})), "authenticators[0].jwt.issuer");
  EXPECT_EQ(only(Problems({"https://id.example/", ""})), "authenticators[0].jwt.audiences");
  EXPECT_EQ(only(Problems({"https://id.example/", "calls"}, "")), "projects[0].client_url");
}

TEST_F(JwtStartTest, AsksInClearTextOnThisMachineOnly) {
  for (const char* near : {"http://localhost:8080", "http://127.0.0.1/realms/a", "http://[::1]:1/"}) {
    EXPECT_EQ(FormatProblems("f", Problems({near, "calls"})), "") << near;
  }
  for (const char* far :
       {"http://id.example", "http://10.0.0.1/", "http://localhost.example/", "http://127.0.0.1@x/"}) {
    EXPECT_EQ(Problems({far, "calls"}).size(), 1U) << far;
  }
}

TEST_F(JwtStartTest, GivesTheDefaultPolicy) {
  const auto config = JwtConfig({"https://id.example/", "a,b"}, NoEnvironment());
  ASSERT_EQ(config.authenticators(0).jwt().audiences_size(), 2);
  EXPECT_EQ(config.authenticators(0).jwt().audiences(1), "b");
  ASSERT_EQ(config.policies_size(), 1);
  const auto& policy = config.policies(0);
  EXPECT_FALSE(policy.has_identity());  // the subject
  EXPECT_FALSE(policy.has_metadata() || policy.has_attributes() || policy.has_room_config());
  EXPECT_EQ(policy.grants().ShortDebugString(), "can_publish: true can_subscribe: true can_publish_data: true");
  EXPECT_EQ(config.services_size(), 0);
}

}  // namespace
}  // namespace livekit::token::testing
