#include "server/dev_config.h"

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>

#include "livekit/token/grants.h"

namespace livekit::token {

namespace cfg = config::v1;

cfg::ServerConfig DevConfig(const Environment& environment) {
  cfg::ServerConfig config;
  config.set_reflection(true);
  auto& project = *config.add_projects();
  project.set_name("dev");
  project.set_client_url(environment("LIVEKIT_URL").value_or(""));
  project.mutable_keys()->set_env(true);
  auto& anonymous = *config.add_authenticators();
  anonymous.set_name("anonymous");
  anonymous.mutable_anonymous();

  auto& policy = *config.add_policies();
  policy.set_name("dev");
  policy.mutable_match()->set_authenticator("anonymous");
  policy.mutable_room()->set_client(cfg::FIELD_MODE_ALLOW);
  policy.mutable_room()->set_default_("room-{random}");
  policy.mutable_identity()->set_client(cfg::FIELD_MODE_ALLOW);
  policy.mutable_identity()->set_default_("guest-{random}");
  policy.mutable_display_name()->set_client(cfg::FIELD_MODE_ALLOW);
  policy.mutable_metadata()->set_client(cfg::FIELD_MODE_ALLOW);
  policy.mutable_attributes()->set_client(cfg::FIELD_MODE_ALLOW);
  auto& room_config = *policy.mutable_room_config();
  room_config.set_client(cfg::FIELD_MODE_ALLOW);
  room_config.add_agents("*");
  room_config.set_max_agents(1000);
  room_config.set_egress(true);
  room_config.add_deployments("*");
  room_config.add_tags("*");
  room_config.set_max_metadata_bytes(std::numeric_limits<std::int32_t>::max());
  constexpr auto kAny = std::numeric_limits<std::uint32_t>::max();
  room_config.mutable_limits()->set_empty_timeout(kAny);
  room_config.mutable_limits()->set_departure_timeout(kAny);
  room_config.mutable_limits()->set_max_participants(kAny);
  room_config.mutable_limits()->set_max_playout_delay(kAny);
  room_config.mutable_limits()->set_sync_streams(true);
  // The same for the sandbox route: a policy without sandbox ids is not for requests that have one.
  auto& sandbox = *config.add_policies();
  sandbox = config.policies(0);
  sandbox.set_name("dev-sandbox");
  sandbox.mutable_match()->add_sandbox_id("*");

  auto& service = *config.add_services();
  service.set_name("dev");
  service.mutable_match()->set_authenticator("anonymous");
  service.set_relay(true);
  service.set_verify(true);
  service.set_explain(true);
  auto& mint = *service.mutable_mint();
  mint.add_rooms("*");
  mint.add_identities("*");
  mint.add_room_presets("*");
  // Every boolean of every grant, so that a new one is there too.
  for (google::protobuf::Message* grant :
       std::initializer_list<google::protobuf::Message*>{mint.mutable_video(), mint.mutable_sip(), mint.mutable_agent(),
                                                         mint.mutable_inference(), mint.mutable_observability()}) {
    const auto* descriptor = grant->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const auto* field = descriptor->field(i);
      if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_BOOL) {
        grant->GetReflection()->SetBool(grant, field, true);
      }
    }
  }
  for (const auto kind : ParticipantKinds()) mint.add_kinds(std::string(kind));
  for (const auto detail : KindDetails()) mint.add_kind_details(std::string(detail));
  mint.set_sha256(true);
  mint.set_extra_claims(true);
  mint.set_room_config(true);
  mint.mutable_max_ttl()->set_seconds(365 * 24 * 60 * 60);
  return config;
}

}  // namespace livekit::token
