#include "server/message_diff.h"

#include <google/protobuf/text_format.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Grants Grants(const std::string& text) {
  v1::Grants grants;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &grants)) << text;
  return grants;
}

std::vector<std::string> Diff(const std::string& expected, const std::string& actual) {
  return Differences(Grants(expected), Grants(actual));
}

TEST(MessageDiff, HasALineForEveryField) {
  EXPECT_THAT(Diff(R"(identity: "a" video { room: "r" room_join: true })",
                   R"(identity: "a" video { room: "r" room_join: true })"),
              IsEmpty());
  EXPECT_THAT(
      Diff(R"(identity: "alice" video { room: "acme_a_*" hidden: true can_publish: false })",
           R"(identity: "bob" video { room: "acme_b_x" room_admin: true can_publish: true } kind: "agent")"),
      ElementsAre(R"(identity: expected "alice", got "bob")", R"(video.room: expected "acme_a_*", got "acme_b_x")",
                  "video.can_publish: expected false, got true", "video.hidden: expected true, got nothing",
                  R"(kind: not expected, got "agent")", "video.room_admin: not expected, got true"));
}

// LiveKit takes an absent `can_publish` for true: stating false is not the same as stating nothing.
TEST(MessageDiff, TellsAbsentFromFalse) {
  EXPECT_THAT(Diff("video {}", "video { can_publish: false }"),
              ElementsAre("video.can_publish: not expected, got false"));
  EXPECT_THAT(Diff("video { can_publish: false }", "video {}"),
              ElementsAre("video.can_publish: expected false, got nothing", "video: not expected, got {}"));
}

TEST(MessageDiff, TakesOnlyAStarInTheExpectation) {
  EXPECT_THAT(Diff(R"(identity: "guest-*")", R"(identity: "guest-1")"), IsEmpty());
  EXPECT_THAT(Diff(R"(identity: "*")", R"(identity: "")"), ElementsAre(R"(identity: expected "*", got nothing)"));
  EXPECT_THAT(Diff(R"(identity: "guest-1")", R"(identity: "guest-*")"),
              ElementsAre(R"(identity: expected "guest-1", got "guest-*")"));
  EXPECT_THAT(Diff(R"(identity: "g.est")", R"(identity: "guest")"), ElementsAre(::testing::HasSubstr("g.est")));
}

TEST(MessageDiff, GoesIntoListsMapsAndMessages) {
  EXPECT_THAT(Diff(R"(video { can_publish_sources: ["camera", "microphone"] } attributes { key: "lang" value: "d*" }
              attributes { key: "tier" value: "pro" } room_config { agents { agent_name: "bot" } })",
                   R"(video { can_publish_sources: ["camera"] } attributes { key: "lang" value: "en" }
              attributes { key: "x" value: "y" } room_config { max_participants: 3 agents { agent_name: "bot" } agents {} })"),
              ::testing::UnorderedElementsAre(
                  R"(video.can_publish_sources[1]: expected "microphone", got nothing)",
                  R"(attributes.lang: expected "d*", got "en")", R"(attributes.tier: expected "pro", got nothing)",
                  R"(attributes.x: not expected, got "y")", "room_config.max_participants: not expected, got 3",
                  "room_config.agents[1]: not expected, got {}"));
  EXPECT_THAT(Diff("room_config {}", R"(room_config { name: "n" })"),
              ElementsAre(R"(room_config.name: not expected, got "n")"));
  EXPECT_THAT(Diff("room_config {}", ""), ElementsAre("room_config: expected {}, got nothing"));
}

TEST(MessageDiff, ShowsOtherKindsOfValues) {
  v1::Grants grants;
  auto& fields = *grants.mutable_extra_claims()->mutable_fields();
  fields["n"].set_number_value(1.5);
  fields["t"].set_string_value("line\nend\xff");
  std::string shown;
  for (const auto& field : StatedFields(grants)) shown += field.path + "=" + Shown(field) + ";";
  EXPECT_EQ(shown,
            "extra_claims.fields.n.number_value=1.5;extra_claims.fields.t.string_value=\"line\\nend\xEF\xBF\xBD\";");
}

}  // namespace
}  // namespace livekit::token
