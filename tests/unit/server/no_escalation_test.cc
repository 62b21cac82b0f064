// Property: what a token allows lies within what was asked for, what the policy says and what the ceiling of the caller
// permits. Configurations are made at random as YAML and go through the builder; what they mean is written here once
// more, from the rules and LiveKit's defaults and not from the engine's code.

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "authority_fixture.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/access_token.h"
#include "random_policies.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::Applies;
using testing::Chance;
using testing::ClaimsOf;
using testing::Effective;
using testing::EffectiveOf;
using testing::Expand;
using testing::InDir;
using testing::kSources;
using testing::Like;
using testing::LikeAny;
using testing::List;
using testing::Person;
using testing::Pick;
using testing::PolicyModel;
using testing::Random;
using testing::RandomPerson;
using testing::RandomPolicy;
using testing::RandomRequest;
using testing::Some;

// Whether the policy lets the token carry this configuration.
::testing::AssertionResult ConfigWithin(const PolicyModel& p, const livekit::RoomConfiguration& config) {
  const auto fail = [](const char* why) { return ::testing::AssertionFailure() << why; };
  if (config.ByteSizeLong() == 0) return ::testing::AssertionSuccess();
  if (p.config != "allow") return fail("not allowed");
  const auto within = [&](const char* name, std::uint32_t asked) {
    const auto most = p.limits.find(name);
    return asked == 0 || (most != p.limits.end() && asked <= most->second);
  };
  if (!within("empty_timeout", config.empty_timeout()) || !within("departure_timeout", config.departure_timeout()) ||
      !within("max_participants", config.max_participants()) ||
      !within("max_playout_delay", config.max_playout_delay()) ||
      !within("max_playout_delay", config.min_playout_delay())) {
    return fail("limits");
  }
  if (config.sync_streams()) return fail("sync_streams");
  if (config.has_egress() && !p.egress) return fail("egress");
  for (const auto& [key, value] : config.tags()) {
    if (!LikeAny(p.tags, key)) return fail("tags");
  }
  if (config.agents_size() > p.max_agents) return fail("number of agents");
  for (const auto& agent : config.agents()) {
    if (agent.ByteSizeLong() == 0) continue;
    if (!LikeAny(p.agents, agent.agent_name())) return fail("agent");
    if (!agent.deployment().empty() && !LikeAny(p.deployments, agent.deployment())) return fail("deployment");
  }
  return ::testing::AssertionSuccess();
}

class NoEscalation : public testing::AuthorityFixture {
 protected:
  static constexpr char kHead[] = R"(
projects:
  - { name: main, client_url: wss://main.example, keys: { file: $DIR/main.keys, signing_key: APImain } }
authenticators:
  - { name: partners, api_keys: { file: $DIR/partners.yaml } }
  - { name: programs, api_keys: { file: $DIR/programs.yaml, header: authorization } }
policies:
)";

  // The model's policy for a request; null if none.
  static const PolicyModel* First(const std::vector<PolicyModel>& models, const Person& person, const std::string& room,
                                  const std::string& sandbox) {
    for (const auto& model : models) {
      if (Applies(model, person, room, sandbox)) return &model;
    }
    return nullptr;
  }
};

