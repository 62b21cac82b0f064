#include "server/policy.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using google::protobuf::util::MessageDifferencer;
using livekit::TokenSourceRequest;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using Mode = FieldMode;

const Principal kAlice{"app", "alice", {}};

Template T(const std::string& text) { return *Template::Parse(text); }

FieldRule Rule(Mode mode, std::optional<Template> default_value, std::optional<Template> value) {
  FieldRule rule;
  rule.mode = mode;
  rule.default_value = std::move(default_value);
  rule.value = std::move(value);
  return rule;
}
FieldRule Allow() { return Rule(Mode::kAllow, {}, {}); }
FieldRule AllowOr(const std::string& text) { return Rule(Mode::kAllow, T(text), {}); }
FieldRule Forced(const std::string& text) { return Rule(Mode::kIfEqual, {}, T(text)); }

// Everything that a client can choose is forbidden but the room.
PolicyRules Strict() {
  PolicyRules rules;
  rules.name = "strict";
  rules.match.authenticator = "app";
  rules.room = Allow();
  rules.identity = Forced("{subject}");
  return rules;
}

// Everything is allowed.
PolicyRules Open() {
  PolicyRules rules = Strict();
  rules.identity = AllowOr("{subject}");
  rules.display_name = Allow();
  rules.metadata = Allow();
  rules.attributes.mode = Mode::kAllow;
  rules.room_config.mode = Mode::kAllow;
  rules.room_config.agents = {"*"};
  rules.room_config.max_agents = 5;
  rules.room_config.egress = true;
  rules.room_config.tags = {"*"};
  rules.room_config.deployments = {"*"};
  rules.room_config.limits = {100, 100, 100, 100, true};
  return rules;
}

absl::StatusOr<v1::Grants> Decide(const PolicyRules& rules, const TokenSourceRequest& request,
                                  const Principal& principal = kAlice) {
  const PolicySet set({rules});
  auto decision = set.Decide(principal, request);
  if (!decision.ok()) return decision.status();
  return decision->grants;
}

TokenSourceRequest InRoom(const std::string& room = "lobby") {
  TokenSourceRequest request;
  request.set_room_name(room);
  return request;
}

TEST(PolicySet, AppliesTheFirstPolicyOfThePrincipalsAuthenticator) {
  PolicyRules guests = Strict();
  guests.name = "guests";
  guests.match.authenticator = "guests";
  PolicyRules first = Strict();
  first.name = "first";
  PolicyRules second = Open();
  second.name = "second";
  const PolicySet set({guests, first, second});
  auto decision = set.Decide(kAlice, InRoom());
  ASSERT_OK(decision);
  EXPECT_EQ(decision->policy->name, "first");
  // The first match decides; a more generous one behind it is no second chance.
  TokenSourceRequest request = InRoom();
  request.set_participant_metadata("m");
  EXPECT_THAT(set.Decide(kAlice, request),
              IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("participant_metadata")));
}

TEST(PolicySet, RefusesWhomNoPolicyMatches) {
  EXPECT_THAT(PolicySet({}).Decide(kAlice, InRoom()), IsRefusal(v1::NO_POLICY));
  for (const char* authenticator : {"", "App", "app2", "guests"}) {
    EXPECT_THAT(Decide(Open(), InRoom(), {authenticator, "alice", {}}), IsRefusal(v1::NO_POLICY)) << authenticator;
  }
}

// A policy without any origin is for nobody, not even for a principal without one.
TEST(PolicySet, WantsAnOrigin) {
  PolicyRules rules = Open();
  rules.match.authenticator.clear();
  EXPECT_THAT(Decide(rules, InRoom(), {"", "alice", {}}), IsRefusal(v1::NO_POLICY));
}

TEST(PolicySet, GrantsJoiningTheRoomAndWhatThePolicySays) {
  PolicyRules rules = Strict();
  rules.grants.set_can_publish(false);
  rules.grants.set_can_subscribe(true);
  rules.grants.set_can_publish_data(false);
  rules.grants.set_hidden(true);
  auto grants = Decide(rules, InRoom());
  ASSERT_OK(grants);
  v1::Grants expected;
  expected.set_identity("alice");
  *expected.mutable_video() = rules.grants;
  expected.mutable_video()->set_room_join(true);
  expected.mutable_video()->set_room("lobby");
  grants->mutable_video();
  if (grants->name().empty()) grants->clear_name();
  EXPECT_TRUE(MessageDifferencer::Equals(*grants, expected)) << grants->DebugString();
}

