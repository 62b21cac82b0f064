// Configuration of authenticators for workloads, and what services they are.

#include <future>
#include <memory>
#include <string>
#include <thread>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "support/jwt_signer.h"
#include "unit/http/client_fixture.h"

namespace livekit::token::testing {
namespace {

class BuildWorkloads : public BuildAuthority {
 protected:
  BuildWorkloads() {
    key_ = std::make_unique<SigningKey>(SigningKey::Ec("P-256"));
    dir_.Write("jwks.json", JwksOf(key_->Jwk(R"(,"kid":"a")")));
    dir_.Write("bundle.json", JwksOf(key_->Jwk(R"(,"kid":"a","use":"jwt-svid")") + "," +
                                     edwards_.Jwk(R"(,"kid":"d","use":"jwt-svid")")));
    dir_.Write("token", "t");
    dir_.Write("ca.crt", "c");
  }

  static std::string Kubernetes(const std::string& fields, const std::string& others = "") {
    return WithAuthenticators("[{ name: app, kubernetes_service_account: { " + fields + " } }" + others + "]");
  }
  static std::string Spiffe(const std::string& fields, const std::string& others = "") {
    return WithAuthenticators("[{ name: app, spiffe_jwt: { " + fields + " } }" + others + "]");
  }
  void ExpectGood(const std::string& yaml, bool check_only = false) {
    BuildOptions options;
    options.environment = NoEnvironment();
    options.check_only = check_only;
    const auto built = BuildAuthorityState(ServerConfigOf(InDir(dir_, yaml)), options);
    EXPECT_EQ(FormatProblems("f", built.problems), "") << yaml;
  }
  void ExpectKubernetesProblem(const std::string& fields, const std::string& field, const std::string& fragment) {
    ExpectProblem(Kubernetes(fields), "authenticators[0].kubernetes_service_account." + field, fragment);
  }
  void ExpectSpiffeProblem(const std::string& fields, const std::string& field, const std::string& fragment) {
    ExpectProblem(Spiffe(fields), "authenticators[0].spiffe_jwt" + (field.empty() ? "" : "." + field), fragment);
  }
  std::string Token(const nlohmann::json& claims) const {
    return MakeJwt(R"({"alg":"ES256","kid":"a"})", claims.dump(), *key_, jose::Algorithm::kEs256);
  }

