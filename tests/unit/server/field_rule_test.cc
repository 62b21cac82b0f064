#include "server/field_rule.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "policy_fixture.h"
#include "server/policy.h"

namespace livekit::token {
namespace {

using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::ParseTemplate;
using testing::Someone;
using testing::WithClaim;

const FieldPlace kPlaces[] = {kRoomField, kIdentityField, kDisplayNameField, kMetadataField};
const Principal kAlice = Someone("alice");

FieldRule Allowed() {
  FieldRule rule;
  rule.mode = FieldMode::kAllow;
  return rule;
}

std::string NameOf(const FieldPlace& place) { return std::string(place.name); }

TEST(FieldRule, IgnoresValues) {
  for (const FieldPlace& place : kPlaces) {
    FieldRule rule;
    rule.mode = FieldMode::kIgnore;
    const std::string sent[] = {"", "mine", "given", std::string(place.max_bytes + 1, 'x'), "\x01"};
    for (const std::string& value : sent) {
      if (place.required) {
        EXPECT_THAT(ResolveField(rule, place, value, kAlice), IsFieldRefusal(v1::FIELD_REQUIRED, NameOf(place)));
      } else {
        EXPECT_EQ(ResolveField(rule, place, value, kAlice)->text, "");
      }
    }
    rule.default_value = ParseTemplate("given");
    for (const std::string& value : sent) EXPECT_EQ(ResolveField(rule, place, value, kAlice)->text, "given");
    rule.default_value.reset();
    rule.value = ParseTemplate("{subject}");
    for (const std::string& value : sent) EXPECT_EQ(ResolveField(rule, place, value, kAlice)->text, "alice");
  }
}

// What the policy gives anyway may be stated, with `default` as with `value`.
TEST(FieldRule, TakesAForbiddenValueThatIsTheOneGivenAnyway) {
  for (const FieldPlace& place : kPlaces) {
    FieldRule rule;
    rule.default_value = ParseTemplate("u-{subject}");
    EXPECT_EQ(ResolveField(rule, place, "u-alice", kAlice)->text, "u-alice");
    EXPECT_THAT(ResolveField(rule, place, "u-bob", kAlice), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, NameOf(place)));
  }
}

TEST(FieldRule, LeavesOutAFieldWhoseClaimIsAbsent) {
  for (const FieldPlace& place : {kDisplayNameField, kMetadataField}) {
    FieldRule rule = Allowed();
    rule.default_value = ParseTemplate("{claims.t?}");
    EXPECT_EQ(ResolveField(rule, place, "", kAlice)->text, "");
    EXPECT_EQ(ResolveField(rule, place, "", WithClaim("Al"))->text, "Al");
    EXPECT_EQ(ResolveField(rule, place, "mine", WithClaim("Al"))->text, "mine");
    FieldRule forced;
    forced.mode = FieldMode::kIfEqual;
    forced.value = ParseTemplate("{claims.t?}");
    EXPECT_EQ(ResolveField(forced, place, "", kAlice)->text, "");
    // Nothing is what is forced, so that a value is another one.
    EXPECT_THAT(ResolveField(forced, place, "mine", kAlice), IsFieldRefusal(place.refusal, NameOf(place)));
  }
}

TEST(FieldRule, RefusesTooLongValuesBeforeAnythingElse) {
  for (const FieldPlace& place : kPlaces) {
    FieldRule rule = Allowed();
    rule.pattern = *Pattern::Parse("[a-z]*", {});
    EXPECT_OK(ResolveField(rule, place, std::string(place.max_bytes, 'x'), kAlice));
    EXPECT_THAT(ResolveField(rule, place, std::string(place.max_bytes + 1, 'x'), kAlice),
                IsFieldRefusal(v1::FIELD_TOO_LONG, NameOf(place)));
    FieldRule forced;
    forced.value = ParseTemplate("x");
    EXPECT_THAT(ResolveField(forced, place, std::string(place.max_bytes + 1, 'x'), kAlice),
                IsFieldRefusal(v1::FIELD_TOO_LONG, NameOf(place)));
  }
}

TEST(FieldRule, TakesAtMostItsOwnNumberOfBytes) {
  FieldRule rule = Allowed();
  rule.max_bytes = 3;
  EXPECT_OK(ResolveField(rule, kRoomField, "abc", kAlice));
  EXPECT_OK(ResolveField(rule, kRoomField, "a\xC3\xA9", kAlice));
  EXPECT_THAT(ResolveField(rule, kRoomField, "abcd", kAlice),
              IsFieldRefusal(v1::FIELD_TOO_LONG, std::string("room_name")));
}

// Nobody is told to mend what he did not send.
TEST(FieldRule, TellsTheClientsBadTextFromTheCredentials) {
  for (const FieldPlace& place : {kRoomField, kIdentityField, kDisplayNameField}) {
    for (const char* bad : {"a\x01", "a\xE2\x80\xAE", " a", "a ", "a\xE2\x80\x8B"}) {
      EXPECT_THAT(ResolveField(Allowed(), place, bad, kAlice), IsFieldRefusal(v1::FIELD_INVALID, NameOf(place)));
      FieldRule forced;
      forced.value = ParseTemplate("{claims.t}");
      EXPECT_THAT(ResolveField(forced, place, "", WithClaim(bad)), IsFieldRefusal(place.refusal, NameOf(place)));
      EXPECT_THAT(ResolveField(forced, place, bad, WithClaim(bad)), IsFieldRefusal(place.refusal, NameOf(place)));
      FieldRule standing_in = Allowed();
      standing_in.default_value = ParseTemplate("{claims.t}");
      EXPECT_THAT(ResolveField(standing_in, place, "", WithClaim(bad)), IsFieldRefusal(place.refusal, NameOf(place)));
    }
    FieldRule forced;
    forced.value = ParseTemplate("{claims.t}");
    EXPECT_OK(ResolveField(forced, place, "", WithClaim(std::string(256, 'x'))));
    EXPECT_THAT(ResolveField(forced, place, "", WithClaim(std::string(257, 'x'))),
                IsFieldRefusal(place.refusal, NameOf(place)));
  }
  EXPECT_THAT(ResolveField(Allowed(), kIdentityField, "a#b", kAlice), IsRefusal(v1::FIELD_INVALID));
  EXPECT_OK(ResolveField(Allowed(), kRoomField, "a#b", kAlice));
  EXPECT_OK(ResolveField(Allowed(), kMetadataField, "a\x01\xE2\x80\xAE ", kAlice));
}

TEST(FieldRule, WantsThePrefixAndSomethingBehindIt) {
  FieldRule rule = Allowed();
  rule.prefix = ParseTemplate("{claims.t}_");
  const auto resolve = [&](const std::string& tenant, const std::string& room) {
    return ResolveField(rule, kRoomField, room, WithClaim(tenant));
  };
  EXPECT_OK(resolve("a", "a_x"));
  EXPECT_OK(resolve("a", "a__"));
  for (const char* other : {"a_", "a", "_", "b_x", "xa_x", "A_x", "ab_x"}) {
    EXPECT_THAT(resolve("a", other), IsFieldRefusal(v1::ROOM_NOT_PERMITTED, std::string("room_name"))) << other;
  }
  // Both `a` and `a_b` would reach a_b_x; the second is refused.
  EXPECT_OK(resolve("a", "a_b_x"));
  EXPECT_THAT(resolve("a_b", "a_b_x"), IsRefusal(v1::CLAIM_AMBIGUOUS));
  EXPECT_THAT(resolve("", "_x"), IsRefusal(v1::CLAIM_MISSING));
  EXPECT_THAT(resolve("*", "b_x"), IsRefusal(v1::ROOM_NOT_PERMITTED));
}

TEST(FieldRule, TakesOneOfTheChoices) {
  FieldRule rule = Allowed();
  rule.one_of = {ParseTemplate("lobby"), ParseTemplate("{claims.rooms}"), ParseTemplate("u-{subject}")};
  const auto resolve = [&](const std::string& claims, const std::string& room) {
    return ResolveField(rule, kRoomField, room, Someone("alice", claims));
  };
  const std::string claims = R"({"rooms": ["one", 2, "th*", true, 1.5, null, ["in"], ""]})";
  for (const char* room : {"lobby", "one", "2", "th*", "u-alice"}) EXPECT_OK(resolve(claims, room)) << room;
  for (const char* room : {"Lobby", "three", "true", "1.5", "in", "u-bob", "on", "one ", "[\"one\"]"}) {
    EXPECT_FALSE(resolve(claims, room).ok()) << room;
  }
  EXPECT_THAT(resolve(claims, "three"), IsFieldRefusal(v1::ROOM_NOT_PERMITTED, std::string("room_name")));
  EXPECT_OK(resolve(R"({"rooms": "one"})", "one"));
  EXPECT_OK(resolve(R"({"rooms": 5})", "5"));
  EXPECT_THAT(resolve(R"({"rooms": "one"})", "on"), IsRefusal(v1::ROOM_NOT_PERMITTED));
  EXPECT_THAT(resolve(R"({"rooms": []})", "one"), IsRefusal(v1::ROOM_NOT_PERMITTED));
  for (const char* missing : {"{}", R"({"rooms": {}})", R"({"rooms": true})", R"({"rooms": ""})"}) {
    EXPECT_OK(resolve(missing, "lobby"));
    EXPECT_OK(resolve(missing, "u-alice"));
    EXPECT_THAT(resolve(missing, "one"), IsRefusal(v1::CLAIM_MISSING)) << missing;
  }
  // A list is none in the middle of text, nor as a pseudonym.
  rule.one_of = {ParseTemplate("x{claims.rooms}")};
  EXPECT_THAT(resolve(claims, "xone"), IsRefusal(v1::CLAIM_MISSING));
  rule.one_of = {ParseTemplate("{hmac:claims.rooms}")};
  EXPECT_THAT(resolve(claims, "one"), IsRefusal(v1::CLAIM_MISSING));
}

TEST(FieldRule, WantsEverythingThatIsStated) {
  FieldRule rule = Allowed();
  rule.pattern = *Pattern::Parse("[a-c]*", {});
  rule.prefix = ParseTemplate("a");
  rule.one_of = {ParseTemplate("abc"), ParseTemplate("acc"), ParseTemplate("bcc"), ParseTemplate("axx"),
                 ParseTemplate("acccc")};
  rule.max_bytes = 4;
  EXPECT_OK(ResolveField(rule, kRoomField, "abc", kAlice));
  EXPECT_OK(ResolveField(rule, kRoomField, "acc", kAlice));
  EXPECT_THAT(ResolveField(rule, kRoomField, "bcc", kAlice), IsRefusal(v1::ROOM_NOT_PERMITTED));  // prefix
  EXPECT_THAT(ResolveField(rule, kRoomField, "axx", kAlice), IsRefusal(v1::ROOM_NOT_PERMITTED));  // pattern
  EXPECT_THAT(ResolveField(rule, kRoomField, "aaa", kAlice), IsRefusal(v1::ROOM_NOT_PERMITTED));  // one_of
  EXPECT_THAT(ResolveField(rule, kRoomField, "acccc", kAlice), IsRefusal(v1::FIELD_TOO_LONG));    // max_bytes
  FieldRule pattern = Allowed();
  pattern.pattern = *Pattern::Parse("{claims.t}_[a-z]+", {});
  EXPECT_THAT(ResolveField(pattern, kIdentityField, "x_a", WithClaim("y")),
              IsFieldRefusal(v1::IDENTITY_NOT_PERMITTED, std::string("participant_identity")));
  EXPECT_THAT(ResolveField(pattern, kIdentityField, "x_a", kAlice), IsRefusal(v1::CLAIM_MISSING));
}

// --- attributes

constexpr char kAttributes[] = "participant_attributes";

absl::StatusOr<std::map<std::string, std::string>> Resolve(const AttributesRule& rule,
                                                           const std::map<std::string, std::string>& sent,
                                                           const Principal& principal = kAlice) {
  Attributes out;
  const absl::Status resolved = ResolveAttributes(rule, Attributes(sent.begin(), sent.end()), principal, out).status();
  if (!resolved.ok()) return resolved;
  return std::map<std::string, std::string>(out.begin(), out.end());
}

using Map = std::map<std::string, std::string>;

TEST(AttributesRule, FollowsItsMode) {
  AttributesRule rule;
  EXPECT_EQ(*Resolve(rule, {}), Map());
  EXPECT_THAT(Resolve(rule, {{"k", "v"}}), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string(kAttributes)));
  rule.mode = FieldMode::kIgnore;
  EXPECT_EQ(*Resolve(rule, {{"k", "v"}, {"lk.x", "v"}, {"\x01", "v"}}), Map());
  rule.mode = FieldMode::kAllow;
  EXPECT_EQ(*Resolve(rule, {{"k", "v"}, {"l", ""}}), (Map{{"k", "v"}, {"l", ""}}));
}