// --- each string field

struct StringField {
  const char* name;
  v1::ErrorReason mismatch;
  bool required;
  std::function<void(TokenSourceRequest&, const std::string&)> set;
  std::function<FieldRule&(PolicyRules&)> rule;
  std::function<std::string(const v1::Grants&)> get;
};

std::vector<StringField> StringFields() {
  return {
      {"room_name", v1::ROOM_NOT_PERMITTED, true, [](auto& r, auto& v) { r.set_room_name(v); },
       [](auto& p) -> FieldRule& { return p.room; }, [](auto& g) { return g.video().room(); }},
      {"participant_identity", v1::IDENTITY_NOT_PERMITTED, true,
       [](auto& r, auto& v) { r.set_participant_identity(v); }, [](auto& p) -> FieldRule& { return p.identity; },
       [](auto& g) { return g.identity(); }},
      {"participant_name", v1::FIELD_NOT_PERMITTED, false, [](auto& r, auto& v) { r.set_participant_name(v); },
       [](auto& p) -> FieldRule& { return p.display_name; }, [](auto& g) { return g.name(); }},
      {"participant_metadata", v1::FIELD_NOT_PERMITTED, false, [](auto& r, auto& v) { r.set_participant_metadata(v); },
       [](auto& p) -> FieldRule& { return p.metadata; }, [](auto& g) { return g.metadata(); }}};
}

// A policy and a request that are complete without the field.
PolicyRules Complete() {
  PolicyRules rules = Strict();
  rules.room = AllowOr("lobby");
  rules.identity = AllowOr("bob");
  return rules;
}

TEST(PolicySet, TakesAnyValueWhereTheClientMayChoose) {
  for (const auto& field : StringFields()) {
    PolicyRules rules = Complete();
    field.rule(rules) = AllowOr("default-{subject}");
    TokenSourceRequest request;
    field.set(request, "anything {random}*");
    auto chosen = Decide(rules, request);
    ASSERT_OK(chosen) << field.name;
    EXPECT_EQ(field.get(*chosen), "anything {random}*") << field.name;  // never taken for a template

    for (const bool sent_empty : {false, true}) {
      TokenSourceRequest nothing;
      if (sent_empty) field.set(nothing, "");
      auto made = Decide(rules, nothing);
      ASSERT_OK(made) << field.name;
      EXPECT_EQ(field.get(*made), "default-alice") << field.name;
    }
  }
}

TEST(PolicySet, RequiresRoomAndIdentityWhereThereIsNoDefault) {
  for (const auto& field : StringFields()) {
    PolicyRules rules = Complete();
    field.rule(rules) = Allow();
    const auto result = Decide(rules, {});
    if (field.required) {
      EXPECT_THAT(result, IsFieldRefusal(v1::FIELD_REQUIRED, std::string(field.name)));
    } else {
      ASSERT_OK(result);
      EXPECT_EQ(field.get(*result), "");
    }
  }
}

TEST(PolicySet, RefusesEveryValueOfAForbiddenField) {
  for (const auto& field : StringFields()) {
    PolicyRules rules = Complete();
    field.rule(rules) = Rule(Mode::kForbid, T("given"), {});
    TokenSourceRequest request;
    auto without = Decide(rules, request);
    ASSERT_OK(without) << field.name;
    EXPECT_EQ(field.get(*without), "given");
    field.set(request, "mine");
    EXPECT_THAT(Decide(rules, request), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string(field.name)));
    // A rule without a word about it forbids as well.
    field.rule(rules) = {};
    EXPECT_THAT(Decide(rules, request), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string(field.name)));
    field.rule(rules) = Rule(Mode::kIfEqual, {}, {});
    EXPECT_THAT(Decide(rules, request), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string(field.name)));
  }
}

