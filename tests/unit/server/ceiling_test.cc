#include "server/ceiling.h"

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "livekit/token/grants.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using nlohmann::json;
using testing::Effective;
using testing::EffectiveOf;
using testing::IsFieldRefusal;
using testing::kOtherFlags;
using testing::kSources;

// The `video` claim that says the same: plain booleans only when true, the others when stated.
json ClaimOf(const v1::VideoGrant& video) {
  json claim = json::object();
  const auto* reflection = video.GetReflection();
  for (int i = 0; i < video.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = video.GetDescriptor()->field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL && reflection->HasField(video, field)) {
      claim[field->json_name()] = reflection->GetBool(video, field);
    }
  }
  for (const auto& source : video.can_publish_sources()) claim["canPublishSources"].push_back(source);
  return claim;
}

// What a ceiling permits: nothing that it does not state.
Effective PermittedBy(const v1::VideoGrant& ceiling) {
  json claim = ClaimOf(ceiling);
  for (const char* name : {"canPublish", "canSubscribe", "canPublishData"}) {
    if (!claim.contains(name)) claim[name] = false;
  }
  return EffectiveOf(claim);
}

Effective Intersection(const Effective& a, const Effective& b) {
  Effective both;
  both.sources = a.sources & b.sources;
  both.publish = both.sources != 0;
  both.subscribe = a.subscribe && b.subscribe;
  both.data = a.data && b.data;
  for (const char* name : kOtherFlags) both.others[name] = a.others.at(name) && b.others.at(name);
  return both;
}

std::vector<const FieldDescriptor*> Flags(const Message& message) {
  std::vector<const FieldDescriptor*> flags;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) flags.push_back(field);
  }
  return flags;
}

// --- every combination of what is asked and what is permitted

using Random = std::mt19937_64;

void Randomize(Random& random, int percent_stated, int percent_true, v1::VideoGrant& video) {
  for (const FieldDescriptor* field : Flags(video)) {
    if (static_cast<int>(random() % 100) >= percent_stated) continue;
    video.GetReflection()->SetBool(&video, field, static_cast<int>(random() % 100) < percent_true);
  }
  if (random() % 2 == 0) {
    for (const char* source : kSources) {
      if (random() % 2 == 0) video.add_can_publish_sources(source);
    }
  }
}

// Whether anything beyond the ceiling is asked for by name.
bool AsksBeyond(const v1::VideoGrant& asked, const v1::VideoGrant& ceiling) {
  for (const FieldDescriptor* field : Flags(asked)) {
    if (asked.GetReflection()->GetBool(asked, field) && !ceiling.GetReflection()->GetBool(ceiling, field)) return true;
  }
  return false;
}

// The grants to sign for `asked`.
absl::StatusOr<v1::Grants> Apply(const MintCeiling& ceiling, v1::Grants asked) {
  LKT_RETURN_IF_ERROR(ApplyCeiling(ceiling, asked));
  return asked;
}

