// Who speaks and for whom the token is: certificates, caller headers, asserted principals, proxies.

#include <string>
#include <utility>
#include <vector>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/authority.h"

namespace livekit::token {
namespace {

using testing::ClaimsOf;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::KeyOf;

constexpr char kCallersYaml[] = R"(
listen: { tls: { cert_file: c, key_file: k, client_ca_file: a } }
projects:
  - name: main
    client_url: wss://main.example
    keys: { file: $DIR/main.keys, signing_key: APImain }
  - name: other
    client_url: wss://other.example
    keys: { file: $DIR/other.keys }
authenticators:
  - { name: partners, api_keys: { file: $DIR/partners.yaml } }
  - { name: programs, api_keys: { file: $DIR/programs.yaml, header: authorization } }
  - { name: workloads, mtls: { uri_sans: ["spiffe://acme/sa/*"] } }
  - name: sso
    trusted_headers:
      subject_header: X-Auth-Request-User
      claim_headers: { email: x-auth-request-email }
      networks: [10.0.3.0/24, "fd00::1"]
  - { name: guests, anonymous: {} }
policies:
  - { name: partner, match: { authenticator: partners }, project: main, room: { client: allow } }
  - { name: workload, match: { authenticator: workloads }, project: main, room: { client: allow } }
  - { name: user, match: { authenticator: sso }, project: other, room: { client: allow },
      display_name: { value: "{claims.email?}" } }
  - { name: asserted, match: { service: bff }, project: main, room: { client: allow },
      display_name: { value: "{claims.user.id?}" } }
  - { name: far, match: { service: far }, project: other, room: { client: allow } }
  - { name: guest, match: { authenticator: guests }, project: main, room: { client: allow } }
services:
  - { name: gateway, match: { authenticator: workloads, subject: "spiffe://acme/sa/gateway" }, projects: [main, other], relay: true }
  - { name: narrow, match: { authenticator: workloads, subject: "spiffe://acme/sa/narrow" }, projects: [main], relay: true }
  - { name: bff, match: { authenticator: workloads, subject: "spiffe://acme/sa/bff" }, projects: [main], assert: true }
  - { name: far, match: { authenticator: programs, subject: recorder }, projects: [main], assert: true }
  - { name: keyed, match: { authenticator: programs, subject: gateway }, projects: [main], relay: true }
  - name: recorder
    match: { authenticator: workloads, subject: "spiffe://acme/sa/recorder" }
    projects: [main]
    verify: true
    mint: { rooms: ["*"], identities: ["*"], video: { room_join: true } }
)";

class Callers : public testing::AuthorityFixture {
 protected:
  using Item = v1::BatchIssueParticipantTokensRequest::Item;

  Callers() {
    state_ = Build(kCallersYaml);
    authority_ = std::make_unique<TokenAuthority>(state_, clock_, metrics_);
  }

  static std::string IdOf(const std::string& account) { return "spiffe://acme/sa/" + account; }
  static CallContext Certified(std::vector<std::string> uris, std::vector<std::string> dns = {}) {
    CallContext context;
    context.caller.certificate = PeerCertificate{std::move(uris), std::move(dns)};
    return context;
  }
  static CallContext Workload(const std::string& account) { return Certified({IdOf(account)}); }
  static CallContext With(CallContext context, std::vector<PresentedHeader> headers) {
    context.credentials.headers = std::move(headers);
    return context;
  }
  static CallContext From(const std::string& address, CallContext context) {
    context.peer_address = address;
    return context;
  }

