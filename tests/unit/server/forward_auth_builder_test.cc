// Configuration of authenticators of kind `forward_auth`.

#include <string>

#include "builder_fixture.h"
#include "gmock/gmock.h"

namespace livekit::token::testing {
namespace {

constexpr char kPath[] = "authenticators[0].forward_auth";
constexpr char kCookies[] = "forward_cookies: [session]";
constexpr char kSubject[] = "subject: { json: user.id }";

class BuildForwardAuth : public BuildAuthority {
 protected:
  static std::string With(const std::string& fields, const std::string& others = "") {
    Parts parts;
    parts.authenticators = "[{ name: app, forward_auth: { " + fields + " } }" + others +
                           ", { name: keys, api_keys: { file: $DIR/programs.yaml, header: x-program-key } }]";
    parts.service = "{ name: s, match: { authenticator: keys, subject: web }, verify: true }";
    return parts.Yaml();
  }
  static std::string Asking(const std::string& fields, const std::string& others = "") {
    return With("url: https://web/api/session, " + fields, others);
  }
  void ExpectGood(const std::string& yaml) { EXPECT_EQ(FormatProblems("f", BuildFrom(yaml).problems), "") << yaml; }
  void ExpectForwardProblem(const std::string& fields, const std::string& field, const std::string& fragment) {
    ExpectProblem(Asking(fields), field.empty() ? kPath : std::string(kPath) + "." + field, fragment);
  }
  static std::string Good(const std::string& rest = "") { return std::string(kCookies) + ", " + kSubject + rest; }
};

TEST_F(BuildForwardAuth, TakesWhatIsGood) {
  ExpectGood(Asking(Good()));
  ExpectGood(
      Asking("forward_headers: [authorization, X-Tenant], forward_cookies: [\"*authjs.session-token*\"], "
             "subject: { header: X-User-Id }, claims: { json: user, headers: { plan: X-User-Plan } }, "
             "timeout: 8s, cache_ttl: 60s"));
  ExpectGood(With("url: http://web/api/session, allow_http: true, " + Good(", claims: { json: \".\" }")));
}

TEST_F(BuildForwardAuth, FindsWhatIsMissing) {
  ExpectProblem(With(Good()), std::string(kPath) + ".url", "required");
  ExpectForwardProblem(kSubject, "", "knows nobody");
  ExpectForwardProblem(kCookies, "subject", "either");
  ExpectForwardProblem(std::string(kCookies) + ", subject: { json: a, header: b }", "subject", "either");
}

TEST_F(BuildForwardAuth, FindsWhatIsWrong) {
  ExpectProblem(With("url: http://web/s, " + Good()), std::string(kPath) + ".url", "https://");
  ExpectForwardProblem(std::string(kSubject) + ", forward_cookies: [\"*\"]", "forward_cookies[0]", "every cookie");
  ExpectForwardProblem(std::string(kSubject) + ", forward_cookies: [\"\"]", "forward_cookies[0]", "");
  ExpectForwardProblem(std::string(kSubject) + ", forward_cookies: [\"sess(ion)?\"]", "forward_cookies[0]", "");
  for (const char* header : {"cookie", "host", "connection", "content-type", "x-caller-authorization",
                             "x-forwarded-for", "x_tenant", "transfer-encoding", "\"\""}) {
    ExpectForwardProblem(std::string(kSubject) + ", forward_headers: [" + header + "]", "forward_headers[0]",
                         "is not a header");
  }
  ExpectForwardProblem(Good(", forward_headers: [x-a, X-A]"), "forward_headers[1]", "twice");
  ExpectForwardProblem(std::string(kCookies) + ", subject: { json: \"a..b\" }", "subject.json", "path");
  ExpectForwardProblem(std::string(kCookies) + ", subject: { header: \"a b\" }", "subject.header", "header");
  ExpectForwardProblem(Good(", claims: { json: \"a..b\" }"), "claims.json", "path");
  ExpectForwardProblem(Good(", claims: { headers: { plan: \"a:b\" } }"), "claims.headers.plan", "header");
  ExpectForwardProblem(Good(", timeout: 50ms"), "timeout", "100ms");
  ExpectForwardProblem(Good(", cache_ttl: 61s"), "cache_ttl", "60s");
  ExpectForwardProblem(Good(", ca_file: $DIR/none"), "ca_file", "cannot be read");
}

// Every request would be for two.
TEST_F(BuildForwardAuth, FindsHeadersThatOthersRead) {
  ExpectProblem(Asking(std::string(kSubject) + ", forward_headers: [authorization]",
                       ", { name: b, forward_auth: { url: https://b/s, forward_headers: [authorization], " +
                           std::string(kSubject) + " } }"),
                "authenticators[1].forward_auth.forward_headers[0]", "twice");
  for (const char* other :
       {"api_keys: { file: $DIR/partners.yaml, header: X-Session }",
        "spiffe_jwt: { trust_domain: a, audiences: [c], bundle_file: $DIR/bundle, header: x-session }"}) {
    const auto built = BuildFrom(
        Asking(std::string(kSubject) + ", forward_headers: [x-session]", ", { name: b, " + std::string(other) + " }"));
    EXPECT_THAT(FormatProblems("f", built.problems),
                ::testing::HasSubstr(std::string(kPath) + ".forward_headers[0]: is read by b too"));
  }
  ExpectProblem(Asking(std::string(kSubject) + ", forward_headers: [x-user]",
                       ", { name: b, trusted_headers: { subject_header: x-user } }"),
                "authenticators[1].trusted_headers.subject_header", "reads credentials");
}

TEST_F(BuildForwardAuth, FindsCookiesThatOthersReadOrNobodySends) {
  const std::string other = ", { name: b, forward_auth: { url: https://b/s, " + std::string(kSubject);
  ExpectProblem(Asking(Good(), other + ", forward_cookies: [sid, session] } }"),
                "authenticators[1].forward_auth.forward_cookies[1]", "twice");
  ExpectGood(Asking(Good(), other + ", forward_cookies: [sid] } }"));
  for (const char* glob : {"a b", "a;b", "a=b", "sess(ion)?", "**", "\xc3\xa9"}) {
    ExpectForwardProblem(std::string(kSubject) + ", forward_cookies: [\"" + glob + "\"]", "forward_cookies[0]", "");
  }
}

// The session of a user must never be a program's identity.
TEST_F(BuildForwardAuth, IsNotForServices) {
  Parts parts;
  parts.authenticators =
      "[{ name: app, forward_auth: { url: https://web/s, " + Good() + " } }, { name: guests, anonymous: {} }]";
  ExpectProblem(parts.Yaml(), kPath, "no service");
}

TEST_F(BuildForwardAuth, AsksNobodyForACheckAndFindsTheSame) {
  BuildOptions check;
  check.environment = NoEnvironment();
  check.check_only = true;
  const auto problems = [&](const std::string& yaml) {
    return FormatProblems("f", BuildAuthorityState(ServerConfigOf(InDir(dir_, yaml)), check).problems);
  };
  EXPECT_EQ(problems(Asking(Good())), "");
  const std::string shared = Asking(std::string(kSubject) + ", forward_headers: [x-user]",
                                    ", { name: b, trusted_headers: { subject_header: x-user } }");
  EXPECT_NE(problems(shared), "");
  EXPECT_EQ(problems(shared), FormatProblems("f", BuildFrom(shared).problems));
}

}  // namespace
}  // namespace livekit::token::testing
