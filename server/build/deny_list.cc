#include "server/build/deny_list.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

constexpr char kPath[] = "deny_list.file";

// The rule of one entry; its problems name `place`.
DenyRule ReadEntry(const std::string& place, const config::v1::DenyEntry& entry, Context& context) {
  DenyRule rule;
  const auto problem = [&](const char* field, const char* message) {
    context.Problem(kPath, place + field + ": " + message);
  };
  const auto glob = [&](const char* field, const std::string& text, std::string& out) {
    if (text.empty()) return;
    if (LooksLikeExpression(text)) problem(field, kOnlyGlobs);
    out = text;
  };
  if (entry.identity().empty() && entry.room().empty()) problem("", "says not whom; give `identity` or `room`");
  glob(".identity", entry.identity(), rule.identity);
  glob(".room", entry.room(), rule.room);
  rule.project = entry.project();
  const bool known = std::any_of(context.projects.begin(), context.projects.end(),
                                 [&](const auto& project) { return project->name == entry.project(); });
  if (!entry.project().empty() && !known) problem(".project", "is not the name of a project");
  if (!entry.until().empty()) {
    absl::Time time;
    std::string error;
    if (absl::ParseTime(absl::RFC3339_full, entry.until(), &time, &error)) {
      rule.until = absl::ToChronoTime(time);
    } else {
      problem(".until", "must be a time such as 2027-01-31T00:00:00Z");
    }
  }
  return rule;
}

}  // namespace

DenyList BuildDenyList(const config::v1::ServerConfig& config, Context& context) {
  if (!config.has_deny_list()) return {};
  const std::string& name = config.deny_list().file();
  if (name.empty()) {
    context.Problem(kPath, "is required");
    return {};
  }
  auto text = context.files.Read(name);
  if (!text.ok()) {
    context.Problem(kPath, name + " cannot be read");
    return {};
  }
  config::v1::DenyFile file;
  for (const auto& problem : ReadYaml(*text, file)) {
    context.Problem(kPath, name + ": " + problem.path + ": " + problem.message);
  }
  std::vector<DenyRule> rules;
  for (int i = 0; i < file.blocked_size(); ++i) {
    rules.push_back(ReadEntry(name + ": " + ConfigPath("blocked", i), file.blocked(i), context));
  }
  return DenyList(std::move(rules));
}

}  // namespace livekit::token::build
