// Tokens of Kubernetes service accounts, and JWT-SVIDs.
#include "server/authn/workload.h"

#include <future>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "jwt_fixture.h"
#include "server/authn/jwks_fetch.h"
#include "server/authn/jwks_source.h"
#include "server_fixture.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using http::Answer;
using http::ScriptedServer;
using jose::Algorithm;
using std::chrono::seconds;
using testing::Bearer;
using testing::GoodClaims;
using ::testing::HasSubstr;
using testing::IsRefusal;
using testing::kNow;
using testing::kNowSeconds;
using testing::MakeJwt;
using ::testing::Not;
using testing::SeenAuthenticator;
using testing::TempDir;

// --- names

TEST(IsServiceAccount, TakesOnlyTheFormOfKubernetes) {
  for (const std::string& good :
       {std::string("system:serviceaccount:calls:gateway"), std::string("system:serviceaccount:a:b"),
        std::string("system:serviceaccount:ns-1:sa.with.dots-2"),
        "system:serviceaccount:" + std::string(63, 'n') + ":a"}) {
    EXPECT_TRUE(IsServiceAccount(good)) << good;
  }
  for (const std::string& bad : {std::string(),
                                 std::string("system:serviceaccount:calls"),
                                 std::string("system:serviceaccount:calls:"),
                                 std::string("system:serviceaccount::gateway"),
                                 std::string("system:serviceaccount:a:b:c"),
                                 std::string("system:serviceaccounts:a:b"),
                                 std::string("System:serviceaccount:a:b"),
                                 std::string("system:node:x"),
                                 std::string("system:serviceaccount:Calls:gateway"),
                                 std::string("system:serviceaccount:calls:Gateway"),
                                 std::string("system:serviceaccount:a.b:c"),
                                 std::string("system:serviceaccount:-a:b"),
                                 std::string("system:serviceaccount:a:b-"),
                                 std::string("system:serviceaccount:a:b..c"),
                                 std::string("system:serviceaccount:a:b."),
                                 std::string("system:serviceaccount:a:b c"),
                                 std::string("system:serviceaccount:a:*"),
                                 std::string(" system:serviceaccount:a:b"),
                                 "system:serviceaccount:" + std::string(64, 'n') + ":a",
                                 "system:serviceaccount:a:" + std::string(254, 'n')}) {
    EXPECT_FALSE(IsServiceAccount(bad)) << bad;
  }
}

TEST(IsSpiffeId, TakesOnlyWorkloadsOfTheTrustDomain) {
  for (const char* good : {"spiffe://acme.dev/ns/calls/sa/gateway", "spiffe://acme.dev/a", "spiffe://acme.dev/A._-9",
                           "spiffe://acme.dev/...", "spiffe://acme.dev/.a/b."}) {
    EXPECT_TRUE(IsSpiffeId(good, "acme.dev")) << good;
  }
  for (const char* bad : {"",
                          "acme.dev/a",
                          "spiffe://acme.dev",
                          "spiffe://acme.dev/",
                          "spiffe://acme.dev//a",
                          "spiffe://acme.dev/a/",
                          "spiffe://acme.dev/a//b",
                          "spiffe://acme.dev/./a",
                          "spiffe://acme.dev/a/..",
                          "spiffe://acme.dev/a/../b",
                          "spiffe://acme.dev.evil/a",
                          "spiffe://evil/acme.dev/a",
                          "spiffe://evil.acme.dev/a",
                          "spiffe://acme.devil/a",
                          "spiffe://ACME.dev/a",
                          "Spiffe://acme.dev/a",
                          "spiffe://acme.dev:443/a",
                          "spiffe://u@acme.dev/a",
                          "spiffe://acme.dev/a?x",
                          "spiffe://acme.dev/a#x",
                          "spiffe://acme.dev/a%2fb",
                          "spiffe://acme.dev/a b",
                          "spiffe://acme.dev/\xc3\xa9",
                          "spiffe:///a",
                          "spiffe://acme.dev/*",
                          "https://acme.dev/a"}) {
    EXPECT_FALSE(IsSpiffeId(bad, "acme.dev")) << bad;
  }
  EXPECT_TRUE(IsTrustDomain("acme.dev"));
  EXPECT_TRUE(IsTrustDomain(std::string(255, 'a')));
  for (const std::string& bad : {std::string(), std::string("Acme.dev"), std::string("acme.dev/"),
                                 std::string("spiffe://acme.dev"), std::string("acme:dev"), std::string(256, 'a')}) {
    EXPECT_FALSE(IsTrustDomain(bad)) << bad;
  }
}

