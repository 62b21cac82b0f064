#include "server/build/policies.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "livekit/token/grants.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

constexpr std::chrono::seconds kMinParticipantTtl{2 * 60};  // SDKs do not cache tokens that live a minute or less
constexpr std::chrono::seconds kMaxParticipantTtl{24 * 60 * 60};

class PolicyBuilder {
 public:
  explicit PolicyBuilder(Context& context) : context_(context) {}

  std::vector<PolicyRules> Build(const google::protobuf::RepeatedPtrField<cfg::Policy>& configured) {
    std::vector<PolicyRules> policies;
    std::set<std::string> names;
    for (int i = 0; i < configured.size(); ++i) {
      const cfg::Policy& policy = configured[i];
      const std::string path = ConfigPath("policies", i);
      context_.CheckName(path, policy.name(), names);
      policies.push_back(BuildPolicy(path, policy));
    }
    return policies;
  }

 private:
  PolicyRules BuildPolicy(const std::string& path, const cfg::Policy& policy) {
    PolicyRules rules;
    rules.name = policy.name();
    rules.authenticator = policy.match().authenticator();
    context_.CheckAuthenticator(ConfigPath(path, "match.authenticator"), rules.authenticator);
    const bool anonymous = !context_.anonymous.empty() && rules.authenticator == context_.anonymous;
    rules.project = context_.FindProject(ConfigPath(path, "project"), policy.project());

    if (!policy.has_room())
      context_.Problem(ConfigPath(path, "room"), "is required: who chooses the room must be stated");
    rules.room = BuildField(ConfigPath(path, "room"), policy.room(), anonymous);
    if (policy.has_room()) CheckObtainable(ConfigPath(path, "room"), policy.room());
    if (policy.has_identity()) {
      rules.identity = BuildField(ConfigPath(path, "identity"), policy.identity(), anonymous);
      CheckObtainable(ConfigPath(path, "identity"), policy.identity());
    } else if (anonymous) {
      rules.identity.default_value = *Template::Parse("guest-{random}");
    } else {
      rules.identity.mode = FieldRule::Mode::kIfEqual;
      rules.identity.value = *Template::Parse("{subject}");
    }
    rules.display_name.mode = FieldRule::Mode::kAllow;
    if (policy.has_display_name()) {
      rules.display_name = BuildField(ConfigPath(path, "display_name"), policy.display_name(), anonymous);
    }
    if (policy.has_metadata()) {
      rules.metadata = BuildField(ConfigPath(path, "metadata"), policy.metadata(), anonymous);
    }
    rules.attributes_allowed = AllowOrForbid(ConfigPath(path, "attributes.client"), policy.attributes().client());
    const std::string config_path = ConfigPath(path, "room_config");
    rules.room_config.allowed = AllowOrForbid(ConfigPath(config_path, "client"), policy.room_config().client());
    context_.CheckGlobs(ConfigPath(config_path, "agents"), policy.room_config().agents());
    rules.room_config.agents.assign(policy.room_config().agents().begin(), policy.room_config().agents().end());
    if (policy.room_config().max_agents() < 0)
      context_.Problem(ConfigPath(config_path, "max_agents"), "must not be negative");
    if (policy.room_config().max_agents() > 0) rules.room_config.max_agents = policy.room_config().max_agents();
    rules.room_config.egress = policy.room_config().egress();
    if (policy.has_grants()) rules.grants = BuildPolicyGrants(ConfigPath(path, "grants"), policy.grants());
    if (policy.has_ttl()) {
      rules.ttl = context_.Seconds(ConfigPath(path, "ttl"), policy.ttl());
      if (rules.ttl < kMinParticipantTtl || rules.ttl > kMaxParticipantTtl) {
        context_.Problem(ConfigPath(path, "ttl"), "must be from 2m to 24h");
      }
    }
    return rules;
  }

  FieldRule BuildField(const std::string& path, const cfg::FieldRule& field, bool anonymous) {
    FieldRule rule;
    switch (field.client()) {
      case cfg::FIELD_MODE_ALLOW:
        rule.mode = FieldRule::Mode::kAllow;
        break;
      case cfg::FIELD_MODE_IF_EQUAL:
        rule.mode = FieldRule::Mode::kIfEqual;
        if (field.value().empty()) context_.Problem(ConfigPath(path, "value"), "is required with `client: if_equal`");
        break;
      default:
        break;
    }
    const auto parse = [&](const char* name, const std::string& text) -> std::optional<Template> {
      if (text.empty()) return std::nullopt;
      auto parsed = Template::Parse(text);
      if (!parsed.ok()) {
        context_.Problem(ConfigPath(path, name), Sentence(parsed.status()));
        return std::nullopt;
      }
      if (anonymous && parsed->uses_subject()) {
        context_.Problem(ConfigPath(path, name), "uses {subject}, which anonymous callers do not have; use {random}");
      }
      return *std::move(parsed);
    };
    rule.default_value = parse("default", field.default_());
    rule.value = parse("value", field.value());
    if (rule.value && rule.default_value)
      context_.Problem(path, "has both `default` and `value`; `value` is always taken");
    if (rule.value && rule.mode == FieldRule::Mode::kAllow) {
      context_.Problem(ConfigPath(path, "value"),
                       "is the forced value and does not go with `client: allow`; use `default`");
    }
    return rule;
  }

  // A room or identity that neither the client nor the policy may give would refuse every request.
  void CheckObtainable(const std::string& path, const cfg::FieldRule& field) {
    const bool forbidden = field.client() == cfg::FIELD_MODE_UNSPECIFIED || field.client() == cfg::FIELD_MODE_FORBID;
    if (forbidden && field.default_().empty() && field.value().empty()) {
      context_.Problem(path, "can never be had; give `value`, or `client: allow`");
    }
  }

  bool AllowOrForbid(const std::string& path, cfg::FieldMode mode) {
    if (mode == cfg::FIELD_MODE_IF_EQUAL) context_.Problem(path, "must be allow or forbid");
    return mode == cfg::FIELD_MODE_ALLOW;
  }

  v1::VideoGrant BuildPolicyGrants(const std::string& path, const v1::VideoGrant& grants) {
    if (!grants.has_can_publish() || !grants.has_can_subscribe() || !grants.has_can_publish_data()) {
      context_.Problem(
          path, "must state can_publish, can_subscribe and can_publish_data, since LiveKit grants what is left out");
    }
    context_.CheckSources(path, grants);
    const auto forbid = [&](bool stated, const char* field, const char* why) {
      if (stated) context_.Problem(ConfigPath(path, field), why);
    };
    constexpr char kUnscoped[] = "is not limited to one room, so it comes only from `services`";
    forbid(grants.room_create(), "room_create", kUnscoped);
    forbid(grants.room_list(), "room_list", kUnscoped);
    forbid(grants.room_record(), "room_record", kUnscoped);
    forbid(grants.ingress_admin(), "ingress_admin", kUnscoped);
    forbid(grants.agent(), "agent", kUnscoped);
    forbid(grants.room_join(), "room_join", "is granted by every policy; leave it out");
    forbid(!grants.room().empty(), "room", "is decided by the policy's `room`");
    forbid(!grants.destination_room().empty(), "destination_room", "comes only from `services`");
    return grants;
  }

  Context& context_;
};

}  // namespace

std::vector<PolicyRules> BuildPolicies(const google::protobuf::RepeatedPtrField<cfg::Policy>& policies,
                                       Context& context) {
  return PolicyBuilder(context).Build(policies);
}

}  // namespace livekit::token::build