TEST(PolicySet, TakesOnlyTheForcedValue) {
  for (const auto& field : StringFields()) {
    for (const Mode mode : {Mode::kForbid, Mode::kIfEqual}) {
      PolicyRules rules = Complete();
      field.rule(rules) = Rule(mode, {}, T("u-{subject}"));
      TokenSourceRequest request;
      auto absent = Decide(rules, request);
      ASSERT_OK(absent) << field.name;
      EXPECT_EQ(field.get(*absent), "u-alice");
      field.set(request, "u-alice");
      auto equal = Decide(rules, request);
      ASSERT_OK(equal) << field.name;
      EXPECT_EQ(field.get(*equal), "u-alice");
      for (const char* other : {"alice", "u-alic", "u-alice2", "U-alice", " u-alice", "u-{subject}", "*"}) {
        field.set(request, other);
        EXPECT_THAT(Decide(rules, request), IsFieldRefusal(field.mismatch, std::string(field.name))) << other;
      }
    }
  }
}

TEST(PolicySet, RefusesAnEmptySubjectWherePolicyUsesIt) {
  for (const auto& field : StringFields()) {
    for (const FieldRule& rule : {Forced("{subject}"), AllowOr("x-{subject}")}) {
      PolicyRules rules = Complete();
      field.rule(rules) = rule;
      EXPECT_THAT(Decide(rules, {}, {"app", "", {}}), IsRefusal(v1::CLAIM_MISSING)) << field.name;
    }
    PolicyRules rules = Complete();
    field.rule(rules) = Forced("{subject}_x");
    EXPECT_THAT(Decide(rules, {}, {"app", "a_b", {}}), IsRefusal(v1::CLAIM_AMBIGUOUS)) << field.name;
  }
}

TEST(PolicySet, GivesTwoPrincipalsNeverTheSameForcedIdentity) {
  std::mt19937_64 random(7);
  for (const char* text : {"{subject}", "u_{subject}", "{subject}_x", "a_{subject}_b"}) {
    PolicyRules rules = Strict();
    rules.identity = Forced(text);
    std::map<std::string, std::string> owners;
    for (int i = 0; i < 3000; ++i) {
      std::string subject;
      for (std::size_t n = random() % 5; n-- > 0;) subject.push_back("ab_x"[random() % 4]);
      auto grants = Decide(rules, InRoom(), {"app", subject, {}});
      if (!grants.ok()) continue;
      const auto [owner, inserted] = owners.emplace(grants->identity(), subject);
      EXPECT_EQ(owner->second, subject) << text;
    }
    EXPECT_GT(owners.size(), 20U);
  }
}

// --- attributes and room_config

TEST(PolicySet, TakesAttributesOnlyWhereAllowed) {
  TokenSourceRequest request = InRoom();
  (*request.mutable_participant_attributes())["tier"] = "gold";
  PolicyRules rules = Strict();
  EXPECT_THAT(Decide(rules, request), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("participant_attributes")));
  rules.attributes.mode = Mode::kAllow;
  auto grants = Decide(rules, request);
  ASSERT_OK(grants);
  EXPECT_EQ(grants->attributes().at("tier"), "gold");
  EXPECT_EQ(grants->attributes().size(), 1U);
}

TEST(PolicySet, NeedsNoPermissionForWhatMobileClientsAlwaysSend) {
  for (int empty_agents = 0; empty_agents < 2; ++empty_agents) {
    TokenSourceRequest request = InRoom();
    request.mutable_room_config();
    for (int i = 0; i < empty_agents; ++i) request.mutable_room_config()->add_agents();
    auto forbidden = Decide(Strict(), request);
    ASSERT_OK(forbidden);
    EXPECT_FALSE(forbidden->has_room_config());
    PolicyRules rules = Strict();
    rules.room_config.mode = Mode::kAllow;
    auto allowed = Decide(rules, request);
    ASSERT_OK(allowed);
    EXPECT_EQ(allowed->room_config().agents_size(), empty_agents);
  }
}