// --- tokens of service accounts

constexpr char kCluster[] = "https://kubernetes.default.svc.cluster.local";
constexpr char kAccount[] = "system:serviceaccount:calls:gateway";

JwtOptions ClusterOptions() {
  JwtOptions options = testing::PublicKeyOptions();
  options.name = "cluster";
  options.rules.kind = JwtKind::kServiceAccount;
  options.rules.issuer = kCluster;
  options.rules.audiences = {"livekit-token"};
  return options;
}

nlohmann::json AccountClaims() {
  return {{"iss", kCluster},    {"aud", {"livekit-token"}},
          {"sub", kAccount},    {"exp", kNowSeconds + 3600},
          {"iat", kNowSeconds}, {"kubernetes.io", {{"namespace", "calls"}, {"serviceaccount", {{"name", "gateway"}}}}}};
}

nlohmann::json With(nlohmann::json claims, const std::string& name, const nlohmann::json& value) {
  claims[name] = value;
  return claims;
}
nlohmann::json Without(nlohmann::json claims, const std::string& name) {
  claims.erase(name);
  return claims;
}

SeenAuthenticator ForOptions(JwtOptions options) {
  return SeenAuthenticator(std::move(options), std::make_shared<StaticKeys>(testing::Keys().Public()));
}

TEST(ServiceAccountTokens, AreCredentials) {
  SeenAuthenticator cluster = ForOptions(ClusterOptions());
  const std::string token = testing::RsToken(AccountClaims());
  EXPECT_TRUE(cluster->Recognizes(Bearer(token)));
  ASSERT_OK_AND_ASSIGN(const Principal principal, cluster.Authenticate(Bearer(token)));
  EXPECT_EQ(principal.authenticator, "cluster");
  EXPECT_EQ(principal.subject, kAccount);
  EXPECT_EQ(*principal.claims.Find(*ClaimPath::Parse("[\"kubernetes.io\"].namespace")), "calls");
}

TEST(ServiceAccountTokens, OfAnotherKindAreRefused) {
  SeenAuthenticator cluster = ForOptions(ClusterOptions());
  const auto reason = [&](const nlohmann::json& claims) { return cluster.ReasonFor(testing::RsToken(claims)); };
  const auto good = AccountClaims();
  EXPECT_EQ(reason(good), JwtRejection::kNone);
  // The token that every pod has by default is for the API server.
  EXPECT_EQ(reason(With(good, "aud", {kCluster})), JwtRejection::kAudience);
  EXPECT_EQ(reason(With(good, "aud", nlohmann::json::array())), JwtRejection::kAudience);
  EXPECT_EQ(reason(Without(good, "aud")), JwtRejection::kAudience);
  EXPECT_EQ(reason(With(good, "exp", kNowSeconds - 60)), JwtRejection::kExpired);
  EXPECT_EQ(reason(Without(good, "exp")), JwtRejection::kTime);
  EXPECT_EQ(reason(With(good, "video", {{"roomJoin", true}})), JwtRejection::kLiveKitToken);
  for (const char* subject : {"system:node:worker", "system:serviceaccount:calls", "system:serviceaccount:a:b:c",
                              "system:serviceaccount:Calls:gateway", "gateway", "system:serviceaccount:calls:", ""}) {
    EXPECT_EQ(reason(With(good, "sub", subject)), JwtRejection::kSubject) << subject;
  }
  EXPECT_FALSE(cluster->Recognizes(Bearer(testing::RsToken(With(good, "iss", "https://other.example")))));
  EXPECT_EQ(cluster.ReasonFor(MakeJwt(R"({"alg":"none"})", good.dump(), "sig")), JwtRejection::kAlgorithm);
  EXPECT_EQ(
      cluster.ReasonFor(testing::MakeJwt(R"({"alg":"HS256"})", good.dump(), testing::Keys().hmac, Algorithm::kHs256)),
      JwtRejection::kAlgorithm);
}

// --- JWT-SVIDs

JwtOptions SpiffeOptions() {
  JwtOptions options =
      testing::OptionsWith(jose::AlgorithmSet(Algorithm::kRs256, Algorithm::kPs256, Algorithm::kEs256));
  options.name = "workloads";
  options.rules.kind = JwtKind::kSpiffe;
  options.rules.issuer = "acme.dev";
  options.rules.audiences = {"livekit-token"};
  return options;
}

