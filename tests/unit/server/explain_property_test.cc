// Property: an explanation is exactly what happens, for policies, people and requests at random.

#include <string>
#include <vector>

#include "explain_fixture.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "random_policies.h"

namespace livekit::token {
namespace {

using google::protobuf::util::MessageDifferencer;

class ExplainsAtRandom : public testing::ExplainFixture {};

TEST_F(ExplainsAtRandom, ExactlyWhatHappens) {
  using namespace testing;  // NOLINT(google-build-using-namespace): the generators
  Random random(20261128);
  constexpr int kConfigurations = 300;
  constexpr int kPeople = 12;
  constexpr int kRequests = 40;
  int granted = 0;
  int refused = 0;
  for (int c = 0; c < kConfigurations; ++c) {
    std::vector<Person> people;
    std::string files[2] = {"keys:\n", "keys:\n"};
    for (int i = 0; i < kPeople; ++i) {
      Person person = RandomPerson(random);
      person.subject = std::vector<std::string>{"alice", "a_b", "x-y"}[random() % 3] + std::to_string(i);
      // A key file knows no lists; those are for the imagined.
      for (const char* name : {"p", "r", "t"}) {
        if (person.claims.contains(name) && !person.claims[name].is_string()) person.claims.erase(name);
      }
      std::string line = HashApiKey(person.subject, SecretOf(person.subject)).line;
      line.insert(line.rfind('}') - 1, ", claims: " + person.claims.dump());
      files[person.authenticator == "partners" ? 0 : 1] += "  " + line + "\n";
      people.push_back(std::move(person));
    }
    for (const char* id : {"admin", "gate"}) files[1] += "  " + HashApiKey(id, SecretOf(id)).line + "\n";
    files[0] += "  " + HashApiKey("spare", SecretOf("spare")).line + "\n";
    dir_.Write("partners.yaml", files[0]);
    dir_.Write("programs.yaml", files[1]);
    std::string yaml = R"(
projects:
  - { name: main, client_url: wss://main.example, keys: { file: $DIR/main.keys, signing_key: APImain } }
authenticators:
  - { name: partners, api_keys: { file: $DIR/partners.yaml } }
  - { name: programs, api_keys: { file: $DIR/programs.yaml, header: authorization } }
services:
  - { name: admin, match: { authenticator: programs, subject: admin }, explain: true }
  - { name: gate, match: { authenticator: programs, subject: gate }, relay: true }
policies:
)";
    for (int i = 0; i < 4; ++i) yaml += ToYaml(RandomPolicy(random, i));
    Use(yaml);
    ASSERT_NE(state_, nullptr) << yaml;
    for (int r = 0; r < kRequests; ++r) {
      const Person& person = Pick(random, people);
      Asked asked = Of(RandomRequest(random));
      auto& credential = *asked.mutable_presented()->add_credentials();
      const bool partner = person.authenticator == "partners";
      credential.set_header(partner ? "x-api-key" : "authorization");
      credential.set_value((partner ? "" : "Bearer ") + KeyOf(person.subject) + (Chance(random, 3) ? "x" : ""));
      if (Chance(random, 15)) asked.set_sandbox_id(Chance(random, 50) ? "box" : "other");
      if (Chance(random, 20)) asked.set_via("gate");
      if (Chance(random, 20)) asked.set_max_token_bytes(static_cast<int>(random() % 1000));
      const Answer answer = Explained(asked);
      ASSERT_TRUE(IsWhatHappens(asked, answer)) << yaml << asked.DebugString();
      (answer.has_refusal() ? refused : granted) += 1;
      // Whoever has more to tell, only imagined: what the policies say without a trace.
      const Person other = RandomPerson(random);
      Asked of_other = Imagining(other.authenticator, other.subject, asked.request());
      of_other.set_sandbox_id(asked.sandbox_id());
      *of_other.mutable_principal()->mutable_claims() = Claims(other.claims).ToStruct();
      const auto decision = state_->policies.Decide(other.ToPrincipal(), asked.request(), asked.sandbox_id());
      const Answer about = Explained(of_other);
      ASSERT_EQ(about.has_refusal(), !decision.ok()) << yaml << of_other.DebugString();
      if (decision.ok()) {
        ASSERT_TRUE(MessageDifferencer::Equals(decision->grants, about.grants()));
      } else {
        ASSERT_EQ(ToError(decision.status()).SerializeAsString(), about.refusal().SerializeAsString());
      }
      // The same person, only imagined.
      if (answer.has_principal()) {
        Asked imagined = asked;
        *imagined.mutable_principal() = answer.principal();
        const Answer again = Explained(imagined);
        ASSERT_EQ(again.refusal().SerializeAsString(), answer.refusal().SerializeAsString());
        ASSERT_TRUE(MessageDifferencer::Equals(again.grants(), answer.grants()));
      }
    }
  }
  EXPECT_GT(granted, 200);
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace livekit::token