  auto IssueAs(const CallContext& context) { return Issue(context, InRoom("lobby")); }
  auto Assert(const CallContext& context, const std::string& subject) {
    v1::IssueParticipantTokenRequest request;
    *request.mutable_request() = InRoom("lobby");
    request.mutable_principal()->set_subject(subject);
    return Call(&TokenAuthority::IssueParticipantToken, context, request);
  }
  // The answer to one item.
  v1::BatchIssueParticipantTokensResponse::Result Relay(const CallContext& context, Item item) {
    *item.mutable_request() = InRoom("lobby");
    v1::BatchIssueParticipantTokensRequest batch;
    *batch.add_items() = std::move(item);
    const auto answer = BatchIssue(context, batch);
    EXPECT_OK(answer);
    return answer.ok() ? answer->results(0) : v1::BatchIssueParticipantTokensResponse::Result();
  }
  v1::ErrorReason Refusal(const Item& item, const std::string& gateway = "gateway") {
    return Relay(Workload(gateway), item).error().reason();
  }
  static Item Relayed(const std::vector<PresentedHeader>& headers) {
    Item item;
    for (const auto& header : headers) {
      item.add_credentials()->set_header(header.name);
      item.mutable_credentials()->rbegin()->set_value(header.value);
    }
    return item;
  }
  // An item from behind a proxy.
  static Item Proxied(const std::vector<PresentedHeader>& trusted, const std::vector<PresentedHeader>& headers = {}) {
    Item item = Relayed(headers);
    item.mutable_trusted_headers();
    for (const auto& header : trusted) {
      auto& added = *item.mutable_trusted_headers()->add_headers();
      added.set_header(header.name);
      added.set_value(header.value);
    }
    return item;
  }