nlohmann::json SvidClaims() {
  return {{"aud", {"livekit-token"}}, {"sub", "spiffe://acme.dev/ns/calls/sa/gateway"}, {"exp", kNowSeconds + 300}};
}

std::string Svid(const nlohmann::json& claims, const std::string& header = R"({"alg":"RS256","kid":"r"})") {
  return MakeJwt(header, claims.dump(), testing::Keys().rsa, Algorithm::kRs256);
}

TEST(JwtSvids, AreCredentials) {
  SeenAuthenticator workloads = ForOptions(SpiffeOptions());
  for (const char* type : {"", R"(,"typ":"JWT")", R"(,"typ":"JOSE")"}) {
    const std::string token = Svid(SvidClaims(), R"({"alg":"RS256","kid":"r")" + std::string(type) + "}");
    EXPECT_TRUE(workloads->Recognizes(Bearer(token)));
    ASSERT_OK_AND_ASSIGN(const Principal principal, workloads.Authenticate(Bearer(token)));
    EXPECT_EQ(principal.subject, "spiffe://acme.dev/ns/calls/sa/gateway");
  }
  // JWT-SVID section 3: other claims are not looked at.
  EXPECT_EQ(workloads.ReasonFor(Svid(With(SvidClaims(), "iss", "https://spire.example"))), JwtRejection::kNone);
}

TEST(JwtSvids, ThatAreNotSoundAreRefused) {
  SeenAuthenticator workloads = ForOptions(SpiffeOptions());
  const auto good = SvidClaims();
  const auto reason = [&](const nlohmann::json& claims) { return workloads.ReasonFor(Svid(claims)); };
  EXPECT_EQ(reason(With(good, "aud", "other")), JwtRejection::kAudience);
  EXPECT_EQ(reason(Without(good, "aud")), JwtRejection::kAudience);
  EXPECT_EQ(reason(Without(good, "exp")), JwtRejection::kTime);
  EXPECT_EQ(reason(With(good, "exp", kNowSeconds - 60)), JwtRejection::kExpired);
  EXPECT_EQ(reason(With(good, "video", {{"roomJoin", true}})), JwtRejection::kLiveKitToken);
  for (const std::string& id : {std::string("spiffe://acme.dev/"), std::string("spiffe://acme.dev//a"),
                                std::string("spiffe://acme.dev/a/"), std::string("spiffe://acme.dev/../a"),
                                std::string("spiffe://acme.dev/a?b"), "spiffe://acme.dev/" + std::string(256, 'a')}) {
    EXPECT_EQ(reason(With(good, "sub", id)), JwtRejection::kSubject) << id;
  }
  // JWT-SVID section 2.1 has no other algorithms, and none but JWT and JOSE as type.
  EXPECT_EQ(workloads.ReasonFor(Svid(good, R"({"alg":"RS256","kid":"r","typ":"at+jwt"})")), JwtRejection::kType);
  EXPECT_EQ(workloads.ReasonFor(MakeJwt(R"({"alg":"none"})", good.dump(), "sig")), JwtRejection::kAlgorithm);
  EXPECT_EQ(
      workloads.ReasonFor(MakeJwt(R"({"alg":"EdDSA","kid":"d"})", good.dump(), testing::Keys().ed, Algorithm::kEdDsa)),
      JwtRejection::kAlgorithm);
  EXPECT_EQ(workloads.ReasonFor(Svid(good, R"({"alg":"RS256","kid":"e"})")), JwtRejection::kNoKey);
}

TEST(JwtSvids, AreKnownByTheirTrustDomain) {
  SeenAuthenticator workloads = ForOptions(SpiffeOptions());
  for (const char* id : {"spiffe://acme.dev.evil/a", "spiffe://evil/acme.dev/a", "spiffe://ACME.dev/a",
                         "spiffe://acme.dev", "system:serviceaccount:a:b", "alice"}) {
    EXPECT_FALSE(workloads->Recognizes(Bearer(Svid(With(SvidClaims(), "sub", id))))) << id;
  }
  EXPECT_FALSE(workloads->Recognizes(Bearer(Svid(Without(SvidClaims(), "sub")))));
  EXPECT_FALSE(workloads->Recognizes(Bearer(Svid(With(SvidClaims(), "sub", {"spiffe://acme.dev/a"})))));
  EXPECT_FALSE(workloads->Recognizes(Bearer("spiffe://acme.dev/a")));
  // An identity provider's token of somebody with such a name is no SVID, and its own authenticator still knows it.
  EXPECT_TRUE(testing::PublicKeyAuthenticator()->Recognizes(
      Bearer(testing::RsToken(With(GoodClaims(), "sub", "spiffe://acme.dev/a")))));
}