TEST(ApplyCeiling, GrantsExactlyTheIntersectionOfRequestAndCeilingOrRefuses) {
  Random random(20240601);
  int granted = 0;
  int refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    MintCeiling ceiling;
    v1::Grants asked;
    Randomize(random, 70, 75, ceiling.video);
    Randomize(random, 25, 60, *asked.mutable_video());
    const v1::VideoGrant& before = asked.video();

    const auto result = Apply(ceiling, asked);
    const std::string shown = "ceiling " + ceiling.video.ShortDebugString() + "\nasked " + before.ShortDebugString();
    if (AsksBeyond(before, ceiling.video)) {
      ++refused;
      ASSERT_THAT(result, testing::IsRefusal(v1::GRANT_NOT_PERMITTED)) << shown;
      continue;
    }
    ++granted;
    ASSERT_OK(result) << shown;
    const v1::VideoGrant& after = result->video();
    const Effective got = EffectiveOf(ClaimOf(after));
    const Effective wanted = EffectiveOf(ClaimOf(before));
    const Effective permitted = PermittedBy(ceiling.video);
    ASSERT_TRUE(got.Within(wanted)) << shown << "\ngot " << after.ShortDebugString();
    ASSERT_TRUE(got.Within(permitted)) << shown << "\ngot " << after.ShortDebugString();
    // Nothing is taken away either.
    ASSERT_TRUE(Intersection(wanted, permitted).Within(got)) << shown << "\ngot " << after.ShortDebugString();
    // What was stated as false stays stated.
    for (const FieldDescriptor* field : Flags(before)) {
      if (!before.GetReflection()->HasField(before, field) || before.GetReflection()->GetBool(before, field)) continue;
      ASSERT_FALSE(after.GetReflection()->GetBool(after, field)) << shown;
      ASSERT_TRUE(!field->has_presence() || after.GetReflection()->HasField(after, field)) << shown;
    }
    // A second time changes nothing.
    const auto again = Apply(ceiling, *result);
    ASSERT_TRUE(again.ok() && EffectiveOf(ClaimOf(again->video())).Within(got) &&
                got.Within(EffectiveOf(ClaimOf(again->video()))))
        << shown;
  }
  // The numbers show that both branches were tried.
  EXPECT_GT(granted, 20'000);
  EXPECT_GT(refused, 20'000);
}

TEST(ApplyCeiling, DeniesByNameWhatLiveKitWouldGrantByDefault) {
  v1::Grants asked;
  asked.mutable_video();
  const auto result = Apply({}, asked);
  ASSERT_OK(result);
  EXPECT_TRUE(result->video().has_can_publish() && !result->video().can_publish());
  EXPECT_TRUE(result->video().has_can_subscribe() && !result->video().can_subscribe());
  EXPECT_TRUE(result->video().has_can_publish_data() && !result->video().can_publish_data());
  const Effective got = EffectiveOf(ClaimOf(result->video()));
  EXPECT_FALSE(got.publish || got.subscribe || got.data);
}

TEST(ApplyCeiling, LeavesDefaultsThatAreWithinTheCeiling) {
  MintCeiling ceiling;
  ceiling.video.set_can_publish(true);
  ceiling.video.set_can_subscribe(true);
  ceiling.video.set_can_publish_data(true);
  v1::Grants asked;
  asked.mutable_video();
  const auto result = Apply(ceiling, asked);
  ASSERT_OK(result);
  EXPECT_TRUE(MessageDifferencer::Equals(*result, asked)) << result->DebugString();
}

TEST(ApplyCeiling, WritesPermittedSourcesWhenAllAreAskedFor) {
  MintCeiling ceiling;
  ceiling.video.set_can_publish(true);
  ceiling.video.add_can_publish_sources("microphone");
  v1::Grants asked;
  asked.mutable_video();
  auto result = Apply(ceiling, asked);
  ASSERT_OK(result);
  EXPECT_THAT(result->video().can_publish_sources(), ::testing::ElementsAre("microphone"));
  EXPECT_FALSE(result->video().has_can_publish());
}

TEST(ApplyCeiling, NarrowsSourcesAndForbidsPublishingWhenNoneIsLeft) {
  MintCeiling ceiling;
  ceiling.video.set_can_publish(true);
  ceiling.video.add_can_publish_sources("microphone");
  v1::Grants asked;
  asked.mutable_video()->set_can_publish(true);
  asked.mutable_video()->add_can_publish_sources("camera");
  auto none = Apply(ceiling, asked);
  ASSERT_OK(none);
  EXPECT_TRUE(none->video().has_can_publish());
  EXPECT_FALSE(none->video().can_publish());
  EXPECT_EQ(none->video().can_publish_sources_size(), 0);

  asked.mutable_video()->add_can_publish_sources("microphone");
  auto one = Apply(ceiling, asked);
  ASSERT_OK(one);
  EXPECT_TRUE(one->video().can_publish());
  EXPECT_THAT(one->video().can_publish_sources(), ::testing::ElementsAre("microphone"));
}

TEST(ApplyCeiling, NamesNoSourcesWherePublishingIsForbidden) {
  MintCeiling ceiling;
  v1::Grants asked;
  asked.mutable_video()->add_can_publish_sources("camera");
  auto by_ceiling = Apply(ceiling, asked);
  ASSERT_OK(by_ceiling);
  EXPECT_EQ(by_ceiling->video().can_publish_sources_size(), 0);
  ceiling.video.set_can_publish(true);
  ceiling.video.add_can_publish_sources("camera");
  asked.mutable_video()->set_can_publish(false);
  auto by_request = Apply(ceiling, asked);
  ASSERT_OK(by_request);
  EXPECT_EQ(by_request->video().can_publish_sources_size(), 0);
}

TEST(ApplyCeiling, RefusesEachFlagThatTheCeilingLacksAndTakesItWhenItHasIt) {
  struct Part {
    const char* name;
    Message* (*of_grants)(v1::Grants&);
    Message* (*of_ceiling)(MintCeiling&);
  };
  const Part parts[] = {
      {"video", [](v1::Grants& g) -> Message* { return g.mutable_video(); },
       [](MintCeiling& c) -> Message* { return &c.video; }},
      {"sip", [](v1::Grants& g) -> Message* { return g.mutable_sip(); },
       [](MintCeiling& c) -> Message* { return &c.sip; }},
      {"agent", [](v1::Grants& g) -> Message* { return g.mutable_agent(); },
       [](MintCeiling& c) -> Message* { return &c.agent; }},
      {"inference", [](v1::Grants& g) -> Message* { return g.mutable_inference(); },
       [](MintCeiling& c) -> Message* { return &c.inference; }},
      {"observability", [](v1::Grants& g) -> Message* { return g.mutable_observability(); },
       [](MintCeiling& c) -> Message* { return &c.observability; }},
  };
  int tried = 0;
  for (const Part& part : parts) {
    v1::Grants none;
    for (const FieldDescriptor* field : Flags(*part.of_grants(none))) {
      v1::Grants asked;
      Message* const grant = part.of_grants(asked);
      grant->GetReflection()->SetBool(grant, field, true);
      const std::string path = std::string(part.name) + "." + field->name();

      // All others of all parts do not help.
      MintCeiling others;
      for (const Part& other : parts) {
        Message* const permitted = other.of_ceiling(others);
        for (const FieldDescriptor* flag : Flags(*permitted)) {
          permitted->GetReflection()->SetBool(permitted, flag, flag != field);
        }
      }
      EXPECT_THAT(Apply(others, asked), IsFieldRefusal(v1::GRANT_NOT_PERMITTED, path));
      MintCeiling only;
      Message* const permitted = part.of_ceiling(only);
      permitted->GetReflection()->SetBool(permitted, field, true);
      auto result = Apply(only, asked);
      ASSERT_OK(result) << path;
      Message* const minted = part.of_grants(*result);
      EXPECT_TRUE(minted->GetReflection()->GetBool(*minted, field)) << path;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 15 + 2 + 3 + 1 + 1);
}

TEST(ApplyCeiling, RefusesEachOtherRightThatTheCeilingLacksAndTakesItWhenItHasIt) {
  struct Right {
    const char* field;
    v1::ErrorReason reason;
    std::function<void(v1::Grants&)> ask;
    std::function<void(MintCeiling&)> permit;
  };
  const Right rights[] = {
      {"video.room", v1::ROOM_NOT_PERMITTED, [](auto& g) { g.mutable_video()->set_room("acme_1"); },
       [](auto& c) { c.rooms = {"acme_*"}; }},
      {"video.destination_room", v1::ROOM_NOT_PERMITTED,
       [](auto& g) { g.mutable_video()->set_destination_room("acme_1"); },
       [](auto& c) {
         c.rooms = {"x", "acme_*"};
       }},
      {"identity", v1::IDENTITY_NOT_PERMITTED, [](auto& g) { g.set_identity("rec_1"); },
       [](auto& c) { c.identities = {"rec_*"}; }},
      {"kind", v1::GRANT_NOT_PERMITTED, [](auto& g) { g.set_kind("agent"); }, [](auto& c) { c.kinds = {"agent"}; }},
      {"kind_details[0]", v1::GRANT_NOT_PERMITTED, [](auto& g) { g.add_kind_details("simulation"); },
       [](auto& c) { c.kind_details = {"simulation"}; }},
      {"room_config", v1::GRANT_NOT_PERMITTED, [](auto& g) { g.mutable_room_config()->set_max_participants(3); },
       [](auto& c) { c.room_config = true; }},
      {"room_preset", v1::GRANT_NOT_PERMITTED, [](auto& g) { g.set_room_preset("big"); },
       [](auto& c) { c.room_presets = {"b*"}; }},
      {"sha256", v1::GRANT_NOT_PERMITTED, [](auto& g) { g.set_sha256("x"); }, [](auto& c) { c.sha256 = true; }},
      {"extra_claims", v1::GRANT_NOT_PERMITTED,
       [](auto& g) { (*g.mutable_extra_claims()->mutable_fields())["new"].set_bool_value(true); },
       [](auto& c) { c.extra_claims = true; }},
  };
  for (const Right& right : rights) {
    v1::Grants asked;
    right.ask(asked);
    MintCeiling others;
    for (const Right& other : rights) {
      const bool same = std::string_view(other.field).substr(0, 5) == "video" &&
                        std::string_view(right.field).substr(0, 5) == "video";
      if (&other != &right && !same) other.permit(others);
    }
    others.sensitive_room_config = true;
    EXPECT_THAT(Apply(others, asked), IsFieldRefusal(right.reason, std::string(right.field)));
    MintCeiling only;
    right.permit(only);
    auto result = Apply(only, asked);
    ASSERT_OK(result) << right.field;
    if (result->has_video()) {  // the defaults of the empty ceiling were denied
      result->mutable_video()->clear_can_publish();
      result->mutable_video()->clear_can_subscribe();
      result->mutable_video()->clear_can_publish_data();
    }
    EXPECT_TRUE(MessageDifferencer::Equals(*result, asked)) << right.field << " " << result->DebugString();
  }
}

TEST(ApplyCeiling, MatchesNamesAsAWhole) {
  MintCeiling ceiling;
  ceiling.rooms = {"team-a", "acme_*_x"};
  ceiling.identities = {"rec_*"};
  const auto room = [&](const std::string& name) {
    v1::Grants asked;
    asked.mutable_video()->set_room(name);
    return Apply(ceiling, asked).ok();
  };
  for (const char* name : {"team-a", "acme__x", "acme_1_x", "acme_*_x"}) EXPECT_TRUE(room(name)) << name;
  for (const char* name : {"xteam-a", "team-ab", "Team-a", "team-a ", "*", "acme_1_xy", "acme_x", "xacme_1_x"}) {
    EXPECT_FALSE(room(name)) << name;
  }
  EXPECT_FALSE(room(std::string("team-a\0", 7)));
  v1::Grants asked;
  asked.set_identity("rec_1");
  EXPECT_OK(Apply(ceiling, asked));
  asked.set_identity("xrec_1");
  EXPECT_THAT(Apply(ceiling, asked), IsFieldRefusal(v1::IDENTITY_NOT_PERMITTED, std::string("identity")));
}

TEST(ApplyCeiling, ComparesKindsExactly) {
  MintCeiling ceiling;
  ceiling.kinds = {"standard", "*"};
  v1::Grants asked;
  asked.set_kind("standard");
  EXPECT_OK(Apply(ceiling, asked));
  asked.set_kind("agent");
  EXPECT_THAT(Apply(ceiling, asked), IsFieldRefusal(v1::GRANT_NOT_PERMITTED, std::string("kind")));
  asked.clear_kind();
  ceiling.kind_details = {"forwarded"};
  asked.add_kind_details("forwarded");
  asked.add_kind_details("simulation");
  EXPECT_THAT(Apply(ceiling, asked), IsFieldRefusal(v1::GRANT_NOT_PERMITTED, std::string("kind_details[1]")));
}

TEST(ApplyCeiling, LeavesWhatNoCeilingLimits) {
  v1::Grants asked;
  asked.set_name("Alice");
  asked.set_metadata("m");
  (*asked.mutable_attributes())["k"] = "v";
  auto result = Apply({}, asked);
  ASSERT_OK(result);
  EXPECT_TRUE(MessageDifferencer::Equals(*result, asked));
  EXPECT_FALSE(result->has_video());
}

// A field that is added to a grant must be judged: whoever adds one sees this test.
TEST(ApplyCeiling, KnowsEveryFieldOfGrants) {
  EXPECT_EQ(v1::Grants::descriptor()->field_count(), 15);
  EXPECT_EQ(v1::VideoGrant::descriptor()->field_count(), 18);
  EXPECT_EQ(v1::SipGrant::descriptor()->field_count(), 2);
  EXPECT_EQ(v1::AgentGrant::descriptor()->field_count(), 3);
  EXPECT_EQ(v1::InferenceGrant::descriptor()->field_count(), 1);
  EXPECT_EQ(v1::ObservabilityGrant::descriptor()->field_count(), 1);
}

}  // namespace
}  // namespace livekit::token