  // What every method of programs answers.
  void ExpectOfAllMethods(const CallContext& context, v1::ErrorReason reason) {
    EXPECT_THAT(Mint(context, Join("alice", "lobby")), IsRefusal(reason));
    v1::BatchMintAccessTokensRequest batch;
    *batch.add_requests() = Join("alice", "lobby");
    EXPECT_THAT(BatchMint(context, batch), IsRefusal(reason));
    EXPECT_THAT(Verify(context, "x"), IsRefusal(reason));
    v1::BatchIssueParticipantTokensRequest items;
    items.add_items();
    // There the credential is a gateway's and not an end user's.
    EXPECT_THAT(BatchIssue(context, items),
                IsRefusal(reason == v1::AUTHENTICATION_FAILED ? v1::CALLER_AUTHENTICATION_FAILED : reason));
    EXPECT_THAT(Assert(context, "alice"), IsRefusal(reason));
  }
};

TEST_F(Callers, AreKnownByTheirCertificate) {
  EXPECT_OK(Mint(Workload("recorder"), Join("alice", "lobby")));
  EXPECT_OK(Verify(Workload("recorder"), "x"));
  EXPECT_TRUE(Relay(Workload("gateway"), Relayed({{"x-api-key", KeyOf("web")}})).has_token());
  EXPECT_OK(Assert(Workload("bff"), "alice"));
}

// Any other certificate only secures the connection: the program brings another credential, or is nobody.
TEST_F(Callers, AreNotKnownByACertificateThatNobodyAccepts) {
  for (const auto& context : {Certified({"spiffe://acme/other/recorder"}), Certified({}, {"recorder.acme.dev"}),
                              Certified({}), Certified({}, {IdOf("recorder")})}) {
    EXPECT_THAT(Mint(context, Join("alice", "lobby")), IsRefusal(v1::METHOD_NOT_PERMITTED));
    EXPECT_OK(IssueAs(context));  // a guest
    EXPECT_THAT(Assert(context, "alice"), IsFieldRefusal(v1::METHOD_NOT_PERMITTED, std::string("principal")));
    EXPECT_THAT(Assert(With(context, {{"authorization", "Bearer " + KeyOf("gateway")}}), "alice"),
                IsFieldRefusal(v1::METHOD_NOT_PERMITTED, std::string("principal")));
    EXPECT_TRUE(Relay(With(context, {{"authorization", "Bearer " + KeyOf("gateway")}}), Item()).has_token());
    const auto answer = IssueAs(With(context, {{"x-api-key", KeyOf("web")}}));
    ASSERT_OK(answer);
    EXPECT_EQ(answer->participant_identity(), "web");
  }
}

TEST_F(Callers, HaveOneIdentity) {
  auto both = Workload("recorder");
  both.caller.headers = {{std::string(kCallerHeader), "Bearer " + KeyOf("recorder")}};
  ExpectOfAllMethods(both, v1::AMBIGUOUS_CREDENTIALS);
  EXPECT_THAT(IssueAs(both), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  // A second identity that is none does not ride along.
  both.caller.headers[0].value = "Bearer nobody.x";
  ExpectOfAllMethods(both, v1::AUTHENTICATION_FAILED);
  EXPECT_THAT(IssueAs(both), IsRefusal(v1::AUTHENTICATION_FAILED));
  for (const PresentedHeader& second : {PresentedHeader{"authorization", "Bearer " + KeyOf("recorder")},
                                        {"x-api-key", KeyOf("web")},
                                        {"authorization", "Bearer nobody.x"}}) {
    ExpectOfAllMethods(With(Workload("recorder"), {second}), v1::AMBIGUOUS_CREDENTIALS);
    ExpectOfAllMethods(With(Workload("gateway"), {second}), v1::AMBIGUOUS_CREDENTIALS);
    ExpectOfAllMethods(With(Workload("bff"), {second}), v1::AMBIGUOUS_CREDENTIALS);
  }
}

TEST_F(Callers, AreNotKnownByTwoNames) {
  for (const auto& context :
       {Certified({IdOf("recorder"), IdOf("gateway")}), Certified({IdOf("recorder"), IdOf("x")})}) {
    ExpectOfAllMethods(context, v1::AUTHENTICATION_FAILED);
    EXPECT_THAT(IssueAs(context), IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_THAT(IssueAs(With(context, {{"x-api-key", KeyOf("web")}})), IsRefusal(v1::AUTHENTICATION_FAILED));
  }
}

TEST_F(Callers, AreNotKnownByNamesThatResembleThem) {
  for (const std::string& name :
       {IdOf("recorder.evil"), IdOf("recorder/"), IdOf("Recorder"), IdOf("x/../recorder"), IdOf("recorder ")}) {
    EXPECT_THAT(Mint(Certified({name}), Join("alice", "lobby")), IsRefusal(v1::METHOD_NOT_PERMITTED)) << name;
  }
  for (const std::string& name : {IdOf("recorder") + std::string("\0", 1), IdOf("*"), IdOf("recorder\n")}) {
    EXPECT_THAT(Mint(Certified({name}), Join("alice", "lobby")), IsRefusal(v1::AUTHENTICATION_FAILED)) << name;
  }
}

TEST_F(Callers, AreTheirOwnPrincipalWithoutAnother) {
  const auto answer = IssueAs(Workload("recorder"));
  ASSERT_OK(answer);
  EXPECT_EQ(answer->participant_identity(), IdOf("recorder"));
  EXPECT_OK(IssueAs(Workload("unknown")));
  for (const char* account : {"gateway", "narrow", "bff"}) {
    EXPECT_THAT(IssueAs(Workload(account)), IsRefusal(v1::NO_POLICY)) << account;
  }
}

// A certificate beside an end user's credentials only says which program passes them on.
TEST_F(Callers, AreNotThePrincipalBesideCredentials) {
  for (const char* account : {"recorder", "gateway", "bff", "unknown"}) {
    const auto answer = IssueAs(With(Workload(account), {{"x-api-key", KeyOf("web")}}));
    ASSERT_OK(answer) << account;
    EXPECT_EQ(answer->participant_identity(), "web") << account;
    EXPECT_THAT(IssueAs(With(Workload(account), {{"x-api-key", "web.wrong"}})), IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_THAT(IssueAs(With(Workload(account), {{"x-unknown", "x"}})), IsRefusal(v1::AUTHENTICATION_FAILED));
  }
  // As for a caller that is known by its header.
  EXPECT_THAT(IssueAs(With(AsCaller("recorder"), {{"x-api-key", KeyOf("web")}})), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  // It gives no more than relaying would.
  const auto user = [](const std::string& account) {
    return From("10.0.3.7", With(Workload(account), {{"x-auth-request-user", "alice"}}));
  };
  EXPECT_OK(IssueAs(user("gateway")));
  EXPECT_OK(IssueAs(user("recorder")));
  EXPECT_THAT(IssueAs(user("narrow")), IsRefusal(v1::PROJECT_NOT_PERMITTED));
}

class AssertedPrincipals : public Callers {};

TEST_F(AssertedPrincipals, AreWhoTheServiceSays) {
  v1::IssueParticipantTokenRequest request;
  *request.mutable_request() = InRoom("lobby");
  request.mutable_principal()->set_subject("alice");
  auto& user = (*request.mutable_principal()->mutable_claims()->mutable_fields())["user"];
  (*user.mutable_struct_value()->mutable_fields())["id"].set_number_value(9007199254740991.0);
  const auto answer = Call(&TokenAuthority::IssueParticipantToken, Workload("bff"), request);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->participant_identity(), "alice");
  EXPECT_EQ(answer->participant_name(), "9007199254740991");
  EXPECT_EQ(ClaimsOf(answer->participant_token())["iss"], "APImain");
}

TEST_F(AssertedPrincipals, AreForServicesThatMayAssert) {
  const CallContext others[] = {Workload("gateway"),
                                Workload("recorder"),
                                Workload("unknown"),
                                As("brief"),
                                AsCaller("brief"),
                                AsPartner("web"),
                                As("")};
  for (const auto& context : others) {
    EXPECT_THAT(Assert(context, "alice"), IsFieldRefusal(v1::METHOD_NOT_PERMITTED, std::string("principal")));
    // Nor do they learn what is wrong with the subject.
    EXPECT_THAT(Assert(context, ""), IsFieldRefusal(v1::METHOD_NOT_PERMITTED, std::string("principal")));
  }
  EXPECT_THAT(Assert(As("nobody"), "alice"), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(Metric("livekit_token_denied_total{caller=\"gateway\",reason=\"METHOD_NOT_PERMITTED\"}"), 2);
}

TEST_F(AssertedPrincipals, StayWithinTheServicesProjects) {
  EXPECT_THAT(Assert(As("recorder"), "alice"), IsRefusal(v1::PROJECT_NOT_PERMITTED));
  EXPECT_THAT(Assert(AsCaller("recorder"), "alice"), IsRefusal(v1::PROJECT_NOT_PERMITTED));
}

TEST_F(AssertedPrincipals, AreEndUsersWhateverTheirSubject) {
  const auto answer = Assert(Workload("bff"), IdOf("gateway"));
  ASSERT_OK(answer);
  EXPECT_EQ(answer->participant_identity(), IdOf("gateway"));
}

TEST_F(AssertedPrincipals, NeedASubjectThatCanBeWritten) {
  const std::pair<std::string, v1::ErrorReason> cases[] = {
      {"", v1::FIELD_REQUIRED},     {std::string(257, 'a'), v1::FIELD_TOO_LONG},
      {"a\nb", v1::FIELD_INVALID},  {std::string("a\0b", 3), v1::FIELD_INVALID},
      {"a\x7f", v1::FIELD_INVALID}, {"a\xc2\x9f", v1::FIELD_INVALID},
      {"a\xff", v1::FIELD_INVALID},
  };
  for (const auto& [subject, reason] : cases) {
    EXPECT_THAT(Assert(Workload("bff"), subject), IsFieldRefusal(reason, std::string("principal.subject")));
  }
  EXPECT_OK(Assert(Workload("bff"), std::string(256, 'a')));
  EXPECT_OK(Assert(Workload("bff"), "jos\xc3\xa9"));
}

TEST_F(AssertedPrincipals, AreStatedAlone) {
  for (const PresentedHeader& header : {PresentedHeader{"x-api-key", KeyOf("web")}, {"authorization", "Bearer x"}}) {
    EXPECT_THAT(Assert(With(Workload("bff"), {header}), "alice"), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  }
  EXPECT_THAT(Assert(From("10.0.3.7", With(Workload("bff"), {{"x-auth-request-user", "bob"}})), "alice"),
              IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

// Whoever has a gateway's certificate can pass on users' credentials and do nothing else.
TEST_F(Callers, GainNothingByAStolenGateway) {
  for (const auto& context : {Workload("gateway"), Workload("narrow"), AsCaller("gateway"), As("gateway")}) {
    EXPECT_THAT(Mint(context, Join("alice", "lobby")), IsRefusal(v1::METHOD_NOT_PERMITTED));
    v1::BatchMintAccessTokensRequest batch;
    *batch.add_requests() = Join("alice", "lobby");
    EXPECT_THAT(BatchMint(context, batch), IsRefusal(v1::METHOD_NOT_PERMITTED));
    EXPECT_THAT(Verify(context, "x"), IsRefusal(v1::METHOD_NOT_PERMITTED));
    EXPECT_THAT(Assert(context, "alice"), IsRefusal(v1::METHOD_NOT_PERMITTED));
    EXPECT_THAT(IssueAs(context), IsRefusal(v1::NO_POLICY));
    EXPECT_EQ(Relay(context, Relayed({{std::string(kCallerHeader), "Bearer " + KeyOf("gateway")}})).error().reason(),
              v1::AUTHENTICATION_FAILED);
    EXPECT_EQ(Relay(context, Relayed({{"authorization", "Bearer " + KeyOf("gateway")}})).error().reason(),
              v1::NO_POLICY);
  }
}

class RelayedItems : public Callers {};

TEST_F(RelayedItems, NeverHaveTheGatewaysIdentity) {
  const auto guest = Relay(Workload("gateway"), Item());
  ASSERT_TRUE(guest.has_token());
  EXPECT_THAT(guest.token().participant_identity(), ::testing::HasSubstr("guest-"));
}

TEST_F(RelayedItems, StayWithinTheGatewaysProjects) {
  const Item user = Proxied({{"x-auth-request-user", "alice"}});
  EXPECT_EQ(Relay(Workload("gateway"), user).token().participant_identity(), "alice");
  EXPECT_EQ(Refusal(user, "narrow"), v1::PROJECT_NOT_PERMITTED);
  EXPECT_TRUE(Relay(Workload("narrow"), Relayed({{"x-api-key", KeyOf("web")}})).has_token());
  // The gateway of this process has no such limit.
  Item item = user;
  *item.mutable_request() = InRoom("lobby");
  authority_->IssueRelayed(item, [](const auto& result) { EXPECT_TRUE(result.has_token()); });
}

TEST_F(RelayedItems, TakeAProxysWord) {
  const auto result =
      Relay(Workload("gateway"), Proxied({{"x-auth-request-user", "alice"}, {"x-auth-request-email", "a@acme.dev"}}));
  EXPECT_EQ(result.token().participant_identity(), "alice");
  EXPECT_EQ(result.token().participant_name(), "a@acme.dev");
}

TEST_F(RelayedItems, FromAProxyAreNeverAnonymous) {
  for (const auto& item :
       {Proxied({}), Proxied({{"x-auth-request-user", ""}}), Proxied({{"x-auth-request-email", "a@acme.dev"}}),
        Proxied({{"x-other", "alice"}}), Proxied({{"X-Auth-Request-User", "alice"}})}) {
    EXPECT_EQ(Refusal(item), v1::AUTHENTICATION_REQUIRED) << item.ShortDebugString();
    authority_->IssueRelayed(
        item, [](const auto& result) { EXPECT_EQ(result.error().reason(), v1::AUTHENTICATION_REQUIRED); });
  }
}

TEST_F(RelayedItems, HaveOneIdentity) {
  const PresentedHeader user = {"x-auth-request-user", "alice"};
  const PresentedHeader key = {"x-api-key", KeyOf("web")};
  EXPECT_EQ(Refusal(Proxied({user}, {key})), v1::AMBIGUOUS_CREDENTIALS);
  EXPECT_EQ(Refusal(Proxied({user}, {{"authorization", "Bearer x"}})), v1::AUTHENTICATION_FAILED);
  EXPECT_EQ(Refusal(Proxied({user, user})), v1::AMBIGUOUS_CREDENTIALS);
  EXPECT_EQ(Refusal(Proxied({user, {"x-auth-request-user", "bob"}})), v1::AMBIGUOUS_CREDENTIALS);
  EXPECT_EQ(Refusal(Proxied({user, {"x-auth-request-user", ""}})), v1::AMBIGUOUS_CREDENTIALS);
  // Whom the proxy does not name may name himself, but not with the proxy's claims.
  EXPECT_TRUE(Relay(Workload("gateway"), Proxied({}, {key})).has_token());
  EXPECT_EQ(Refusal(Proxied({{"x-auth-request-email", "a@acme.dev"}}, {key})), v1::AUTHENTICATION_FAILED);
  EXPECT_EQ(Refusal(Proxied({}, {{"x-api-key", "web.wrong"}})), v1::AUTHENTICATION_FAILED);
}

// The same header as a credential of the client is the client's own claim.
TEST_F(RelayedItems, DoNotTakeTheClientsWordForTheProxys) {
  for (const auto& item : {Relayed({{"x-auth-request-user", "alice"}}), Proxied({}, {{"x-auth-request-user", "alice"}}),
                           Relayed({{"x-api-key", KeyOf("web")}, {"x-auth-request-email", "a@acme.dev"}})}) {
    EXPECT_EQ(Refusal(item), v1::AUTHENTICATION_FAILED) << item.ShortDebugString();
  }
}

TEST_F(RelayedItems, WithoutAnAuthenticatorForProxies) {
  state_ = Build(testing::kServerYaml);
  authority_ = std::make_unique<TokenAuthority>(state_, clock_, metrics_);
  EXPECT_EQ(Relay(As("gateway"), Proxied({{"x-auth-request-user", "alice"}})).error().reason(),
            v1::AUTHENTICATION_FAILED);
  EXPECT_EQ(
      Relay(As("gateway"), Proxied({{"x-auth-request-user", "alice"}}, {{"x-api-key", KeyOf("web")}})).error().reason(),
      v1::AUTHENTICATION_FAILED);
  EXPECT_TRUE(Relay(As("gateway"), Proxied({})).has_token());
}

class ProxiesOfGrpc : public Callers {
 protected:
  static CallContext User(const std::string& address, const std::string& subject = "alice") {
    return From(address, With({}, {{"x-auth-request-user", subject}}));
  }
};

TEST_F(ProxiesOfGrpc, AreBelievedInTheirNetworks) {
  for (const char* address : {"10.0.3.0", "10.0.3.255", "fd00::1", "::ffff:10.0.3.7"}) {
    const auto answer = IssueAs(User(address));
    ASSERT_OK(answer) << address;
    EXPECT_EQ(answer->participant_identity(), "alice");
  }
}

TEST_F(ProxiesOfGrpc, AreNotBelievedElsewhere) {
  for (const char* address :
       {"10.0.4.0", "fd00::2", "127.0.0.1", "localhost", "", "10.0.3.7, 10.0.3.8", "10.0.3.7:1"}) {
    const auto answer = IssueAs(User(address));
    EXPECT_THAT(answer, IsRefusal(v1::AUTHENTICATION_FAILED)) << address;
    EXPECT_TRUE(ToError(answer.status()).credential_presented());
    EXPECT_THAT(IssueAs(User(address, "")), IsRefusal(v1::AUTHENTICATION_FAILED)) << address;
    EXPECT_THAT(IssueAs(From(address, With({}, {{"x-api-key", KeyOf("web")}, {"x-auth-request-email", "a"}}))),
                IsRefusal(v1::AUTHENTICATION_FAILED));
    auto program = User(address);
    program.caller = Workload("recorder").caller;
    EXPECT_THAT(Mint(program, Join("a", "lobby")), IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_THAT(IssueAs(program), IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_OK(IssueAs(From(address, {})));  // a guest
  }
}

TEST_F(ProxiesOfGrpc, AreNeverAnonymous) {
  EXPECT_THAT(IssueAs(From("10.0.3.7", {})), IsRefusal(v1::AUTHENTICATION_REQUIRED));
  EXPECT_THAT(IssueAs(User("10.0.3.7", "")), IsRefusal(v1::AUTHENTICATION_REQUIRED));
  // Nor does anybody become the proxy itself by the certificate with which it connects.
  EXPECT_THAT(IssueAs(From("10.0.3.7", Workload("recorder"))), IsRefusal(v1::AUTHENTICATION_REQUIRED));
  EXPECT_THAT(IssueAs(From("10.0.3.7", Workload("unknown"))), IsRefusal(v1::AUTHENTICATION_REQUIRED));
}

TEST_F(ProxiesOfGrpc, MayHaveProgramsBesideThem) {
  EXPECT_OK(Mint(From("10.0.3.7", Workload("recorder")), Join("a", "lobby")));
  EXPECT_OK(Verify(From("10.0.3.7", Workload("recorder")), "x"));
  EXPECT_OK(Assert(From("10.0.3.7", Workload("bff")), "alice"));
  EXPECT_TRUE(Relay(From("10.0.3.7", Workload("gateway")), Item()).has_token());
  EXPECT_TRUE(Relay(From("10.0.3.7", As("gateway")), Item()).has_token());
  EXPECT_OK(IssueAs(From("10.0.3.7", AsPartner("web"))));
  EXPECT_THAT(Mint(From("10.0.3.7", With(Workload("recorder"), {{"x-auth-request-user", "alice"}})), Join("a", "b")),
              IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

TEST_F(ProxiesOfGrpc, SayEachThingOnce) {
  EXPECT_THAT(IssueAs(From("10.0.3.7", With({}, {{"x-auth-request-user", "a"}, {"x-auth-request-user", "b"}}))),
              IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  EXPECT_THAT(IssueAs(From("10.0.3.7", With({}, {{"x-auth-request-user", "a"}, {"x-api-key", KeyOf("web")}}))),
              IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

}  // namespace
}  // namespace livekit::token