// --- the bundle

std::string Bundle(const std::string& keys, const std::string& more = "") {
  return "{\"keys\":[" + keys + "]" + more + "}";
}

TEST(TrustBundle, HasKeysForJwtSvidsOnly) {
  const auto& keys = testing::Keys();
  ASSERT_OK_AND_ASSIGN(
      const jose::Jwks jwks,
      jose::ReadJwks(Bundle(keys.rsa.Jwk(R"(,"kid":"r","use":"jwt-svid")") + "," +
                            keys.ec.Jwk(R"(,"kid":"e","use":"x509-svid")") + "," + keys.ec.Jwk(R"(,"kid":"n")") + "," +
                            keys.ec.Jwk(R"(,"kid":"s","use":"sig")") + "," + keys.ec.Jwk(R"(,"use":"jwt-svid")")),
                     jose::JwksUse::kJwtSvid));
  ASSERT_EQ(jwks.keys.size(), 1U);
  EXPECT_EQ(jwks.keys[0]->key_id(), "r");
  for (const char* use : {R"(,"kid":"r","use":"x509-svid")", R"(,"kid":"r")", R"(,"use":"jwt-svid")",
                          R"(,"kid":"r","use":"sig")", R"(,"kid":"r","use":["jwt-svid"])"}) {
    EXPECT_FALSE(jose::ReadJwks(Bundle(keys.rsa.Jwk(use)), jose::JwksUse::kJwtSvid).ok()) << use;
  }
  // And the other way round: a key for SVIDs is none of an identity provider's.
  EXPECT_FALSE(jose::ReadJwks(Bundle(keys.rsa.Jwk(R"(,"kid":"r","use":"jwt-svid")"))).ok());
}

TEST(TrustBundle, SaysHowOftenItIsToBeRead) {
  const std::string key = testing::Keys().rsa.Jwk(R"(,"kid":"r","use":"jwt-svid")");
  const auto hint = [&](const std::string& text, jose::JwksUse use = jose::JwksUse::kJwtSvid) {
    const auto jwks = jose::ReadJwks(Bundle(key, ",\"spiffe_refresh_hint\":" + text), use);
    return jwks.ok() ? jwks->refresh_hint : std::nullopt;
  };
  EXPECT_EQ(hint("60"), seconds(60));
  EXPECT_EQ(hint("18446744073709551615"), seconds(3'000'000'000));
  for (const char* none : {"0", "-1", "1.5", "\"60\"", "null", "[60]"}) EXPECT_EQ(hint(none), std::nullopt) << none;
}

// --- the keys of a cluster

// An API server, or any other.
class ApiServer {
 public:
  void Set(const std::string& path, const std::string& answer) {
    const std::lock_guard lock(mutex_);
    answers_[path] = answer;
  }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return std::exchange(requests_, {});
  }
  std::string Url() const { return server_.Url(""); }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> answers_;
  std::vector<std::string> requests_;
  ScriptedServer server_{http::Answering([this](const std::string& request) {
    const std::size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    const auto found = answers_.find(path);
    return found == answers_.end() ? Answer("404 Not Found") : found->second;
  })};
};

constexpr char kDiscovery[] = "/.well-known/openid-configuration";
constexpr char kKeys[] = "/openid/v1/jwks";

class ClusterKeys : public ::testing::Test {
 protected:
  ClusterKeys() {
    dir_.Write("token", "MARKSECRET.pod.token\n");
    location_.issuer = kCluster;
    location_.api_server = server_.Url();
    location_.bearer_token_file = dir_.Path("token");
    location_.allow_http = true;
    location_.timeout = seconds(60);
    Discover(kCluster, server_.Url() + kKeys);
    server_.Set(kKeys, Answer("200 OK", R"({"keys":[]})"));
  }
  void SetUp() override { ASSERT_OK_AND_ASSIGN(client_, http::Client::Start()); }

  void Discover(const std::string& issuer, const std::string& jwks_uri) {
    server_.Set(kDiscovery, Answer("200 OK", R"({"issuer":")" + issuer + R"(","jwks_uri":")" + jwks_uri + "\"}"));
  }
  absl::StatusOr<JwksDocument> Fetch() {
    std::promise<absl::StatusOr<JwksDocument>> promise;
    FetchJwks(*client_, location_, [&](auto document) { promise.set_value(std::move(document)); });
    return promise.get_future().get();
  }
  void ExpectNone() {
    const auto document = Fetch();
    ASSERT_FALSE(document.ok());
    EXPECT_THAT(document.status().ToString(), Not(HasSubstr("MARKSECRET")));
  }

  TempDir dir_;
  ApiServer server_;
  ApiServer other_;
  JwksLocation location_;
  std::unique_ptr<http::Client> client_;
};

