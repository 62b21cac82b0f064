// Development mode: everything for everyone, apart from credentials.

#include "server/dev_config.h"

#include <string>
#include <utility>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "livekit/token/grants.h"
#include "server/authority_builder.h"

namespace livekit::token {
namespace {

using testing::EnvironmentOf;
using ::testing::HasSubstr;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::NoEnvironment;

// --- development mode

class DevelopmentMode : public testing::AuthorityFixture {
 protected:
  void Start(const Environment& environment) {
    BuildOptions options;
    options.environment = environment;
    options.dev = true;
    const BuildResult built = BuildAuthorityState(DevConfig(environment), options);
    ASSERT_EQ(FormatProblems("dev", built.problems), "");
    authority_ = std::make_unique<TokenAuthority>(built.state, clock_, metrics_);
  }
};

TEST_F(DevelopmentMode, IsRefusedOutsideDevelopment) {
  BuildOptions options;
  options.environment = NoEnvironment();
  const BuildResult built = BuildAuthorityState(DevConfig(NoEnvironment()), options);
  EXPECT_EQ(built.state, nullptr);
  EXPECT_THAT(FormatProblems("f", built.problems), HasSubstr("services[0].match.authenticator: is anonymous"));
}

TEST_F(DevelopmentMode, SignsWithTheEnvironmentsKeyOrLiveKitsOwn) {
  Start(NoEnvironment());
  EXPECT_EQ(Issue(As(""), {})->key_id(), "devkey");
  Start(EnvironmentOf({{"LIVEKIT_URL", "https://acme.livekit.cloud"},
                       {"LIVEKIT_API_KEY", "APImine"},
                       {"LIVEKIT_API_SECRET", "short"}}));
  auto issued = Issue(As(""), {});
  ASSERT_OK(issued);
  EXPECT_EQ(issued->key_id(), "APImine");
  EXPECT_EQ(issued->server_url(), "wss://acme.livekit.cloud");
  Start(EnvironmentOf({{"LIVEKIT_KEYS", "APIone: x\nAPItwo: y"}}));
  EXPECT_EQ(Issue(As(""), {})->key_id(), "APIone");
}

TEST_F(DevelopmentMode, LetsAnonymousClientsChooseEverything) {
  Start(NoEnvironment());
  auto request = InRoom("lobby");
  request.set_participant_identity("alice");
  request.set_participant_name("Alice");
  request.set_participant_metadata("m");
  (*request.mutable_participant_attributes())["k"] = "v";
  for (int i = 0; i < 3; ++i) request.mutable_room_config()->add_agents()->set_agent_name("any-" + std::to_string(i));
  request.mutable_room_config()->mutable_egress()->mutable_tracks()->set_filepath("f");
  auto issued = Issue(As(""), request);
  ASSERT_OK(issued);
  EXPECT_EQ(issued->room_name(), "lobby");
  EXPECT_EQ(issued->participant_identity(), "alice");
  auto& tracks = *request.mutable_room_config()->mutable_egress()->mutable_tracks();
  tracks.mutable_s3()->set_secret("x");
  EXPECT_THAT(Issue(As(""), request), IsRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG));
}

TEST_F(DevelopmentMode, TakesAnySandboxIdAndIsAsOpenWithOneAsWithout) {
  const auto config = DevConfig(NoEnvironment());
  ASSERT_EQ(config.policies_size(), 2);
  auto with_id = config.policies(1);
  EXPECT_THAT(with_id.match().sandbox_id(), ::testing::ElementsAre("*"));
  with_id.mutable_match()->clear_sandbox_id();
  with_id.set_name(config.policies(0).name());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(with_id, config.policies(0)));

  Start(NoEnvironment());
  v1::BatchIssueParticipantTokensRequest request;
  for (const char* id : {"", "my-app-1x2y", "x"}) request.add_items()->set_sandbox_id(id);
  auto batch = BatchIssue(As(""), request);
  ASSERT_OK(batch);
  for (const auto& result : batch->results()) EXPECT_TRUE(result.has_token()) << result.DebugString();
}

TEST_F(DevelopmentMode, MintsEverythingButCredentials) {
  Start(NoEnvironment());
  v1::MintAccessTokenRequest request = Join("alice", "lobby");
  v1::Grants& grants = *request.mutable_grants();
  for (google::protobuf::Message* grant : std::initializer_list<google::protobuf::Message*>{
           grants.mutable_video(), grants.mutable_sip(), grants.mutable_agent(), grants.mutable_inference(),
           grants.mutable_observability()}) {
    for (int i = 0; i < grant->GetDescriptor()->field_count(); ++i) {
      const auto* field = grant->GetDescriptor()->field(i);
      if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_BOOL) continue;
      grant->GetReflection()->SetBool(grant, field, true);
    }
  }
  grants.mutable_video()->set_destination_room("other");
  grants.mutable_video()->add_can_publish_sources("camera");
  grants.set_room_preset("any");
  grants.set_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  (*grants.mutable_extra_claims()->mutable_fields())["new"].set_bool_value(true);
  grants.mutable_room_config()->set_max_participants(3);
  for (const auto detail : KindDetails()) grants.add_kind_details(std::string(detail));
  for (const auto kind : ParticipantKinds()) {
    grants.set_kind(std::string(kind));
    auto minted = Mint(As(""), request);
    ASSERT_OK(minted) << kind;
    auto verified = Verify(As(""), minted->token());
    ASSERT_OK(verified);
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(verified->verified().grants(), grants))
        << verified->DebugString();
  }
  request.mutable_ttl()->set_seconds(365 * 24 * 3600);
  EXPECT_OK(Mint(As(""), request));
  request.mutable_ttl()->set_seconds(365 * 24 * 3600 + 1);
  EXPECT_THAT(Mint(As(""), request), IsFieldRefusal(v1::TTL_NOT_PERMITTED, std::string("ttl")));
  request.clear_ttl();
  grants.mutable_room_config()->mutable_egress()->mutable_room()->add_stream_outputs();
  EXPECT_THAT(Mint(As(""), request), IsRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG));
}

TEST_F(DevelopmentMode, StillRefusesCredentialsThatItDoesNotKnow) {
  Start(NoEnvironment());
  EXPECT_THAT(Issue(As("web"), {}), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(Mint(AsCaller("web"), Join("a", "r")), IsRefusal(v1::AUTHENTICATION_FAILED));
}

}  // namespace
}  // namespace livekit::token
