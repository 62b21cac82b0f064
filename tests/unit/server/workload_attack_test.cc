// Tokens of workloads as an attacker would present them, and what the operator is told of a refusal.

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "jwt_fixture.h"
#include "server/authn/jwt.h"

namespace livekit::token {
namespace {

using jose::Algorithm;
using nlohmann::json;
using testing::Bearer;
using testing::IsRefusal;
using testing::Keys;
using testing::kLiveKitKey;
using testing::kNow;
using testing::kNowSeconds;
using testing::MakeJwt;
using testing::RsToken;
using testing::SeenAuthenticator;
using R = JwtRejection;

std::string WithTypeAndAlgorithm(const std::string& header, const json& claims) {
  return MakeJwt(header, claims.dump(), Keys().rsa, Algorithm::kRs256);
}

// --- Kubernetes

constexpr char kCluster[] = "https://kubernetes.default.svc.cluster.local";
constexpr char kAccount[] = "system:serviceaccount:calls:gateway";

// As the API server makes them: `aud` is a list, and there is no `typ`.
json AccountClaims() {
  return {
      {"iss", kCluster},
      {"aud", {"livekit-token"}},
      {"sub", kAccount},
      {"iat", kNowSeconds - 10},
      {"nbf", kNowSeconds - 10},
      {"exp", kNowSeconds + 600},
      {"kubernetes.io",
       {{"namespace", "calls"}, {"serviceaccount", {{"name", "gateway"}, {"uid", "1"}}}, {"pod", {{"name", "p"}}}}}};
}
json AccountWith(const std::string& name, const json& value) {
  json claims = AccountClaims();
  claims[name] = value;
  return claims;
}
std::string AccountToken(const json& claims = AccountClaims()) {
  return WithTypeAndAlgorithm(R"({"alg":"RS256","kid":"r"})", claims);
}

SeenAuthenticator Cluster() {
  JwtOptions options = testing::PublicKeyOptions();
  options.rules.kind = JwtKind::kServiceAccount;
  options.rules.issuer = kCluster;
  options.rules.audiences = {"livekit-token"};
  return SeenAuthenticator(options, std::make_shared<StaticKeys>(Keys().Public()));
}

TEST(ServiceAccountToken, MustNotBeForTheApiServerOrOthers) {
  auto cluster = Cluster();
  for (const json& audience : {json(kCluster), json{kCluster}, json{"https://kubernetes.default.svc"}, json("vault"),
                               json::array(), json(nullptr), json{"livekit-token-2"}, json{"Livekit-Token"}}) {
    EXPECT_EQ(cluster.ReasonFor(AccountToken(AccountWith("aud", audience))), R::kAudience) << audience;
  }
  EXPECT_EQ(cluster.ReasonFor(AccountToken(AccountWith("aud", {"vault", "livekit-token"}))), R::kNone);
}

// What recognizes a token reads no more than its first `iss`, so that is not all that stands between two clusters.
TEST(ServiceAccountToken, MustBeOfTheCluster) {
  auto cluster = Cluster();
  for (const json& issuer : {json("https://other.cluster"), json("https://kubernetes.default.svc.cluster.local/"),
                             json(""), json(nullptr), json::array({kCluster})}) {
    EXPECT_EQ(cluster.ReasonFor(AccountToken(AccountWith("iss", issuer))), R::kIssuer) << issuer;
  }
  EXPECT_EQ(cluster.ReasonFor(AccountToken(AccountWith("iss", kLiveKitKey))), R::kLiveKitToken);
  EXPECT_EQ(cluster.ReasonFor(WithTypeAndAlgorithm(R"({"alg":"RS256","kid":"r","typ":"JOSE"})", AccountClaims())),
            R::kType);
}

// The issuer of a cluster signs for its service accounts only; anything else has come about in another way.
TEST(ServiceAccountToken, MustHaveAServiceAccountAsSubject) {
  auto cluster = Cluster();
  for (const json& subject :
       {json("alice"), json("system:admin"), json("system:node:n1"), json("system:serviceaccount:calls"),
        json("system:serviceaccount:calls:"), json("system:serviceaccount:Calls:gateway"),
        json("system:serviceaccount:calls:gateway:x"), json("system:serviceaccount:calls:gate way"), json(""), json(1),
        json(nullptr), json::array({kAccount}),
        // More than a subject may have.
        json("system:serviceaccount:calls:" + std::string(229, 'a'))}) {
    EXPECT_EQ(cluster.ReasonFor(AccountToken(AccountWith("sub", subject))), R::kSubject) << subject;
  }
  EXPECT_EQ(cluster.ReasonFor(AccountToken(AccountWith("sub", "system:serviceaccount:calls:" + std::string(228, 'a')))),
            R::kNone);
}

// --- SPIFFE

constexpr char kWorkload[] = "spiffe://acme.dev/ns/calls/sa/gateway";

json SvidClaims() { return {{"sub", kWorkload}, {"aud", {"calls"}}, {"exp", kNowSeconds + 300}}; }
json SvidWith(const std::string& name, const json& value) {
  json claims = SvidClaims();
  claims[name] = value;
  return claims;
}

JwtOptions DomainOptions() {
  JwtOptions options =
      testing::OptionsWith(jose::AlgorithmSet(Algorithm::kRs256, Algorithm::kPs256, Algorithm::kEs256));
  options.rules.kind = JwtKind::kSpiffe;
  options.rules.issuer = "acme.dev";
  return options;
}
SeenAuthenticator Domain() { return SeenAuthenticator(DomainOptions(), std::make_shared<StaticKeys>(Keys().Public())); }

// JWT-SVID section 3: the claim `iss` is not required, and means nothing if it is there.
TEST(JwtSvid, NeedsNoIssuer) {
  auto domain = Domain();
  for (const json& issuer : {json("https://oidc.acme.dev"), json("acme.dev"), json(""), json(1), json(nullptr)}) {
    EXPECT_EQ(domain.ReasonFor(RsToken(SvidWith("iss", issuer))), R::kNone) << issuer;
  }
}

TEST(JwtSvid, MustHaveAnIdOfTheDomain) {
  auto domain = Domain();
  for (const json& subject :
       {json("spiffe://other.dev/a"), json("spiffe://acme.dev"), json("spiffe://acme.dev/"),
        json("spiffe://acme.dev//a"), json("spiffe://acme.dev/a/"), json("spiffe://acme.dev/a/../b"),
        json("spiffe://acme.dev/./a"), json("spiffe://acme.dev/a?b"), json("spiffe://acme.dev/a#b"),
        json("spiffe://acme.dev/a%2f"), json("spiffe://acme.dev@evil/a"), json("spiffe://acme.dev/a b"),
        json("spiffe://acme.dev/a\n"), json(1), json(nullptr), json::array({kWorkload}),
        json("spiffe://acme.dev/" + std::string(239, 'a'))}) {
    EXPECT_EQ(domain.ReasonFor(RsToken(SvidWith("sub", subject))), R::kSubject) << subject;
  }
  EXPECT_EQ(domain.ReasonFor(RsToken(SvidWith("sub", "spiffe://acme.dev/" + std::string(238, 'a')))), R::kNone);
}

// What chooses the authenticator reads the first `sub`; a second one must not be the subject.
TEST(JwtSvid, HasOneSubject) {
  auto domain = Domain();
  const std::string twice = R"({"sub":"spiffe://acme.dev/a","aud":["calls"],"exp":1900000300,)";
  for (const std::string& second :
       {std::string(R"("sub":"spiffe://acme.dev/b"})"), std::string(R"("\u0073ub":"spiffe://acme.dev/b"})")}) {
    const std::string token = MakeJwt(R"({"alg":"RS256","kid":"r"})", twice + second, Keys().rsa, Algorithm::kRs256);
    EXPECT_TRUE(domain->Recognizes(Bearer(token)));
    EXPECT_EQ(domain.ReasonFor(token), R::kMalformed);
  }
}

// JWT-SVID section 2.1: neither EdDSA nor secrets, although a key for the first is in the bundle here.
TEST(JwtSvid, HasNoOtherAlgorithms) {
  auto domain = Domain();
  const std::string claims = SvidClaims().dump();
  EXPECT_EQ(domain.ReasonFor(MakeJwt(R"({"alg":"ES256","kid":"e"})", claims, Keys().ec, Algorithm::kEs256)), R::kNone);
  EXPECT_EQ(domain.ReasonFor(MakeJwt(R"({"alg":"EdDSA","kid":"d"})", claims, Keys().ed, Algorithm::kEdDsa)),
            R::kAlgorithm);
  EXPECT_EQ(domain.ReasonFor(MakeJwt(R"({"alg":"HS256"})", claims, Keys().hmac, Algorithm::kHs256)), R::kAlgorithm);
  // A secret that everyone knows: the public key.
  EXPECT_EQ(domain.ReasonFor(MakeJwt(R"({"alg":"HS256","kid":"r"})", claims,
                                     testing::SigningKey::Hmac(Keys().rsa.PublicPem()), Algorithm::kHs256)),
            R::kAlgorithm);
  EXPECT_EQ(domain.ReasonFor(MakeJwt(R"({"alg":"none"})", claims, "x")), R::kAlgorithm);
  EXPECT_EQ(domain.ReasonFor(MakeJwt(R"({"alg":"RS256","kid":"r"})", claims, Keys().ec, Algorithm::kEs256)),
            R::kSignature);
}

// The same token for authenticators of the other kinds, with the same keys (pitfall D-9).
TEST(WorkloadTokens, AreNotTakenForEachOther) {
  auto cluster = Cluster();
  auto domain = Domain();
  auto users = testing::PublicKeyAuthenticator();
  json everything = SvidClaims();
  everything["aud"] = {"calls", "livekit-token"};
  everything["iss"] = kCluster;
  EXPECT_EQ(cluster.ReasonFor(RsToken(everything)), R::kSubject);
  EXPECT_EQ(users.ReasonFor(RsToken(everything)), R::kIssuer);
  EXPECT_EQ(domain.ReasonFor(RsToken(everything)), R::kNone);
  everything["sub"] = kAccount;
  EXPECT_EQ(cluster.ReasonFor(RsToken(everything)), R::kNone);
  EXPECT_EQ(domain.ReasonFor(RsToken(everything)), R::kSubject);
}

// --- what an operator is told

TEST(RejectionSentences, AreThereForEveryReasonAndHoldNothingOfTheToken) {
  std::set<std::string> sentences;
  for (int i = 0; i <= static_cast<int>(R::kKeysUnavailable); ++i) {
    sentences.insert(std::string(JwtRejectionSentence(static_cast<R>(i))));
  }
  EXPECT_EQ(sentences.size(), static_cast<std::size_t>(R::kKeysUnavailable) + 1);
  EXPECT_EQ(sentences.count(""), 0U);
}

TEST(RejectionSentences, AreTheDetailOfARefusalAndNotItsMessage) {
  auto domain = Domain();
  const auto refusal = domain.Authenticate(Bearer(RsToken(SvidWith("exp", 1))));
  EXPECT_EQ(DetailOf(refusal.status()), JwtRejectionSentence(R::kExpired));
  EXPECT_EQ(ToError(refusal.status()).message(), GetReasonInfo(v1::AUTHENTICATION_FAILED).sentence);

  class NoKeys final : public KeySource {
   public:
    void Get(std::string_view /*kid*/, Time /*now*/, Done done) override { done(Refuse(v1::UNAVAILABLE)); }
    std::shared_ptr<const jose::KeySet> Current(Time /*now*/) const override { return nullptr; }
  };
  SeenAuthenticator without(DomainOptions(), std::make_shared<NoKeys>());
  const auto unavailable = without.Authenticate(Bearer(RsToken(SvidClaims())));
  EXPECT_THAT(unavailable, IsRefusal(v1::UNAVAILABLE));
  EXPECT_EQ(DetailOf(unavailable.status()), JwtRejectionSentence(R::kKeysUnavailable));
}

}  // namespace
}  // namespace livekit::token