TEST_F(ClusterKeys, AreAskedForWithThePodsToken) {
  ASSERT_OK(Fetch());
  const auto requests = server_.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_THAT(requests[0], HasSubstr(std::string("GET ") + kDiscovery));
  EXPECT_THAT(requests[1], HasSubstr(std::string("GET ") + kKeys));
  for (const auto& request : requests)
    EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Bearer MARKSECRET.pod.token\r\n"));
}

// Kubernetes renews the token in its file.
TEST_F(ClusterKeys, AreAskedForWithTheTokenOfTheMoment) {
  ASSERT_OK(Fetch());
  server_.requests();
  dir_.Write("token", "MARKSECRET.second");
  ASSERT_OK(Fetch());
  EXPECT_THAT(server_.requests().at(0), HasSubstr("Bearer MARKSECRET.second\r\n"));
}

TEST_F(ClusterKeys, AreNotAskedForWithoutToken) {
  for (const char* content : {"", "\n", "two\nlines", "two words",
                              "a\x01"
                              "b",
                              "\xc3\xa9"}) {
    dir_.Write("token", content);
    ExpectNone();
  }
  location_.bearer_token_file = dir_.Path("none");
  ExpectNone();
  EXPECT_TRUE(server_.requests().empty());
}

// The token is for the API server; whoever is named in a document or a redirect must not get it.
TEST_F(ClusterKeys, AreNotAskedForElsewhere) {
  other_.Set(kKeys, Answer("200 OK", R"({"keys":[]})"));
  Discover(kCluster, other_.Url() + kKeys);
  ASSERT_OK(Fetch());
  EXPECT_EQ(server_.requests().size(), 2U);

  server_.Set(kKeys, http::RedirectTo(other_.Url() + kKeys));
  ExpectNone();
  server_.Set(kDiscovery, http::RedirectTo(other_.Url() + kDiscovery));
  ExpectNone();
  server_.Set(kDiscovery, http::RedirectTo(server_.Url() + "/moved"));
  ExpectNone();
  EXPECT_TRUE(other_.requests().empty());
}

TEST_F(ClusterKeys, AreOnlyThoseOfTheConfiguredIssuer) {
  Discover("https://another.cluster", server_.Url() + kKeys);
  ExpectNone();
  EXPECT_EQ(server_.requests().size(), 1U);
  for (const char* status : {"401 Unauthorized", "403 Forbidden", "500 Oops"}) {
    server_.Set(kDiscovery, Answer(status));
    ExpectNone();
  }
}

// A cluster that cannot be asked at first.
TEST_F(ClusterKeys, AreUsedAsSoonAsTheyCome) {
  const std::string keys = Bundle(testing::Keys().rsa.Jwk(R"(,"kid":"r")"));
  dir_.Write("token", "");
  JwksCacheOptions options;
  options.issuer = kCluster;
  options.cooldown = std::chrono::milliseconds(1);
  const auto source = std::make_shared<JwksSource>(*client_, location_, options);
  SeenAuthenticator cluster(ClusterOptions(), source);
  dir_.Write("token", "MARKSECRET.pod.token");
  server_.Set(kKeys, Answer("200 OK", keys));
  // A failed fetch is tried again after a second.
  absl::StatusOr<Principal> principal = absl::UnknownError("");
  for (int i = 0; i < 100 && !principal.ok(); ++i) {
    std::promise<absl::StatusOr<Principal>> promise;
    cluster->Authenticate(Bearer(testing::RsToken(AccountClaims())), kNow,
                          [&](auto result) { promise.set_value(std::move(result)); });
    principal = promise.get_future().get();
    if (!principal.ok()) {
      EXPECT_THAT(principal, IsRefusal(v1::UNAVAILABLE));
      std::promise<void> later;
      client_->After(std::chrono::milliseconds(100), [&] { later.set_value(); });
      later.get_future().wait();
    }
  }
  EXPECT_OK(principal);
}

}  // namespace
}  // namespace livekit::token
