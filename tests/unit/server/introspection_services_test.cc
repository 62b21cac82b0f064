// Introspection beside other authenticators: whose tokens are asked about where, and by whom programs are known.

#include <future>
#include <string>
#include <utility>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "unit/http/client_fixture.h"

namespace livekit::token::testing {
namespace {

using http::ScriptedServer;
using ::testing::HasSubstr;

// A server that knows one token.
class TokenKnower {
 public:
  TokenKnower(std::string token, std::string subject) : token_(std::move(token)), subject_(std::move(subject)) {}

  std::string Url() const { return server_.Url("/introspect"); }
  int asked() const { return asked_; }

 private:
  std::string AnswerTo(const std::string& request) {
    ++asked_;
    const bool known = request.find("\r\n\r\ntoken=" + token_ + "&") != std::string::npos;
    return http::Answer("200 OK",
                        known ? R"({"active":true,"sub":")" + subject_ + R"(","aud":"a"})" : R"({"active":false})");
  }

  const std::string token_;
  const std::string subject_;
  std::atomic<int> asked_ = 0;
  ScriptedServer server_{http::Answering([this](const std::string& request) { return AnswerTo(request); })};
};

class IntrospectionServices : public BuildAuthority {
 protected:
  IntrospectionServices() { dir_.Write("client.secret", std::string(kMarker) + "-of-client\n"); }

  static std::string Asking(const std::string& name, const std::string& url, const std::string& rest = "") {
    return "{ name: " + name + ", oauth2_introspection: { url: \"" + url +
           "\", allow_http: true, client_id: c, client_secret_file: $DIR/client.secret, audiences: [a], timeout: 8s" +
           rest + " } }";
  }
  static std::string Service(const std::string& name, const std::string& authenticator, const std::string& subject) {
    return "  - { name: " + name + ", match: { authenticator: " + authenticator + ", subject: " + subject +
           " }, mint: { rooms: [\"*\"], identities: [\"*\"], video: { room_join: true } } }\n";
  }
  static std::string Yaml(const std::string& authenticators, const std::string& services,
                          const std::string& policies = "") {
    return "projects:\n  - { name: main, client_url: wss://main.example, keys: { file: $DIR/other.keys } }\n"
           "authenticators: [" +
           authenticators + "]\nservices:\n" + services + (policies.empty() ? "" : "policies:\n" + policies);
  }
  static std::string Policy(const std::string& authenticator) {
    return "  - { name: " + authenticator + ", match: { authenticator: " + authenticator +
           " }, room: { client: allow } }\n";
  }

