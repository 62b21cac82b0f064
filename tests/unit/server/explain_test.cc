// ExplainParticipantToken: that it says what would happen, to those who may know, and signs nothing.

#include "server/explain.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "explain_fixture.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::KeyOf;
using ::testing::Not;
using Answer = v1::ExplainParticipantTokenResponse;

class Explains : public testing::ExplainFixture {};

TEST_F(Explains, ATokenWithItsGrants) {
  auto asked = Presenting(KeyOf("web"), InRoom("p-web"));
  (*asked.mutable_request()->mutable_participant_attributes())["lang"] = "de";
  const Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_FALSE(answer.has_refusal());
  EXPECT_EQ(answer.principal().authenticator(), "partners");
  EXPECT_EQ(answer.principal().subject(), "web");
  EXPECT_FALSE(answer.principal().has_claims());
  EXPECT_EQ(answer.project(), "main");
  EXPECT_EQ(answer.ttl().seconds(), 300);
  EXPECT_EQ(answer.server_url(), "wss://main.example");
  EXPECT_EQ(answer.grants().identity(), "web");
  ASSERT_EQ(answer.policies_size(), 1);
  EXPECT_EQ(answer.policies(0).name(), "partner");
  EXPECT_TRUE(answer.policies(0).matched());
  EXPECT_EQ(answer.policies(0).message(), "");
  ASSERT_EQ(answer.fields_size(), 6);
  EXPECT_EQ(answer.fields(0).field(), "room_name");
  EXPECT_EQ(answer.fields(0).source(), Answer::POLICY_VALUE);
  EXPECT_EQ(answer.fields(4).field(), "participant_attributes");
  EXPECT_EQ(answer.fields(4).source(), Answer::CLIENT);
  ASSERT_EQ(answer.authenticators_size(), 3);
  EXPECT_TRUE(answer.authenticators(0).selected());
  EXPECT_EQ(answer.authenticators(0).message(), "It vouches for the principal.");
  EXPECT_FALSE(answer.authenticators(1).selected());
  EXPECT_EQ(answer.authenticators(1).message(), "None of the credentials is one of its own; it reads `authorization`.");
  EXPECT_EQ(answer.authenticators(2).message(), "It is only for requests without any credential.");
}

TEST_F(Explains, ARefusalWithEveryField) {
  auto asked = Presenting(KeyOf("web"), InRoom("p-bob"));
  asked.mutable_request()->set_participant_identity("bob");
  const Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::ROOM_NOT_PERMITTED);
  EXPECT_EQ(answer.project(), "main");
  ASSERT_EQ(answer.fields_size(), 6);
  EXPECT_EQ(answer.fields(0).refusal().reason(), v1::ROOM_NOT_PERMITTED);
  EXPECT_EQ(answer.fields(1).refusal().reason(), v1::IDENTITY_NOT_PERMITTED);
  EXPECT_FALSE(answer.fields(2).has_refusal());
  EXPECT_EQ(answer.principal().subject(), "web");
}

TEST_F(Explains, WhatIsIgnored) {
  Use(With("metadata: { client: allow }", "metadata: { client: ignore }"));
  Asked asked = Presenting(KeyOf("web"));
  EXPECT_FALSE(Explained(asked).fields(3).ignored());
  asked.mutable_request()->set_participant_metadata("m");
  const Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.fields(3).field(), "participant_metadata");
  EXPECT_TRUE(answer.fields(3).ignored());
  EXPECT_EQ(answer.fields(3).source(), Answer::SOURCE_UNSPECIFIED);
  EXPECT_FALSE(answer.fields(0).ignored());
}