  std::unique_ptr<SigningKey> key_;
  SigningKey edwards_ = SigningKey::Edwards("Ed25519");
};

constexpr char kFile[] = "issuer: https://k, audience: calls, jwks_file: $DIR/jwks.json";
constexpr char kServer[] = "issuer: https://k, audience: calls, token_file: $DIR/token, ca_file: $DIR/ca.crt";

TEST_F(BuildWorkloads, TakesClusters) {
  ExpectGood(Kubernetes(kFile));
  ExpectGood(Kubernetes(std::string(kServer) + ", api_server: https://10.0.0.1:6443/"), /*check_only=*/true);
  ExpectGood(Kubernetes(std::string(kServer) + ", leeway: 0s, header: x-token"), /*check_only=*/true);
}

TEST_F(BuildWorkloads, FindsWhatIsWrongWithClusters) {
  ExpectKubernetesProblem("audience: calls, jwks_file: $DIR/jwks.json", "issuer", "required");
  ExpectKubernetesProblem("issuer: APIother, audience: calls, jwks_file: $DIR/jwks.json", "issuer", "LiveKit");
  ExpectKubernetesProblem("issuer: https://k, jwks_file: $DIR/jwks.json", "audience", "required");
  // Every pod has such a token and shows it to the API server.
  for (const char* audience : {"https://k", "https://k/", "https://kubernetes.default.svc"}) {
    ExpectKubernetesProblem("issuer: https://k, jwks_file: $DIR/jwks.json, audience: " + std::string(audience),
                            "audience", "API server");
  }
  ExpectKubernetesProblem("issuer: https://k, audience: calls, jwks_file: $DIR/none", "jwks_file", "cannot be read");
  ExpectKubernetesProblem(std::string(kFile) + ", token_file: $DIR/token", "jwks_file", "excludes");
  ExpectKubernetesProblem("issuer: https://k, audience: calls, token_file: $DIR/none, ca_file: $DIR/ca.crt",
                          "token_file", "cannot be read");
  ExpectKubernetesProblem("issuer: https://k, audience: calls, token_file: $DIR/token, ca_file: $DIR/none", "ca_file",
                          "cannot be read");
  ExpectKubernetesProblem(std::string(kServer) + ", api_server: http://k", "api_server", "https://");
  ExpectKubernetesProblem(std::string(kServer) + ", api_server: \"https://k?x\"", "api_server", "");
  ExpectKubernetesProblem(std::string(kFile) + ", leeway: 6m", "leeway", "5m");
}

TEST_F(BuildWorkloads, TakesTrustDomains) {
  ExpectGood(Spiffe("trust_domain: acme.dev, audiences: [calls], bundle_file: $DIR/bundle.json"));
  ExpectGood(Spiffe("trust_domain: acme.dev, audiences: [calls], bundle_url: https://spire.example/bundle"),
             /*check_only=*/true);
}

TEST_F(BuildWorkloads, FindsWhatIsWrongWithTrustDomains) {
  const std::string file = "bundle_file: $DIR/bundle.json";
  ExpectSpiffeProblem("audiences: [calls], " + file, "trust_domain", "required");
  ExpectSpiffeProblem("trust_domain: \"spiffe://acme.dev\", audiences: [calls], " + file, "trust_domain", "alone");
  ExpectSpiffeProblem("trust_domain: acme.dev, " + file, "audiences", "required");
  ExpectSpiffeProblem("trust_domain: acme.dev, audiences: [calls]", "", "either");
  ExpectSpiffeProblem("trust_domain: acme.dev, audiences: [calls], bundle_url: https://s/b, " + file, "", "either");
  ExpectSpiffeProblem("trust_domain: acme.dev, audiences: [calls], bundle_url: http://s/b", "bundle_url", "https://");
  // An ordinary key set is no bundle.
  ExpectSpiffeProblem("trust_domain: acme.dev, audiences: [calls], bundle_file: $DIR/jwks.json", "bundle_file",
                      "JWT-SVID");
  ExpectProblem(Spiffe("trust_domain: acme.dev, audiences: [calls], " + file,
                       ", { name: b, spiffe_jwt: { trust_domain: acme.dev, audiences: [x], " + file + " } }"),
                "authenticators[1].spiffe_jwt.trust_domain", "ambiguous");
}

// A program in the cluster, known by its service account.
class WorkloadServices : public BuildWorkloads {
 protected:
  WorkloadServices() {
    Parts parts;
    parts.authenticators = "[{ name: cluster, kubernetes_service_account: { " + std::string(kFile) +
                           " } }, { name: app, api_keys: { file: $DIR/partners.yaml } }, { name: ids, spiffe_jwt: { "
                           "trust_domain: acme.dev, audiences: [calls], bundle_file: $DIR/bundle.json } }]";
    parts.policy =
        "{ name: p, match: { authenticator: cluster, claims: { '[\"kubernetes.io\"].namespace': [calls] } }, "
        "room: { value: '{claims[\"kubernetes.io\"].namespace}-room' }, identity: { value: \"pod-{random}\" } }";
    parts.service =
        "{ name: s, match: { authenticator: cluster, subject: \"system:serviceaccount:calls:recorder\" }, "
        "mint: { rooms: [\"*\"], identities: [\"*\"], video: { room_join: true } } }\n"
        "  - { name: t, match: { authenticator: ids, subject: \"spiffe://acme.dev/recorder\" }, "
        "mint: { rooms: [\"*\"], identities: [\"*\"], video: { room_join: true } } }";
    state_ = Build(parts.Yaml());
    authority_ = std::make_unique<TokenAuthority>(state_, clock_, metrics_);
  }