TEST_F(NoEscalation, OfParticipants) {
  Random random(20261124);
  int granted = 0;
  int refused = 0;
  constexpr int kConfigurations = 600;
  constexpr int kRequests = 500;
  for (int c = 0; c < kConfigurations; ++c) {
    std::vector<PolicyModel> models;
    std::string yaml = kHead;
    for (int i = 0; i < 4; ++i) {
      models.push_back(RandomPolicy(random, i));
      yaml += ToYaml(models.back());
    }
    const auto state = Build(yaml);
    ASSERT_NE(state, nullptr) << yaml;
    for (int r = 0; r < kRequests; ++r) {
      const Person person = RandomPerson(random);
      const livekit::TokenSourceRequest request = RandomRequest(random);
      const std::string sandbox = Chance(random, 15) ? Pick<std::string>(random, {"box", "other"}) : "";
      const auto shown = [&] {
        return yaml + person.subject + person.claims.dump() + request.ShortDebugString() + " sandbox " + sandbox;
      };
      const PolicyModel* model = First(models, person, request.room_name(), sandbox);
      const auto decision = state->policies.Decide(person.ToPrincipal(), request, sandbox);
      if (model == nullptr) {
        ASSERT_THAT(decision, testing::IsRefusal(v1::NO_POLICY)) << shown();
        continue;
      }
      if (!decision.ok()) {
        ASSERT_NE(ReasonOf(decision.status()), v1::NO_POLICY) << shown();
        ++refused;
        continue;
      }
      ++granted;
      const v1::Grants& grants = decision->grants;
      ASSERT_EQ(decision->policy->name, model->name) << shown();
      ASSERT_TRUE(model->room.Explains(request.room_name(), grants.video().room(), person)) << shown();
      ASSERT_TRUE(model->identity.Explains(request.participant_identity(), grants.identity(), person)) << shown();
      ASSERT_TRUE(model->display_name.Explains(request.participant_name(), grants.name(), person)) << shown();
      ASSERT_TRUE(model->metadata.Explains(request.participant_metadata(), grants.metadata(), person)) << shown();
      ASSERT_FALSE(grants.identity().empty() || grants.video().room().empty()) << shown();
      for (const auto& [key, value] : grants.attributes()) {
        if (model->forced.count(key)) {
          ASSERT_EQ(Expand(model->forced.at(key), person), value) << shown();
          continue;
        }
        const auto sent = request.participant_attributes().find(key);
        ASSERT_TRUE(sent != request.participant_attributes().end() && sent->second == value) << shown();
        ASSERT_TRUE(model->attributes == "allow" && key != "lk.x" && key != "SIP.y") << shown();
        ASSERT_TRUE(model->keys.empty() || LikeAny(model->keys, key)) << shown();
      }
      for (const auto& [key, text] : model->forced) {
        ASSERT_EQ(Expand(text, person) == "" ? 0U : 1U, grants.attributes().count(key)) << shown();
      }
      ASSERT_TRUE(ConfigWithin(*model, grants.room_config())) << shown();
      if (grants.has_room_config()) {
        ASSERT_EQ(grants.room_config().ByteSizeLong(), request.room_config().ByteSizeLong()) << shown();
      }
      // And the token, as a server reads it.
      SignOptions options;
      options.ttl = decision->policy->ttl;
      const auto signed_token = Sign(*decision->policy->project->signing_key, grants, options, clock_.Now());
      if (!signed_token.ok()) continue;
      const json claims = ClaimsOf(signed_token->token);
      json most = model->grants.value_or(json::object());
      most["roomJoin"] = true;
      ASSERT_TRUE(EffectiveOf(claims["video"]).Within(EffectiveOf(most))) << shown() << claims.dump();
      ASSERT_EQ(claims["exp"].get<int>() - claims["nbf"].get<int>(), model->ttl);
      for (const char* absent : {"sip", "agent", "inference", "observability", "kind", "roomPreset", "sha256"}) {
        ASSERT_FALSE(claims.contains(absent)) << absent;
      }
      ASSERT_FALSE(claims["video"].contains("destinationRoom"));
    }
  }
  EXPECT_GT(granted, 5'000);
  EXPECT_GT(refused, 5'000);
}

// --- minting

const std::vector<std::string> kMintFlags = {"room_create",
                                             "room_list",
                                             "room_record",
                                             "room_admin",
                                             "room_join",
                                             "ingress_admin",
                                             "hidden",
                                             "recorder",
                                             "agent",
                                             "can_update_own_metadata",
                                             "can_subscribe_metrics",
                                             "can_manage_agent_session",
                                             "can_publish",
                                             "can_subscribe",
                                             "can_publish_data"};

std::string Camel(const std::string& snake) {
  std::string out;
  for (std::size_t i = 0; i < snake.size(); ++i) {
    if (snake[i] == '_') {
      out += static_cast<char>(snake[++i] - 'a' + 'A');
    } else {
      out += snake[i];
    }
  }
  return out;
}

TEST_F(NoEscalation, OfServices) {
  Random random(7);
  int minted = 0;
  int refused = 0;
  for (int c = 0; c < 60; ++c) {
    json ceiling = json::object();
    std::string flags;
    for (const auto& flag : kMintFlags) {
      const bool permitted = Chance(random, flag == "room_join" ? 90 : 55);
      ceiling[Camel(flag)] = permitted;
      flags += flag + ": " + (permitted ? "true" : "false") + ", ";
    }
    const auto sources = Some(random, {"camera", "microphone", "screen_share"});
    ceiling["canPublishSources"] = sources;
    const std::vector<std::string> rooms =
        Chance(random, 70) ? std::vector<std::string>{"a_*", "lobby"} : Some(random, {"a*", "*"});
    const std::vector<std::string> identities =
        Chance(random, 70) ? std::vector<std::string>{"rec_*", "bob"} : Some(random, {"*"});
    const int max_ttl = 60 + static_cast<int>(random() % 3600);
    const std::string yaml =
        std::string(kHead) +
        "  - { name: p, match: { authenticator: partners }, room: { client: allow } }\n"
        "services:\n  - name: s\n    match: { authenticator: programs, subject: recorder }\n    mint: { "
        "rooms: " +
        List(rooms) + ", identities: " + List(identities) + ", max_ttl: " + std::to_string(max_ttl) + "s, video: { " +
        flags + "can_publish_sources: " + List(sources) + " } }\n";
    const auto state = Build(yaml);
    ASSERT_NE(state, nullptr) << yaml;
    authority_ = std::make_unique<TokenAuthority>(state, clock_, metrics_);
    for (int r = 0; r < 250; ++r) {
      v1::MintAccessTokenRequest request;
      v1::Grants& grants = *request.mutable_grants();
      json asked = json::object();
      const auto* descriptor = v1::VideoGrant::descriptor();
      for (const auto& flag : kMintFlags) {
        if (Chance(random, flag == "room_join" ? 40 : 85)) continue;
        const bool value = Chance(random, 70);
        grants.mutable_video()->GetReflection()->SetBool(grants.mutable_video(), descriptor->FindFieldByName(flag),
                                                         value);
        asked[Camel(flag)] = value;
      }
      for (const auto& source :
           Chance(random, 50) ? std::vector<std::string>{} : Some(random, {"camera", "screen_share_audio"})) {
        grants.mutable_video()->add_can_publish_sources(source);
        asked["canPublishSources"].push_back(source);
      }
      grants.set_identity(Pick<std::string>(random, {"rec_1", "bob", "mallory", "rec_1"}));
      grants.mutable_video()->set_room(Pick<std::string>(random, {"a_1", "lobby", "b", "a_1"}));
      if (Chance(random, 20)) grants.mutable_video()->set_destination_room(Pick<std::string>(random, {"a_2", "c"}));
      if (Chance(random, 50)) request.mutable_ttl()->set_seconds(1 + static_cast<int>(random() % 4000));
      const auto result = Mint(AsCaller("recorder"), request);
      if (!result.ok()) {
        ++refused;
        continue;
      }
      ++minted;
      const json claims = ClaimsOf(result->token());
      const json video = claims.value("video", json::object());
      const std::string shown = yaml + request.ShortDebugString() + claims.dump();
      const Effective effective = EffectiveOf(video);
      ASSERT_TRUE(effective.Within(EffectiveOf(ceiling))) << shown;
      ASSERT_TRUE(effective.Within(EffectiveOf(asked))) << shown;
      ASSERT_TRUE(LikeAny(identities, claims["sub"].get<std::string>())) << shown;
      ASSERT_TRUE(LikeAny(rooms, video.value("room", ""))) << shown;
      if (video.contains("destinationRoom")) {
        ASSERT_TRUE(LikeAny(rooms, video["destinationRoom"].get<std::string>())) << shown;
      }
      const int ttl = claims["exp"].get<int>() - claims["nbf"].get<int>();
      ASSERT_LE(ttl, max_ttl) << shown;
      if (request.has_ttl()) {
        ASSERT_EQ(ttl, request.ttl().seconds()) << shown;
      }
    }
  }
  EXPECT_GT(minted, 500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace livekit::token
