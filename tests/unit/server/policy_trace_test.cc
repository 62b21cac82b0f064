// What a trace says, and that it changes nothing.

#include "server/policy_trace.h"

#include <map>
#include <string>
#include <vector>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policy_fixture.h"
#include "server/policy.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using testing::IsFieldRefusal;
using testing::IsOk;
using testing::IsRefusal;
using ::testing::Not;
using testing::Someone;

PolicyRules Named(const std::string& name) {
  PolicyRules rules;
  rules.name = name;
  rules.match.authenticator = "app";
  rules.room.mode = FieldMode::kAllow;
  rules.identity.mode = FieldMode::kIfEqual;
  rules.identity.value = *Template::Parse("{subject}");
  return rules;
}

ClaimCondition Condition(const std::string& path, const std::string& value) {
  return {*ClaimPath::Parse(path), {value}};
}

livekit::TokenSourceRequest InRoom(const std::string& room) {
  livekit::TokenSourceRequest request;
  request.set_room_name(room);
  return request;
}

// Why the policy does not match; empty if it does.
std::string Why(const PolicyRules& rules, const Principal& principal, const std::string& room = "r",
                const std::string& sandbox_id = "") {
  PolicyTrace trace;
  const PolicySet set({rules});
  const auto decision = set.Decide(principal, InRoom(room), sandbox_id, &trace);
  EXPECT_EQ(trace.policies.size(), 1U);
  EXPECT_EQ(trace.policies[0].result.matches(), decision.ok());
  return Describe(trace.policies[0].result, rules.match);
}

TEST(PolicyTrace, SaysWhichConditionDoesNotHold) {
  PolicyRules rules = Named("p");
  EXPECT_EQ(Why(rules, Someone("alice")), "");
  EXPECT_EQ(Why(rules, {"other", "alice", {}}), "It is for those whom the authenticator `app` vouches for.");
  EXPECT_EQ(Why(rules, Someone("alice"), "r", "box"), "It is not for requests with a sandbox id, since it lists none.");
  rules.match.sandbox_ids = {"a-*", "b", "c"};
  EXPECT_EQ(Why(rules, Someone("alice"), "r", "a-1"), "");
  EXPECT_EQ(Why(rules, Someone("alice")), "It is for requests with the sandbox id `a-*`, `b` or `c`.");
  EXPECT_EQ(Why(rules, Someone("alice"), "r", "d"),
            "It does not list the request's sandbox id, only `a-*`, `b` and `c`.");
  rules.match.sandbox_ids = {};
  rules.match.rooms = {"x_*"};
  EXPECT_EQ(Why(rules, Someone("alice"), ""), "It is for requests that name a room, one of `x_*`.");
  EXPECT_EQ(Why(rules, Someone("alice"), "y_1"), "It does not list the request's room, only `x_*`.");
  EXPECT_EQ(Why(rules, Someone("alice"), "x_1"), "");
  rules.match.rooms = {};
  rules.match.scopes = {"s", "t"};
  EXPECT_EQ(Why(rules, Someone("alice", R"({"scope":"s"})")),
            "The credential lacks a scope: all of `s` and `t` are needed.");
  EXPECT_EQ(Why(rules, Someone("alice", R"({"scope":"s t"})")), "");
  rules.match.scopes = {};
  rules.match.claims = {Condition("plan", "pro"), Condition("a[\"b.c\"].d", "x")};
  EXPECT_EQ(Why(rules, Someone("alice", R"({"plan":"pro","a":{"b.c":{"d":"x"}}})")), "");
  EXPECT_EQ(Why(rules, Someone("alice", R"({"plan":"free","a":{"b.c":{"d":"x"}}})")),
            "The claim `plan` is absent or has none of the values that are needed.");
  EXPECT_EQ(Why(rules, Someone("alice", R"({"plan":"pro","a":{"b.c":{"d":"y"}}})")),
            "The claim `a[\"b.c\"].d` is absent or has none of the values that are needed.");
  PolicyRules asserted = Named("q");
  asserted.match.authenticator = "";
  asserted.match.service = "bff";
  EXPECT_EQ(Why(asserted, Someone("alice")), "It is for those whom the service `bff` vouches for.");
}

TEST(PolicyTrace, NeverSaysWhatAClaimOrTheRequestHolds) {
  PolicyRules rules = Named("p");
  rules.match.claims = {Condition("plan", "pro")};
  EXPECT_THAT(Why(rules, Someone("alice", R"({"plan":"MARKVALUE"})")), Not(HasSubstr("MARKVALUE")));
  rules.match.claims = {};
  rules.match.rooms = {"x"};
  EXPECT_THAT(Why(rules, Someone("alice"), "MARKVALUE"), Not(HasSubstr("MARKVALUE")));
  rules.match.sandbox_ids = {"x"};
  EXPECT_THAT(Why(rules, Someone("alice"), "x", "MARKVALUE"), Not(HasSubstr("MARKVALUE")));
}

TEST(PolicyTrace, EndsWithThePolicyThatApplies) {
  PolicyRules first = Named("first");
  first.match.rooms = {"x"};
  const PolicySet set({first, Named("second"), Named("third")});
  PolicyTrace trace;
  ASSERT_OK(set.Decide(Someone("alice"), InRoom("r"), "", &trace));
  ASSERT_EQ(trace.policies.size(), 2U);
  EXPECT_FALSE(trace.policies[0].result.matches());
  EXPECT_TRUE(trace.policies[1].result.matches());
  EXPECT_EQ(trace.policies[1].rules->name, "second");
  PolicyTrace none;
  EXPECT_THAT(set.Decide({"other", "bob", {}}, InRoom("r"), "", &none), IsRefusal(v1::NO_POLICY));
  EXPECT_EQ(none.policies.size(), 3U);
  EXPECT_TRUE(none.fields.empty());
}