TEST(AttributesRule, TakesOnlyNamedKeys) {
  AttributesRule rule;
  rule.mode = FieldMode::kAllow;
  rule.keys = {"lang", "ui-*"};
  EXPECT_EQ(*Resolve(rule, {{"lang", "de"}, {"ui-x", "1"}}), (Map{{"lang", "de"}, {"ui-x", "1"}}));
  for (const char* key : {"Lang", "lang2", "ui", "tier"}) {
    EXPECT_THAT(Resolve(rule, {{"lang", "de"}, {key, "x"}}),
                IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string(kAttributes)));
  }
}

TEST(AttributesRule, KeepsReservedKeysFromClients) {
  AttributesRule rule;
  rule.mode = FieldMode::kAllow;
  for (const std::vector<std::string>& keys : {std::vector<std::string>{}, {"*"}, {"lk.*", "sip.*", "LK.*"}}) {
    rule.keys = keys;
    for (const char* key : {"lk.publish_on_behalf", "lk.", "LK.x", "sip.callID", "Sip.x"}) {
      EXPECT_THAT(Resolve(rule, {{key, "x"}}), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string(kAttributes)))
          << key;
    }
  }
  rule.keys.clear();
  for (const char* key : {"a\x01", "a\xE2\x80\x8B", " a", "\xE2\x80\xAE", "lk\xE2\x80\x8D.x"}) {
    EXPECT_THAT(Resolve(rule, {{key, "x"}}), IsFieldRefusal(v1::FIELD_INVALID, std::string(kAttributes)));
  }
}