TEST_F(Explains, WhyCredentialsDoNotCount) {
  auto asked = Presenting("web.wrong-secret-of-enough-characters");
  Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::AUTHENTICATION_FAILED);
  EXPECT_TRUE(answer.refusal().credential_presented());
  EXPECT_FALSE(answer.has_principal());
  EXPECT_EQ(answer.policies_size(), 0);
  EXPECT_TRUE(answer.authenticators(0).selected());
  EXPECT_EQ(answer.authenticators(0).message(), "It refuses the credential: no API key has this id and secret.");
  EXPECT_THAT(answer.DebugString(), Not(HasSubstr("wrong-secret")));

  asked = Presenting("MARKSECRET-nobody.x");
  answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  for (const auto& authenticator : answer.authenticators()) EXPECT_FALSE(authenticator.selected());

  // Two kinds, and the same header twice.
  asked = Presenting(KeyOf("web"));
  auto& second = *asked.mutable_presented()->add_credentials();
  second.set_header("authorization");
  second.set_value("Bearer " + KeyOf("recorder"));
  answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::AMBIGUOUS_CREDENTIALS);
  EXPECT_EQ(answer.authenticators(0).message(),
            "It is responsible for a credential, and another authenticator is too.");
  second.set_header("x-api-key");
  second.set_value(KeyOf("app"));
  answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.authenticators(0).message(), "It is not asked, since a header is there twice.");
  second.set_header("x-other");
  answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.authenticators(0).message(),
            "It is responsible for a credential, but cannot check all that there are.");

  // What only programs present.
  asked = Asked();
  asked.mutable_presented()->add_credentials()->set_header("x-caller-authorization");
  asked.mutable_presented()->mutable_credentials(0)->set_value("Bearer " + KeyOf("recorder"));
  answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::AUTHENTICATION_FAILED);
}

TEST_F(Explains, TellsThatAKeyHasExpired) {
  std::string line = HashApiKey("web", testing::SecretOf("web")).line;
  line.insert(line.rfind('}') - 1, ", not_after: 2001-01-01T00:00:00Z");
  dir_.Write("partners.yaml", "keys:\n  " + line + "\n");
  Use(std::string(testing::kServerYaml) + kServices);
  const Answer answer = Explained(Presenting(KeyOf("web")));
  EXPECT_EQ(answer.authenticators(0).message(), "It refuses the credential: the API key has expired.");
}

TEST_F(Explains, ProxiesAsTheyAreHeard) {
  Use(With("  - { name: guests, anonymous: {} }",
           "  - { name: guests, anonymous: {} }\n"
           "  - { name: proxy, trusted_headers: { subject_header: x-user, claim_headers: { team: x-team } } }"));
  Asked asked;
  asked.mutable_presented()->mutable_trusted_headers();
  Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::AUTHENTICATION_REQUIRED);
  ASSERT_EQ(answer.authenticators_size(), 4);
  EXPECT_EQ(answer.authenticators(3).name(), "guests");
  EXPECT_EQ(answer.authenticators(3).message(), "It is not for requests of a proxy that names no user.");
  for (const auto& [name, value] : {std::pair{"x-user", "alice"}, std::pair{"x-team", "a"}}) {
    auto& header = *asked.mutable_presented()->mutable_trusted_headers()->add_headers();
    header.set_header(name);
    header.set_value(value);
  }
  answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::NO_POLICY);
  EXPECT_EQ(answer.principal().subject(), "alice");
  EXPECT_EQ(answer.principal().claims().fields().at("team").string_value(), "a");
  // What a client sends itself is no proxy's.
  Asked client;
  *client.mutable_presented()->mutable_credentials() = asked.presented().trusted_headers().headers();
  answer = Explained(client);
  EXPECT_TRUE(IsWhatHappens(client, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::AUTHENTICATION_FAILED);
}

TEST_F(Explains, ThoseWithoutCredentials) {
  for (const bool presented : {false, true}) {
    Asked asked = Of(InRoom("lobby"));
    if (presented) asked.mutable_presented();
    Answer answer = Explained(asked);
    EXPECT_EQ(answer.principal().authenticator(), "guests");
    EXPECT_EQ(answer.principal().subject(), "");
    EXPECT_THAT(answer.grants().identity(), HasSubstr("guest-"));
    EXPECT_EQ(answer.project(), "other");
    ASSERT_EQ(answer.authenticators_size(), 3);
    EXPECT_FALSE(answer.authenticators(0).selected());
    EXPECT_EQ(answer.authenticators(0).message(), "There is no credential that it could check.");
    EXPECT_TRUE(answer.authenticators(2).selected());
  }
}