// The trace of one field.
const PolicyTrace::Field& At(const PolicyTrace& trace, const std::string& name) {
  for (const auto& field : trace.fields) {
    if (field.name == name) return field;
  }
  static const PolicyTrace::Field kAbsent{};
  ADD_FAILURE() << name;
  return kAbsent;
}

TEST(PolicyTrace, HasTheSourceOfEveryField) {
  PolicyRules rules = Named("p");
  rules.display_name.mode = FieldMode::kAllow;
  rules.display_name.default_value = *Template::Parse("{claims.name?}");
  rules.metadata.mode = FieldMode::kIgnore;
  rules.attributes.mode = FieldMode::kIgnore;
  rules.attributes.value = {{"tier", *Template::Parse("pro")}};
  rules.room_config.mode = FieldMode::kIgnore;
  auto request = InRoom("r");
  request.set_participant_metadata("m");
  (*request.mutable_participant_attributes())["lang"] = "de";
  request.mutable_room_config()->set_name("x");
  const auto traced = [&](const PolicyRules& with, const std::string& claims = "{}") {
    PolicyTrace trace;
    EXPECT_OK(PolicySet({with}).Decide(Someone("alice", claims), request, "", &trace));
    EXPECT_EQ(trace.fields.size(), 6U);
    return trace;
  };
  PolicyTrace trace = traced(rules);
  EXPECT_EQ(At(trace, "room_name").source, ValueSource::kClient);
  EXPECT_EQ(At(trace, "participant_identity").source, ValueSource::kPolicyValue);
  EXPECT_EQ(At(trace, "participant_name").source, ValueSource::kNone);
  EXPECT_EQ(At(trace, "participant_metadata").source, ValueSource::kNone);
  EXPECT_EQ(At(trace, "participant_attributes").source, ValueSource::kPolicyValue);
  EXPECT_EQ(At(trace, "room_config").source, ValueSource::kNone);
  for (const char* ignored : {"participant_metadata", "participant_attributes", "room_config"}) {
    EXPECT_TRUE(At(trace, ignored).ignored) << ignored;
  }
  for (const char* kept : {"room_name", "participant_identity", "participant_name"}) {
    EXPECT_FALSE(At(trace, kept).ignored) << kept;
  }
  EXPECT_EQ(At(traced(rules, R"({"name":"Al"})"), "participant_name").source, ValueSource::kPolicyDefault);

  rules.attributes.mode = FieldMode::kAllow;
  rules.room_config.mode = FieldMode::kAllow;
  trace = traced(rules);
  EXPECT_EQ(At(trace, "participant_attributes").source, ValueSource::kClient);
  EXPECT_EQ(At(trace, "room_config").source, ValueSource::kClient);
  EXPECT_FALSE(At(trace, "room_config").ignored);

  // What is not sent is not ignored.
  request = InRoom("r");
  rules.metadata.mode = rules.attributes.mode = rules.room_config.mode = FieldMode::kIgnore;
  trace = traced(rules);
  for (const auto& field : trace.fields) EXPECT_FALSE(field.ignored) << field.name;
}

TEST(PolicyTrace, GoesOnBehindARefusalAndKeepsTheFirst) {
  PolicyRules rules = Named("p");
  rules.room.one_of = {*Template::Parse("lobby")};
  rules.metadata.value = *Template::Parse("{claims.absent}");
  auto request = InRoom("vault");
  request.set_participant_identity("bob");
  (*request.mutable_participant_attributes())["k"] = "v";
  request.mutable_room_config()->set_max_participants(3);
  PolicyTrace trace;
  const PolicySet set({rules});
  const auto decision = set.Decide(Someone("alice"), request, "", &trace);
  EXPECT_THAT(decision, IsFieldRefusal(v1::ROOM_NOT_PERMITTED, "room_name"));
  EXPECT_EQ(decision.status(), set.Decide(Someone("alice"), request).status());
  ASSERT_EQ(trace.fields.size(), 6U);
  EXPECT_THAT(At(trace, "room_name").refusal, IsFieldRefusal(v1::ROOM_NOT_PERMITTED, "room_name"));
  EXPECT_THAT(At(trace, "participant_identity").refusal,
              IsFieldRefusal(v1::IDENTITY_NOT_PERMITTED, "participant_identity"));
  EXPECT_THAT(At(trace, "participant_name").refusal, IsOk());
  EXPECT_THAT(At(trace, "participant_metadata").refusal, IsRefusal(v1::CLAIM_MISSING));
  EXPECT_THAT(At(trace, "participant_attributes").refusal,
              IsFieldRefusal(v1::FIELD_NOT_PERMITTED, "participant_attributes"));
  EXPECT_THAT(At(trace, "room_config").refusal, IsFieldRefusal(v1::FIELD_NOT_PERMITTED, "room_config"));
  for (const auto& field : trace.fields) {
    EXPECT_EQ(field.source, ValueSource::kNone) << field.name;
  }
}

}  // namespace
}  // namespace livekit::token