  void Use(const std::string& yaml) {
    authority_.reset();
    state_ = Build(yaml);
    authority_ = std::make_unique<TokenAuthority>(state_, clock_, metrics_);
  }
  template <typename Response, typename Request>
  absl::StatusOr<Response> Await(void (TokenAuthority::*method)(const CallContext&, const Request&,
                                                                TokenAuthority::Done<Response>) const,
                                 const CallContext& context, const Request& request) {
    std::promise<absl::StatusOr<Response>> promise;
    (authority_.get()->*method)(context, request, [&](auto answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  absl::Status MintBy(const std::string& credential) {
    CallContext context;
    context.caller = {{{std::string(kCallerHeader), "Bearer " + credential}}};
    return Await<v1::MintAccessTokenResponse>(&TokenAuthority::MintAccessToken, context, Join("i", "r")).status();
  }
  absl::Status IssueFor(const std::string& header, const std::string& value) {
    CallContext context;
    context.credentials = {{{header, value}}};
    v1::IssueParticipantTokenRequest request;
    *request.mutable_request() = InRoom("r");
    return Await<v1::IssueParticipantTokenResponse>(&TokenAuthority::IssueParticipantToken, context, request).status();
  }
};

// The usual configuration: users by introspection, programs by keys that look just as opaque.
TEST_F(IntrospectionServices, ProgramsWithKeysStayKnownBesideUsersWithOpaqueTokens) {
  const TokenKnower server("opaque-user", "u-1");
  Use(Yaml(Asking("users", server.Url()) + ", { name: programs, api_keys: { file: $DIR/programs.yaml } }",
           Service("recorder", "programs", "recorder"), Policy("users")));
  EXPECT_OK(MintBy(KeyOf("recorder")));
  EXPECT_EQ(server.asked(), 0);  // a program's key is not sent to the users' server
  EXPECT_OK(IssueFor("authorization", "Bearer opaque-user"));
  EXPECT_THAT(IssueFor("authorization", "Bearer opaque-other"), IsRefusal(v1::AUTHENTICATION_FAILED));
  // A user's token makes no program.
  EXPECT_THAT(MintBy("opaque-user"), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(server.asked(), 2);
}

TEST_F(IntrospectionServices, AProgramCanBeKnownByIntrospection) {
  const TokenKnower server("opaque-program", "recorder");
  Use(Yaml(Asking("programs", server.Url()), Service("recorder", "programs", "recorder")));
  EXPECT_OK(MintBy("opaque-program"));
  EXPECT_THAT(MintBy("opaque-other"), IsRefusal(v1::AUTHENTICATION_FAILED));
}

TEST_F(IntrospectionServices, EachOfTwoServersIsAskedAboutItsOwnTokens) {
  const TokenKnower users("opaque-user", "u");
  const TokenKnower partners("opaque-partner", "p");
  Use(Yaml(Asking("users", users.Url()) + ", " + Asking("partners", partners.Url(), ", header: x-partner"),
           Service("recorder", "users", "recorder"), Policy("users") + Policy("partners")));
  EXPECT_OK(IssueFor("authorization", "Bearer opaque-user"));
  EXPECT_OK(IssueFor("x-partner", "opaque-partner"));
  EXPECT_EQ(users.asked(), 1);
  EXPECT_EQ(partners.asked(), 1);
  // What one remembers is nothing to the other.
  EXPECT_THAT(IssueFor("x-partner", "opaque-user"), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(IssueFor("authorization", "Bearer opaque-partner"), IsRefusal(v1::AUTHENTICATION_FAILED));
}

// x-caller-authorization is one header for all programs.
TEST_F(IntrospectionServices, ProgramsOfTwoKindsOfOpaqueCredentialsWouldBeAmbiguous) {
  const std::string url = "https://as.example/i";
  const std::string path = "authenticators[0].oauth2_introspection.header";
  const std::string keys = ", { name: keys, api_keys: { file: $DIR/programs.yaml } }";
  ExpectProblem(Yaml(Asking("a", url) + keys, Service("r", "a", "r") + Service("s", "keys", "s")), path, "ambiguous");
  EXPECT_EQ(BuildFrom(Yaml(Asking("a", url) + keys, Service("r", "a", "r"))).problems.size(), 0U);
  ExpectProblem(Yaml(Asking("a", url) + ", " + Asking("b", url, ", header: x-b"),
                     Service("r", "a", "r") + Service("s", "b", "s")),
                "authenticators[1].oauth2_introspection.header", "ambiguous");
}

// With `jwts` and no issuer every JSON Web Token is asked about, those of a configured issuer too.
TEST_F(IntrospectionServices, AllJsonWebTokensLeaveNoneForOthers) {
  const std::string url = "https://as.example/i";
  const std::string jwt = ", { name: b, jwt: { issuer: https://id.example, audiences: [a]";
  const auto problems = [&](const std::string& introspection, const std::string& rest) {
    BuildOptions options;
    options.environment = NoEnvironment();
    options.check_only = true;
    const std::string yaml = Yaml(Asking("a", url, introspection) + jwt + rest + " } }", Service("r", "b", "r"));
    return FormatProblems("f", BuildAuthorityState(ServerConfigOf(InDir(dir_, yaml)), options).problems);
  };
  EXPECT_THAT(problems(", jwts: true", ""), HasSubstr("authenticators[0].oauth2_introspection.header: is read by b"));
  EXPECT_EQ(problems(", jwts: true", ", header: x-b"), "");
  EXPECT_EQ(problems(", jwts: true, issuer: https://as.example", ""), "");
  EXPECT_THAT(problems(", jwts: true, issuer: https://id.example", ""), HasSubstr("would be ambiguous"));
  EXPECT_EQ(problems("", ""), "");
}

TEST_F(IntrospectionServices, ForwardAuthMustNotReadTheSameHeader) {
  const std::string forward =
      ", { name: b, forward_auth: { url: https://web.example/api, subject: { json: id }, forward_headers: [";
  const auto problems = [&](const std::string& header) {
    const std::string yaml =
        Yaml(Asking("a", "https://as.example/i") + forward + header + "] } }", Service("r", "a", "r"));
    return FormatProblems("f", BuildFrom(yaml).problems);
  };
  EXPECT_THAT(problems("authorization"), HasSubstr("authenticators[0].oauth2_introspection.header: is read by b"));
  EXPECT_THAT(problems("x-session"), ::testing::Not(HasSubstr("is read by b")));
}

}  // namespace
}  // namespace livekit::token::testing
