// Configuration of authenticators of kind `oauth2_introspection`.

#include <future>
#include <string>

#include "builder_fixture.h"
#include "gmock/gmock.h"

namespace livekit::token::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kPath[] = "authenticators[0].oauth2_introspection";

class BuildIntrospection : public BuildAuthority {
 protected:
  BuildIntrospection() {
    dir_.Write("client.secret", std::string(kMarker) + "-of-client\n");
    dir_.Write("empty.secret", "\n");
    dir_.Write("open.secret", std::string(kMarker) + "-of-client\n", 0644);
  }

  static std::string With(const std::string& fields, const std::string& others = "") {
    return WithAuthenticators("[{ name: app, oauth2_introspection: { " + fields + " } }" + others + "]");
  }
  // A good one, with more said about it.
  static std::string Good(const std::string& rest = "", const std::string& others = "") {
    return With(
        "url: https://as.example/introspect, client_id: c, client_secret_file: $DIR/client.secret, "
        "audiences: [calls]" +
            rest,
        others);
  }
  void ExpectGood(const std::string& yaml) { EXPECT_EQ(FormatProblems("f", BuildFrom(yaml).problems), "") << yaml; }
  void ExpectIntrospectionProblem(const std::string& yaml, const std::string& field, const std::string& fragment) {
    ExpectProblem(yaml, std::string(kPath) + "." + field, fragment);
  }
};

TEST_F(BuildIntrospection, TakesWhatIsGood) {
  ExpectGood(Good());
  ExpectGood(
      Good(", client_auth: basic, issuer: https://as.example, subject_claim: user.id, header: x-token, "
           "jwts: true, cache_ttl: 60s, timeout: 100ms"));
  ExpectGood(Good(", client_auth: post, cache_ttl: 0s, timeout: 8s"));
  ExpectGood(With("url: http://as/introspect, allow_http: true, client_id: c, client_secret_file: $DIR/client.secret"));
}

TEST_F(BuildIntrospection, FindsWhatIsMissing) {
  const std::string rest = ", audiences: [calls]";
  ExpectIntrospectionProblem(With("client_id: c, client_secret_file: $DIR/client.secret" + rest), "url", "required");
  ExpectIntrospectionProblem(With("url: https://a/i, client_secret_file: $DIR/client.secret" + rest), "client_id",
                             "required");
  ExpectIntrospectionProblem(With("url: https://a/i, client_id: c" + rest), "client_secret_file", "required");
}

TEST_F(BuildIntrospection, FindsWhatIsWrong) {
  const auto with_secret = [](const std::string& file) {
    return With("url: https://a/i, client_id: c, audiences: [calls], client_secret_file: " + file);
  };
  ExpectIntrospectionProblem(with_secret("$DIR/none"), "client_secret_file", "");
  ExpectIntrospectionProblem(with_secret("$DIR/empty.secret"), "client_secret_file", "empty");
  ExpectIntrospectionProblem(with_secret("$DIR/open.secret"), "client_secret_file", "");
  const auto with_url = [](const std::string& url) {
    return With("url: \"" + url + "\", client_id: c, client_secret_file: $DIR/client.secret, audiences: [calls]");
  };
  ExpectIntrospectionProblem(with_url("http://a/i"), "url", "https://");
  ExpectIntrospectionProblem(with_url("ftp://a/i"), "url", "https://");
  ExpectIntrospectionProblem(with_url("https://u:p@a/i"), "url", "");
  ExpectIntrospectionProblem(with_url("https://"), "url", "");
  ExpectIntrospectionProblem(Good(", client_auth: digest"), "client_auth", "basic or post");
  ExpectIntrospectionProblem(Good(", cache_ttl: 61s"), "cache_ttl", "60s");
  ExpectIntrospectionProblem(Good(", timeout: 99ms"), "timeout", "100ms");
  ExpectIntrospectionProblem(Good(", timeout: 8001ms"), "timeout", "8s");
  ExpectIntrospectionProblem(Good(", header: x_token"), "header", "header");
  ExpectIntrospectionProblem(Good(", header: x-caller-authorization"), "header", "header");
  ExpectIntrospectionProblem(Good(", subject_claim: \"a..b\""), "subject_claim", "path");
  ExpectIntrospectionProblem(Good(", issuer: APIother"), "issuer", "LiveKit");
  ExpectIntrospectionProblem(Good(", jwts: true, issuer: APIother"), "issuer", "LiveKit");
  ExpectIntrospectionProblem(Good(", ca_file: $DIR/none"), "ca_file", "cannot be read");
}

TEST_F(BuildIntrospection, WarnsThatEveryTokenOfTheServerCounts) {
  const auto built = BuildFrom(With("url: https://a/i, client_id: c, client_secret_file: $DIR/client.secret"));
  EXPECT_THAT(FormatProblems("f", built.warnings), HasSubstr(std::string(kPath) + ".audiences"));
  EXPECT_EQ(FormatProblems("f", BuildFrom(Good()).warnings).find(kPath), std::string::npos);
}

// Opaque tokens do not tell whose they are.
TEST_F(BuildIntrospection, FindsTwoReadersOfTheSameTokens) {
  const std::string second =
      ", { name: b, oauth2_introspection: { url: https://b/i, client_id: c, client_secret_file: $DIR/client.secret, "
      "audiences: [x] ";
  ExpectProblem(Good("", second + "} }"), "authenticators[1].oauth2_introspection.header", "ambiguous");
  ExpectGood(Good("", second + ", header: x-other } }"));
  ExpectIntrospectionProblem(Good("", ", { name: b, api_keys: { file: $DIR/programs.yaml, header: Authorization } }"),
                             "header", "is read by b too");
  ExpectGood(Good("", ", { name: b, api_keys: { file: $DIR/programs.yaml } }"));
}

TEST_F(BuildIntrospection, AsksNobodyForACheck) {
  BuildOptions check;
  check.environment = NoEnvironment();
  check.check_only = true;
  const auto built = BuildAuthorityState(ServerConfigOf(InDir(dir_, Good())), check);
  EXPECT_EQ(FormatProblems("f", built.problems), "");
}

// The address is one where nobody answers: whoever is not asked gets another refusal.
TEST_F(BuildIntrospection, NeverAsksAboutLiveKitTokens) {
  const auto state =
      Build(With("url: http://127.0.0.1:9/i, allow_http: true, jwts: true, client_id: c, "
                 "client_secret_file: $DIR/client.secret, audiences: [calls]"));
  ASSERT_NE(state, nullptr);
  const auto ask = [&](const std::string& issuer) {
    const std::string token = Base64UrlEncode(R"({"alg":"HS256"})") + "." +
                              Base64UrlEncode(R"({"iss":")" + issuer + R"(","sub":"u"})") + ".c2ln";
    std::promise<absl::StatusOr<Principal>> promise;
    state->authenticators.Authenticate({{{"authorization", "Bearer " + token}}}, clock_.Now(),
                                       [&](auto principal) { promise.set_value(std::move(principal)); });
    return promise.get_future().get();
  };
  EXPECT_THAT(ask("APIother"), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(ask("https://as.example"), IsRefusal(v1::UNAVAILABLE));
}

}  // namespace
}  // namespace livekit::token::testing