TEST_F(Explains, ImaginedPrincipals) {
  Asked asked = Imagining("partners", "nobody-yet", InRoom("p-nobody-yet"));
  Answer answer = Explained(asked);
  EXPECT_EQ(answer.grants().identity(), "nobody-yet");
  EXPECT_EQ(answer.authenticators_size(), 0);
  EXPECT_EQ(answer.principal().authenticator(), "partners");
  asked.mutable_request()->set_room_name("p-other");
  EXPECT_EQ(Explained(asked).refusal().reason(), v1::ROOM_NOT_PERMITTED);

  const auto fails = [&](const Asked& wrong, v1::ErrorReason reason, const std::string& field) {
    EXPECT_THAT(Explain(AsCaller("admin"), wrong), IsFieldRefusal(reason, field)) << wrong.ShortDebugString();
  };
  fails(Imagining("", "alice"), v1::FIELD_INVALID, "principal.authenticator");
  fails(Imagining("nothing", "alice"), v1::FIELD_INVALID, "principal.authenticator");
  fails(Imagining("partners", ""), v1::FIELD_REQUIRED, "principal.subject");
  fails(Imagining("partners", "a\nb"), v1::FIELD_INVALID, "principal.subject");
  fails(Imagining("partners", std::string(257, 'a')), v1::FIELD_TOO_LONG, "principal.subject");
  EXPECT_OK(Explain(AsCaller("admin"), Imagining("partners", std::string(256, 'a'))));
  fails(Imagining("guests", "alice"), v1::FIELD_INVALID, "principal.subject");
  asked = Imagining("guests", "");
  EXPECT_OK(Explain(AsCaller("admin"), asked));
  (*asked.mutable_principal()->mutable_claims()->mutable_fields())["a"].set_bool_value(true);
  fails(asked, v1::FIELD_INVALID, "principal.claims");
  asked = Imagining("partners", "alice");
  asked.mutable_principal()->set_service("bff");
  fails(asked, v1::FIELD_INVALID, "principal.service");
  asked.mutable_principal()->clear_authenticator();
  EXPECT_EQ(Explained(asked).refusal().reason(), v1::NO_POLICY);
  for (const char* service : {"gateway", "admin", "unknown"}) {
    asked.mutable_principal()->set_service(service);
    fails(asked, v1::FIELD_INVALID, "principal.service");
  }
}

TEST_F(Explains, AssertedPrincipalsWithinTheirServicesProjects) {
  const std::string policy = "  - name: staff\n    match: { service: bff, claims: { team: a } }\n    project: ";
  const std::string rest = "\n    room: { client: allow }\nservices:\n";
  Use(With("services:\n", policy + "main" + rest));
  Asked asked = Of(InRoom("r"));
  asked.mutable_principal()->set_service("bff");
  asked.mutable_principal()->set_subject("alice");
  auto& fields = *asked.mutable_principal()->mutable_claims()->mutable_fields();
  fields["team"].set_string_value("b");
  EXPECT_EQ(Explained(asked).refusal().reason(), v1::NO_POLICY);
  fields["team"].set_string_value("a");
  fields["n"].set_number_value(1.5);
  fields["l"].mutable_list_value()->add_values()->set_null_value(google::protobuf::NULL_VALUE);
  fields["o"].mutable_struct_value();
  const Answer answer = Explained(asked);
  EXPECT_EQ(answer.grants().identity(), "alice");
  EXPECT_EQ(answer.principal().service(), "bff");
  EXPECT_TRUE(MessageDifferencer::Equals(answer.principal().claims(), asked.principal().claims()))
      << answer.principal().claims().ShortDebugString();
  asked.set_via("bff");
  EXPECT_FALSE(Explained(asked).has_refusal());
  asked.set_via("gateway");
  EXPECT_THAT(Explain(AsCaller("admin"), asked), IsFieldRefusal(v1::FIELD_INVALID, "via"));
  asked.clear_via();
  // The service's own projects bound it, not only the reader's.
  Use(With("services:\n", policy + "other" + rest));
  EXPECT_EQ(Explained(asked).refusal().reason(), v1::PROJECT_NOT_PERMITTED);
}