TEST(AttributesRule, AlwaysWritesForcedOnes) {
  AttributesRule rule;
  rule.value.emplace_back("tier", ParseTemplate("{claims.t}"));
  rule.value.emplace_back("note", ParseTemplate("{claims.n?}"));
  rule.value.emplace_back("lk.x", ParseTemplate("set"));
  const Principal gold = WithClaim("gold");
  const Map forced = {{"tier", "gold"}, {"lk.x", "set"}};
  for (const FieldMode mode : {FieldMode::kForbid, FieldMode::kIgnore, FieldMode::kAllow}) {
    rule.mode = mode;
    EXPECT_EQ(*Resolve(rule, {}, gold), forced);
    EXPECT_EQ(*Resolve(rule, {{"tier", "gold"}, {"lk.x", "set"}}, gold), forced);
    EXPECT_THAT(Resolve(rule, {}), IsRefusal(v1::CLAIM_MISSING));
    if (mode == FieldMode::kIgnore) {
      EXPECT_EQ(*Resolve(rule, {{"tier", "free"}, {"note", "x"}}, gold), forced);
      continue;
    }
    for (const Map& other : {Map{{"tier", "Gold"}}, Map{{"tier", ""}}, Map{{"note", "x"}}, Map{{"lk.x", "y"}}}) {
      EXPECT_THAT(Resolve(rule, other, gold), IsFieldRefusal(v1::FIELD_NOT_PERMITTED, std::string(kAttributes)));
    }
  }
  rule.mode = FieldMode::kAllow;
  EXPECT_EQ(*Resolve(rule, {{"mine", "x"}}, gold), (Map{{"mine", "x"}, {"tier", "gold"}, {"lk.x", "set"}}));
  EXPECT_EQ(*Resolve(rule, {}, Someone("a", R"({"t":"x","n":"y"})")),
            (Map{{"tier", "x"}, {"note", "y"}, {"lk.x", "set"}}));
  // The mode says what becomes of the other keys.
  rule.mode = FieldMode::kForbid;
  EXPECT_THAT(Resolve(rule, {{"tier", "gold"}, {"mine", "x"}}, gold), IsRefusal(v1::FIELD_NOT_PERMITTED));
}

TEST(AttributesRule, TakesAtMostItsOwnNumberOfBytes) {
  AttributesRule rule;
  rule.mode = FieldMode::kAllow;
  rule.max_bytes = 6;
  EXPECT_OK(Resolve(rule, {{"a", "12"}, {"b", "34"}}));
  EXPECT_THAT(Resolve(rule, {{"a", "12"}, {"b", "345"}}), IsFieldRefusal(v1::FIELD_TOO_LONG, std::string(kAttributes)));
}

}  // namespace
}  // namespace livekit::token
