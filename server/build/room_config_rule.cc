#include "server/build/room_config_rule.h"

#include <utility>
#include <vector>

#include "server/build/context.h"
#include "server/build/policy_fields.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

RoomLimits BuildLimits(const std::string& path, const cfg::RoomLimits& limits, Context& context) {
  const auto limit = [&](const char* name, bool stated, std::uint32_t most) -> std::optional<std::uint32_t> {
    if (!stated) return std::nullopt;
    if (most == 0)
      context.Problem(ConfigPath(path, name), "permits nothing with 0, as if it were left out; leave it out");
    return most;
  };
  RoomLimits result;
  result.empty_timeout = limit("empty_timeout", limits.has_empty_timeout(), limits.empty_timeout());
  result.departure_timeout = limit("departure_timeout", limits.has_departure_timeout(), limits.departure_timeout());
  result.max_participants = limit("max_participants", limits.has_max_participants(), limits.max_participants());
  result.max_playout_delay = limit("max_playout_delay", limits.has_max_playout_delay(), limits.max_playout_delay());
  result.sync_streams = limits.sync_streams();
  return result;
}

}  // namespace

RoomConfigRule BuildRoomConfig(const std::string& path, const cfg::RoomConfigRule& config, bool anonymous,
                               Context& context) {
  RoomConfigRule rule;
  rule.mode = BuildMode(ConfigPath(path, "client"), config.client(), context);
  const auto only_with_allow = [&](const char* name, bool stated) {
    CheckOnlyWithAllow(ConfigPath(path, name), rule.mode, stated, context);
  };
  only_with_allow("agents", config.agents_size() > 0);
  only_with_allow("max_agents", config.max_agents() != 0);
  only_with_allow("egress", config.egress());
  only_with_allow("deployments", config.deployments_size() > 0);
  only_with_allow("max_metadata_bytes", config.max_metadata_bytes() != 0);
  only_with_allow("tags", config.tags_size() > 0);
  only_with_allow("limits", config.has_limits());

  const auto globs = [&](const char* name, const google::protobuf::RepeatedPtrField<std::string>& list) {
    context.CheckGlobs(ConfigPath(path, name), list);
    return std::vector<std::string>(list.begin(), list.end());
  };
  rule.agents = globs("agents", config.agents());
  rule.deployments = globs("deployments", config.deployments());
  rule.tags = globs("tags", config.tags());
  if (config.agents().empty() && !config.deployments().empty()) {
    context.Problem(ConfigPath(path, "deployments"), "permits nothing without `agents`");
  }
  if (config.max_agents() < 0) context.Problem(ConfigPath(path, "max_agents"), "must not be negative");
  if (config.max_agents() > 0) rule.max_agents = config.max_agents();
  if (config.max_metadata_bytes() < 0) context.Problem(ConfigPath(path, "max_metadata_bytes"), "must not be negative");
  if (config.max_metadata_bytes() > 0) rule.max_metadata_bytes = static_cast<std::size_t>(config.max_metadata_bytes());
  rule.egress = config.egress();
  rule.limits = BuildLimits(ConfigPath(path, "limits"), config.limits(), context);

  if (config.has_value()) {
    const std::string value = ConfigPath(path, "value");
    if (rule.mode == FieldMode::kAllow) {
      context.Problem(value, "is the forced configuration and does not go with `client: allow`");
    }
    std::vector<ForcedRoomConfig::Problem> problems;
    rule.value = ForcedRoomConfig::Build(config.value(), OptionsFor(context, anonymous), problems);
    for (auto& problem : problems) {
      context.Problem(problem.path.empty() ? value : ConfigPath(value, problem.path), std::move(problem.message));
    }
  }
  return rule;
}

}  // namespace livekit::token::build