TEST_F(Explains, WhatTheRelayingServiceMayUse) {
  Asked asked = Presenting(KeyOf("web"));
  for (const char* via : {"gateway", "narrow"}) {
    asked.set_via(via);
    EXPECT_TRUE(IsWhatHappens(asked, Explained(asked))) << via;
  }
  EXPECT_EQ(Explained(asked).refusal().reason(), v1::PROJECT_NOT_PERMITTED);
  for (const char* via : {"recorder", "admin", "unknown"}) {
    asked.set_via(via);
    EXPECT_THAT(Explain(AsCaller("admin"), asked), IsFieldRefusal(v1::FIELD_INVALID, "via")) << via;
  }
}

TEST_F(Explains, NothingOfOtherProjects) {
  // The clerk has only the project of the guests.
  const Answer guest = Explained(Of(InRoom("lobby")), "clerk");
  EXPECT_EQ(guest.project(), "other");
  ASSERT_EQ(guest.policies_size(), 1);
  EXPECT_EQ(guest.policies(0).name(), "guest");
  for (const Asked& asked : {Presenting(KeyOf("web")), Presenting(KeyOf("web"), InRoom("not-hers")),
                             Imagining("partners", "alice"), Imagining("programs", "alice")}) {
    const auto answer = Explain(AsCaller("clerk"), asked);
    EXPECT_THAT(answer, IsRefusal(v1::PROJECT_NOT_PERMITTED));
    EXPECT_THAT(answer.status().ToString(), Not(HasSubstr("main")));
  }
  // Where no policy applies, those of other projects are still left out.
  Asked nobody = Imagining("guests", "");
  nobody.set_sandbox_id("box");
  EXPECT_EQ(Explained(nobody, "admin").policies_size(), 3);
  const Answer answer = Explained(nobody, "clerk");
  EXPECT_EQ(answer.refusal().reason(), v1::NO_POLICY);
  ASSERT_EQ(answer.policies_size(), 1);
  EXPECT_EQ(answer.policies(0).name(), "guest");
  EXPECT_EQ(answer.policies(0).message(), "It is not for requests with a sandbox id, since it lists none.");
}

TEST_F(Explains, WhatSigningWouldRefuse) {
  Asked asked = Presenting(KeyOf("web"));
  asked.mutable_request()
      ->mutable_room_config()
      ->mutable_egress()
      ->mutable_participant()
      ->add_file_outputs()
      ->mutable_s3()
      ->set_secret("MARKSECRET");
  Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::CREDENTIALS_IN_ROOM_CONFIG);

  // To the byte.
  asked = Presenting(KeyOf("web"));
  asked.mutable_request()->set_participant_metadata("hello");
  const auto size = static_cast<int>(Relayed(asked).token().participant_token().size());
  for (const int limit : {-1, 0, size, size - 1, 1}) {
    asked.set_max_token_bytes(limit);
    answer = Explained(asked);
    EXPECT_TRUE(IsWhatHappens(asked, answer)) << limit;
    EXPECT_EQ(answer.has_refusal(), limit == size - 1 || limit == 1) << limit;
  }
  EXPECT_EQ(answer.refusal().reason(), v1::TOKEN_TOO_LARGE);
  ASSERT_EQ(answer.refusal().fields_size(), 1);
  EXPECT_EQ(answer.refusal().fields(0).field(), "participant_metadata");
  Use(With("ttl: 5m", "ttl: 5m\n    max_token_bytes: " + std::to_string(size - 1)));
  asked.clear_max_token_bytes();
  EXPECT_EQ(Explained(asked).refusal().reason(), v1::TOKEN_TOO_LARGE);
  EXPECT_TRUE(IsWhatHappens(asked, Explained(asked)));

  asked = Presenting(KeyOf("web"));
  (*asked.mutable_request()->mutable_participant_attributes())["k"] = std::string(65 * 1024, 'x');
  EXPECT_TRUE(IsWhatHappens(asked, Explained(asked)));
  EXPECT_EQ(Explained(asked).refusal().reason(), v1::FIELD_TOO_LONG);
}