  nlohmann::json Claims(const std::string& space, const std::string& account) const {
    return {{"iss", "https://k"},
            {"aud", {"calls"}},
            {"sub", "system:serviceaccount:" + space + ":" + account},
            {"exp", 1'900'000'300},
            {"kubernetes.io", {{"namespace", space}}}};
  }
  absl::StatusOr<v1::MintAccessTokenResponse> Mint(const std::string& token) {
    CallContext context;
    context.caller = {{{std::string(kCallerHeader), "Bearer " + token}}};
    v1::MintAccessTokenRequest request;
    request.mutable_grants()->set_identity("rec");
    request.mutable_grants()->mutable_video()->set_room_join(true);
    request.mutable_grants()->mutable_video()->set_room("r");
    return Answer<v1::MintAccessTokenResponse>(
        [&](auto done) { authority_->MintAccessToken(context, request, std::move(done)); });
  }
  template <typename Response>
  static absl::StatusOr<Response> Answer(const std::function<void(TokenAuthority::Done<Response>)>& call) {
    absl::StatusOr<Response> answer = absl::InternalError("not called");
    call([&](absl::StatusOr<Response> result) { answer = std::move(result); });
    return answer;
  }
};

TEST_F(WorkloadServices, AreKnownByTheirServiceAccount) {
  EXPECT_OK(Mint(Token(Claims("calls", "recorder"))));
  EXPECT_THAT(Mint(Token(Claims("calls", "other"))), IsRefusal(v1::METHOD_NOT_PERMITTED));
  EXPECT_THAT(Mint(Token(Claims("evil", "recorder"))), IsRefusal(v1::METHOD_NOT_PERMITTED));
  auto claims = Claims("calls", "recorder");
  claims["aud"] = {"https://kubernetes.default.svc"};
  EXPECT_FALSE(Mint(Token(claims)).ok());
}

TEST_F(WorkloadServices, AreKnownByTheirSpiffeId) {
  const nlohmann::json svid = {{"aud", "calls"}, {"sub", "spiffe://acme.dev/recorder"}, {"exp", 1'900'000'300}};
  EXPECT_OK(Mint(Token(svid)));
  auto other = svid;
  other["sub"] = "spiffe://acme.dev/recorder/x";
  EXPECT_THAT(Mint(Token(other)), IsRefusal(v1::METHOD_NOT_PERMITTED));
}

// What the configuration makes of the rules: the form of subjects, the algorithms of SVIDs, LiveKit's own keys.
TEST_F(WorkloadServices, AreHeldToWhatTheirKindOfTokenSays) {
  auto claims = Claims("calls", "recorder");
  claims["sub"] = "recorder";
  EXPECT_THAT(Mint(Token(claims)), IsRefusal(v1::AUTHENTICATION_FAILED));
  nlohmann::json svid = {{"aud", "calls"}, {"sub", "spiffe://acme.dev/recorder"}, {"exp", 1'900'000'300}};
  const std::string other_algorithm =
      MakeJwt(R"({"alg":"EdDSA","kid":"d"})", svid.dump(), edwards_, jose::Algorithm::kEdDsa);
  EXPECT_THAT(Mint(other_algorithm), IsRefusal(v1::AUTHENTICATION_FAILED));
  svid["iss"] = "APIother";
  EXPECT_THAT(Mint(Token(svid)), IsRefusal(v1::AUTHENTICATION_FAILED));
}

// A bundle over HTTP is read as a bundle: its keys would be none of an ordinary set.
TEST_F(BuildWorkloads, ReadsABundleFromItsAddress) {
  const std::string bundle = JwksOf(key_->Jwk(R"(,"kid":"a","use":"jwt-svid")"));
  const http::ScriptedServer server(
      http::Answering([bundle](const std::string&) { return http::Answer("200 OK", bundle); }));
  const auto state =
      Build(WithAuthenticators("[{ name: app, spiffe_jwt: { trust_domain: acme.dev, audiences: [calls], "
                               "allow_http: true, bundle_url: \"" +
                               server.Url() + "\" } }]"));
  ASSERT_NE(state, nullptr);
  const nlohmann::json svid = {{"aud", "calls"}, {"sub", "spiffe://acme.dev/web"}, {"exp", 1'900'000'300}};
  const auto promise = std::make_shared<std::promise<absl::StatusOr<Principal>>>();
  state->authenticators.Authenticate({{{"authorization", "Bearer " + Token(svid)}}}, clock_.Now(),
                                     [promise](auto principal) { promise->set_value(std::move(principal)); });
  EXPECT_OK(promise->get_future().get());
  // The client's thread must have let go of the keys before this one does: they own the client.
  while (promise.use_count() > 1) std::this_thread::yield();
}

// Two authenticators would both vouch for it, as different subjects.
TEST_F(WorkloadServices, WithTwoIdentitiesAreNobody) {
  auto both = Claims("calls", "recorder");
  both["sub"] = "spiffe://acme.dev/recorder";
  EXPECT_THAT(Mint(Token(both)), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

TEST_F(WorkloadServices, HaveClaimsForPolicies) {
  const auto issue = [&](const std::string& space) {
    CallContext context;
    context.credentials = {{{"authorization", "Bearer " + Token(Claims(space, "web"))}}};
    const v1::IssueParticipantTokenRequest request;
    return Answer<v1::IssueParticipantTokenResponse>(
        [&](auto done) { authority_->IssueParticipantToken(context, request, std::move(done)); });
  };
  ASSERT_OK_AND_ASSIGN(const auto issued, issue("calls"));
  EXPECT_EQ(issued.room_name(), "calls-room");
  EXPECT_THAT(issue("evil"), IsRefusal(v1::NO_POLICY));
}

}  // namespace
}  // namespace livekit::token::testing
