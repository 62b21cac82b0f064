#include "server/build/policies.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "server/build/context.h"
#include "server/build/extends.h"
#include "server/build/policy_fields.h"
#include "server/build/policy_match.h"
#include "server/build/policy_warnings.h"
#include "server/build/room_config_rule.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

constexpr std::chrono::seconds kMinParticipantTtl{2 * 60};  // SDKs do not cache tokens that live a minute or less
constexpr std::chrono::seconds kMaxParticipantTtl{24 * 60 * 60};
constexpr char kSubject[] = "{subject}";

class PolicyBuilder {
 public:
  PolicyBuilder(const cfg::ServerConfig& config, Context& context) : config_(config), context_(context) {}

  std::vector<PolicyRules> Build() {
    std::set<std::string> names;
    for (int i = 0; i < config_.policies_size(); ++i) {
      context_.CheckName(ConfigPath("policies", i), config_.policies(i).name(), names);
    }
    const std::vector<MergedPolicy> merged = MergePolicies(config_, context_);
    std::vector<PolicyRules> policies(merged.size());
    std::vector<std::string> identities(merged.size());
    // Those that are extended first, so that their problems are noted where they are.
    std::vector<std::size_t> order(merged.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return merged[a].depth < merged[b].depth; });
    for (const std::size_t i : order) {
      if (!merged[i].valid) continue;
      ConfigProblems before = std::exchange(context_.problems, {});
      policies[i] = BuildPolicy(ConfigPath("policies", static_cast<int>(i)), merged[i].policy, identities[i]);
      ConfigProblems own = std::exchange(context_.problems, std::move(before));
      for (ConfigProblem& problem : own) Attribute(static_cast<int>(i), merged[i], std::move(problem));
    }
    if (context_.problems.empty()) CheckTogether(policies, identities, context_);
    return policies;
  }

 private:
  // Notes a problem of a policy where the field is stated, and once if several policies take the field over.
  void Attribute(int index, const MergedPolicy& merged, ConfigProblem problem) {
    const std::string own = ConfigPath("policies", index);
    for (const auto& [field, origin] : merged.origins) {
      const std::string place = ConfigPath(own, field);
      const bool inside = problem.path.compare(0, place.size(), place) == 0 &&
                          (problem.path.size() == place.size() || problem.path[place.size()] == '.');
      if (!inside) continue;
      problem.path = ConfigPath(ConfigPath("policies", origin), field) + problem.path.substr(place.size());
      const bool noted = std::any_of(context_.problems.begin(), context_.problems.end(), [&](const ConfigProblem& p) {
        return p.path == problem.path && p.message == problem.message;
      });
      if (noted) return;
      problem.message += " (where " + own + " takes it over)";
      break;
    }
    context_.Problem(problem.path, std::move(problem.message));
  }

  PolicyRules BuildPolicy(const std::string& path, const cfg::Policy& policy, std::string& identity) {
    const auto place = [&](const char* field) { return ConfigPath(path, field); };
    PolicyRules rules;
    rules.name = policy.name();
    rules.match = BuildMatch(place("match"), policy.match(), config_, context_);
    const bool anonymous = !context_.anonymous.empty() && rules.match.authenticator == context_.anonymous;
    rules.project = context_.FindProject(place("project"), policy.project());

    const auto field = [&](const char* name, const cfg::FieldRule& rule, const FieldPlace& of) {
      return BuildField(place(name), rule, of, anonymous, context_);
    };
    if (policy.has_room()) {
      rules.room = field("room", policy.room(), kRoomField);
    } else {
      context_.Problem(place("room"), "is required: who chooses the room must be stated");
    }
    if (policy.has_identity()) {
      rules.identity = field("identity", policy.identity(), kIdentityField);
      identity = policy.identity().value();
    } else if (anonymous) {
      rules.identity.default_value = *Template::Parse("guest-{random}");
    } else {
      rules.identity.mode = FieldMode::kIfEqual;
      rules.identity.value = *Template::Parse(kSubject);
      identity = kSubject;
    }
    if (policy.has_display_name()) {
      rules.display_name = field("display_name", policy.display_name(), kDisplayNameField);
    } else {
      rules.display_name.mode = FieldMode::kAllow;
      rules.display_name.default_value = *Template::Parse("{claims.name?}");
    }
    if (policy.has_metadata()) rules.metadata = field("metadata", policy.metadata(), kMetadataField);
    rules.attributes = BuildAttributes(place("attributes"), policy.attributes(), anonymous, context_);
    rules.room_config = BuildRoomConfig(place("room_config"), policy.room_config(), anonymous, context_);
    if (policy.has_grants()) rules.grants = BuildPolicyGrants(place("grants"), policy.grants());
    if (policy.has_ttl()) {
      rules.ttl = context_.Seconds(place("ttl"), policy.ttl());
      if (rules.ttl < kMinParticipantTtl || rules.ttl > kMaxParticipantTtl) {
        context_.Problem(place("ttl"), "must be from 2m to 24h");
      }
    }
    if (policy.max_token_bytes() < 0) context_.Problem(place("max_token_bytes"), "must not be negative");
    rules.max_token_bytes = policy.max_token_bytes();
    return rules;
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

  const cfg::ServerConfig& config_;
  Context& context_;
};

}  // namespace

std::vector<PolicyRules> BuildPolicies(const cfg::ServerConfig& config, Context& context) {
  return PolicyBuilder(config, context).Build();
}

}  // namespace livekit::token::build