TEST_F(Explains, TheRoomConfigurationAsItWouldBeSigned) {
  Use(With("keys: { file: $DIR/main.keys, signing_key: APImain }",
           "sfu_version: \"1.0\"\n    keys: { file: $DIR/main.keys, signing_key: APImain }"));
  Asked asked = Presenting(KeyOf("web"));
  auto& agent = *asked.mutable_request()->mutable_room_config()->add_agents();
  agent.set_agent_name("bot");
  (*agent.mutable_attributes())["k"] = "v";
  const Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  ASSERT_EQ(answer.grants().room_config().agents_size(), 1);
  EXPECT_EQ(answer.grants().room_config().agents(0).agent_name(), "bot");
  EXPECT_TRUE(answer.grants().room_config().agents(0).attributes().empty());
  Use(std::string(testing::kServerYaml) + kServices);
  EXPECT_EQ(Explained(asked).grants().room_config().agents(0).attributes().size(), 1U);
}

TEST_F(Explains, TheDenyList) {
  dir_.Write("deny.yaml", "blocked: [{ identity: web }]");
  Use(With("services:\n", "deny_list: { file: $DIR/deny.yaml }\nservices:\n"));
  const Asked asked = Presenting(KeyOf("web"));
  const Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::PARTICIPANT_BLOCKED);
  EXPECT_EQ(Explained(Imagining("partners", "web")).refusal().reason(), v1::PARTICIPANT_BLOCKED);
  EXPECT_FALSE(Explained(Imagining("partners", "app")).has_refusal());
}

// A relay's own key must give no token, and so no explanation of one.
TEST_F(Explains, ThatProgramsForOthersGetNothing) {
  Asked asked;
  asked.mutable_presented()->add_credentials()->set_header("authorization");
  asked.mutable_presented()->mutable_credentials(0)->set_value("Bearer " + KeyOf("gateway"));
  const Answer answer = Explained(asked);
  EXPECT_TRUE(IsWhatHappens(asked, answer));
  EXPECT_EQ(answer.refusal().reason(), v1::NO_POLICY);
}

