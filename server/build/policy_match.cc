#include "server/build/policy_match.h"

#include <algorithm>
#include <map>
#include <utility>

#include "server/build/context.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;
using google::protobuf::Value;

void CheckWho(const std::string& path, const cfg::PolicyMatch& match, const cfg::ServerConfig& config,
              Context& context) {
  if (match.service().empty()) {
    if (match.authenticator().empty()) {
      return context.Problem(ConfigPath(path, "authenticator"), "is required, or `service`");
    }
    context.CheckAuthenticator(ConfigPath(path, "authenticator"), match.authenticator());
    return;
  }
  const std::string service_path = ConfigPath(path, "service");
  if (!match.authenticator().empty()) {
    context.Problem(service_path, "does not go with `authenticator`: a principal comes from one of them");
  }
  const auto service = std::find_if(config.services().begin(), config.services().end(),
                                    [&](const cfg::Service& candidate) { return candidate.name() == match.service(); });
  if (service == config.services().end()) return context.Problem(service_path, "is not the name of a service");
  if (!service->assert_()) context.Problem(service_path, "asserts nobody; the service needs `assert: true`");
}

std::vector<ClaimCondition> BuildClaims(const std::string& path, const cfg::PolicyMatch& match, Context& context) {
  std::vector<ClaimCondition> conditions;
  const std::map<std::string, google::protobuf::ListValue> sorted(match.claims().begin(), match.claims().end());
  for (const auto& [text, values] : sorted) {
    const std::string place = ConfigPath(path, text);
    auto claim = ClaimPath::Parse(text);
    if (!claim) {
      context.Problem(place, "is not a claim; write `name`, `a.b` or `[\"https://…\"]`");
      continue;
    }
    ClaimCondition condition{*std::move(claim), {}};
    if (values.values().empty()) context.Problem(place, "names no value, so that nobody could have it");
    for (int i = 0; i < values.values_size(); ++i) {
      const Value& value = values.values(i);
      switch (value.kind_case()) {
        case Value::kStringValue:
          if (value.string_value().empty()) context.Problem(ConfigPath(place, i), "is empty");
          if (LooksLikeExpression(value.string_value())) context.Problem(ConfigPath(place, i), kOnlyGlobs);
          condition.values.emplace_back(value.string_value());
          break;
        case Value::kBoolValue:
          condition.values.emplace_back(value.bool_value());
          break;
        case Value::kNumberValue:
          condition.values.emplace_back(static_cast<std::int64_t>(value.number_value()));
          break;
        default:
          context.Problem(ConfigPath(place, i), "must be text, a whole number, `true` or `false`");
      }
    }
    conditions.push_back(std::move(condition));
  }
  return conditions;
}

}  // namespace

PolicyMatch BuildMatch(const std::string& path, const cfg::PolicyMatch& match, const cfg::ServerConfig& config,
                       Context& context) {
  PolicyMatch result;
  result.authenticator = match.authenticator();
  result.service = match.service();
  CheckWho(path, match, config, context);
  if (!context.anonymous.empty() && match.authenticator() == context.anonymous) {
    constexpr char kNoClaims[] = "is a condition that anonymous callers cannot meet: they have no claims";
    if (!match.claims().empty()) context.Problem(ConfigPath(path, "claims"), kNoClaims);
    if (!match.scopes().empty()) context.Problem(ConfigPath(path, "scopes"), kNoClaims);
  }
  result.claims = BuildClaims(ConfigPath(path, "claims"), match, context);
  for (int i = 0; i < match.scopes_size(); ++i) {
    if (match.scopes(i).empty() || match.scopes(i).find(' ') != std::string::npos) {
      context.Problem(ConfigPath(ConfigPath(path, "scopes"), i), "must be one scope, without spaces");
    }
  }
  result.scopes.assign(match.scopes().begin(), match.scopes().end());
  context.CheckGlobs(ConfigPath(path, "room"), match.room());
  result.rooms.assign(match.room().begin(), match.room().end());
  context.CheckGlobs(ConfigPath(path, "sandbox_id"), match.sandbox_id());
  result.sandbox_ids.assign(match.sandbox_id().begin(), match.sandbox_id().end());
  return result;
}

}  // namespace livekit::token::build