TEST(PolicySet, TakesNoRoomConfigUnlessAllowed) {
  const std::function<void(livekit::RoomConfiguration&)> changes[] = {
      [](auto& c) { c.set_name("lobby"); },
      [](auto& c) { c.set_max_participants(1); },
      [](auto& c) { c.set_metadata("m"); },
      [](auto& c) { (*c.mutable_tags())["k"] = "v"; },
      [](auto& c) { c.mutable_egress(); },
      [](auto& c) { c.add_agents()->set_agent_name("a"); },
      [](auto& c) { c.add_agents()->set_metadata("m"); },
      [](auto& c) {
        c.add_agents();
        c.add_agents()->set_agent_name("a");
      },
  };
  for (const auto& change : changes) {
    TokenSourceRequest request = InRoom();
    change(*request.mutable_room_config());
    EXPECT_THAT(Decide(Strict(), request), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("room_config")))
        << request.ShortDebugString();
    auto open = Decide(Open(), request);
    ASSERT_OK(open);
    EXPECT_TRUE(MessageDifferencer::Equals(open->room_config(), request.room_config()));
  }
}

TEST(PolicySet, TakesEgressOnlyWhereItIsNamed) {
  PolicyRules rules = Open();
  rules.room_config.egress = false;
  TokenSourceRequest request = InRoom();
  request.mutable_room_config()->set_max_participants(2);
  EXPECT_OK(Decide(rules, request));
  request.mutable_room_config()->mutable_egress();
  EXPECT_THAT(Decide(rules, request), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string("room_config.egress")));
}

TEST(PolicySet, DispatchesOnlyNamedAgents) {
  PolicyRules rules = Open();
  rules.room_config.agents = {"support-*", "greeter"};
  const auto with = [&](const std::string& name, bool metadata = false) {
    TokenSourceRequest request = InRoom();
    request.mutable_room_config()->add_agents()->set_agent_name("greeter");
    auto& agent = *request.mutable_room_config()->add_agents();
    agent.set_agent_name(name);
    if (metadata) agent.set_metadata("m");
    return Decide(rules, request);
  };
  for (const char* name : {"support-", "support-de", "greeter"}) EXPECT_OK(with(name)) << name;
  for (const char* name : {"support", "xsupport-de", "greeter2", "Greeter", "*"}) {
    EXPECT_THAT(with(name), IsFieldRefusal(v1::AGENT_NOT_PERMITTED, std::string("room_config.agents[1].agent_name")))
        << name;
  }
  // The agent without a name is an agent too as soon as anything is said about it.
  EXPECT_OK(with(""));
  EXPECT_THAT(with("", /*metadata=*/true),
              IsFieldRefusal(v1::AGENT_NOT_PERMITTED, std::string("room_config.agents[1].agent_name")));
  rules.room_config.agents = {};
  EXPECT_THAT(with(""), IsFieldRefusal(v1::AGENT_NOT_PERMITTED, std::string("room_config.agents[0].agent_name")));
}

// An agent without a name dispatches the workers that have none, so empty ones count as well.
TEST(PolicySet, CountsEveryAgent) {
  for (const char* name : {"a", ""}) {
    PolicyRules rules = Open();
    rules.room_config.max_agents = 2;
    TokenSourceRequest request = InRoom();
    for (int i = 0; i < 2; ++i) request.mutable_room_config()->add_agents()->set_agent_name(name);
    EXPECT_OK(Decide(rules, request)) << name;
    request.mutable_room_config()->add_agents()->set_agent_name(name);
    EXPECT_THAT(Decide(rules, request), IsFieldRefusal(v1::AGENT_NOT_PERMITTED, std::string("room_config.agents")))
        << name;
  }
}

TEST(ToRequestFields, NamesTheFieldsOfTheRequest) {
  const std::pair<const char*, const char*> cases[] = {{"video.room", "room_name"},
                                                       {"identity", "participant_identity"},
                                                       {"name", "participant_name"},
                                                       {"metadata", "participant_metadata"},
                                                       {"attributes", "participant_attributes"},
                                                       {"room_config.egress", "room_config.egress"}};
  for (const auto& [from, to] : cases) {
    EXPECT_THAT(ToRequestFields(RefuseField(v1::FIELD_TOO_LONG, from, "x")),
                IsFieldRefusal(v1::FIELD_TOO_LONG, std::string(to)));
  }
}

}  // namespace
}  // namespace livekit::token