TEST_F(Explains, OnlyToThoseWhoMay) {
  const Asked asked = Presenting(KeyOf("web"));
  for (const char* id : {"gateway", "recorder", "root", "bff", "nothing"}) {
    EXPECT_THAT(Explain(AsCaller(id), asked), IsRefusal(v1::METHOD_NOT_PERMITTED)) << id;
    EXPECT_THAT(Explain(As(id), asked), IsRefusal(v1::METHOD_NOT_PERMITTED)) << id;
  }
  EXPECT_THAT(Explain(AsPartner("web"), asked), IsRefusal(v1::METHOD_NOT_PERMITTED));
  EXPECT_THAT(Explain(As(""), asked), IsRefusal(v1::METHOD_NOT_PERMITTED));
  CallContext wrong = AsCaller("admin");
  wrong.caller.headers[0].value += "x";
  EXPECT_THAT(Explain(wrong, asked), IsRefusal(v1::AUTHENTICATION_FAILED));
  // An administrator's key does not count for the end user whose request it explains, nor the other way round.
  CallContext both = AsCaller("admin");
  both.credentials = {{{"x-api-key", KeyOf("web")}}};
  EXPECT_THAT(Explain(both, asked), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  EXPECT_OK(Explain(As("admin"), asked));
}

TEST_F(Explains, WithoutCountingRefusalsThatItExplains) {
  const std::string denied = "livekit_token_denied_total{caller=\"other\",reason=\"";
  Explained(Presenting("web.wrong-secret-of-enough-characters"));
  EXPECT_EQ(Metric(denied + "AUTHENTICATION_FAILED\"}"), -1);
  EXPECT_FALSE(Explain(AsCaller("root"), Asked()).ok());
  EXPECT_EQ(Metric("livekit_token_denied_total{caller=\"root\",reason=\"METHOD_NOT_PERMITTED\"}"), 1);
}

// An authenticator that has to ask and gets its answer later.
class Later final : public Authenticator {
 public:
  explicit Later(std::shared_ptr<std::vector<Done>> waiting) : waiting_(std::move(waiting)) {}
  const std::string& name() const override { return name_; }
  std::vector<std::string> headers() const override { return {"x-later"}; }
  bool Recognizes(const Credentials& credentials) const override {
    return !credentials.headers.empty() && credentials.headers[0].name == "x-later";
  }
  void Authenticate(const Credentials& /*credentials*/, Time /*now*/, Done done) const override {
    waiting_->push_back(std::move(done));
  }

 private:
  std::string name_ = "later";
  std::shared_ptr<std::vector<Done>> waiting_;
};

TEST_F(Explains, WhatAnAuthenticatorSaysLater) {
  const auto waiting = std::make_shared<std::vector<Authenticator::Done>>();
  std::vector<std::unique_ptr<const Authenticator>> authenticators;
  authenticators.push_back(std::make_unique<Later>(waiting));
  authenticators.push_back(std::make_unique<ApiKeyAuthenticator>(
      "programs", "authorization", std::vector<ApiKeyRecord>{{"admin", Sha256(testing::SecretOf("admin")), {}, {}}}));
  ServiceRules admin;
  admin.name = "admin";
  admin.authenticator = "programs";
  admin.subject = "admin";
  admin.explain = true;
  authority_ = std::make_unique<TokenAuthority>(
      std::make_shared<const AuthorityState>(
          AuthorityState{AuthenticatorSet(std::move(authenticators), ""), PolicySet({}), ServiceSet({admin})}),
      clock_, metrics_);
  Asked asked;
  asked.mutable_presented()->add_credentials()->set_header("x-later");
  std::vector<absl::StatusOr<Answer>> answers;
  const auto ask = [&] {
    // The context does not outlive the call, the request does.
    const CallContext context = AsCaller("admin");
    authority_->ExplainParticipantToken(context, asked,
                                        [&](absl::StatusOr<Answer> answer) { answers.push_back(std::move(answer)); });
  };
  ask();
  ASSERT_TRUE(answers.empty());
  ASSERT_EQ(waiting->size(), 1U);
  waiting->back()(WithDetail(Refuse(v1::UNAVAILABLE), "the session service does not answer"));
  ASSERT_EQ(answers.size(), 1U);
  ASSERT_OK(answers[0]);
  EXPECT_EQ(answers[0]->refusal().reason(), v1::UNAVAILABLE);
  EXPECT_EQ(answers[0]->authenticators(0).message(), "It cannot decide now: the session service does not answer.");
  EXPECT_THAT(answers[0]->refusal().ShortDebugString(), Not(HasSubstr("session")));
  ask();
  waiting->back()(Refuse(v1::UNAVAILABLE));
  EXPECT_EQ(answers[1]->authenticators(0).message(), "It cannot decide now.");
  ask();
  waiting->back()(Refuse(v1::AUTHENTICATION_FAILED));
  EXPECT_EQ(answers[2]->authenticators(0).message(), "It refuses the credential.");
  ask();
  waiting->back()(Principal{"later", "alice", {}});
  EXPECT_EQ(answers[3]->refusal().reason(), v1::NO_POLICY);
  EXPECT_EQ(answers[3]->principal().subject(), "alice");
}

}  // namespace
}  // namespace livekit::token
