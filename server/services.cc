#include "server/services.h"

#include <algorithm>
#include <utility>

namespace livekit::token {

bool ServiceRules::MayUse(const Project& project) const {
  return std::any_of(projects.begin(), projects.end(),
                     [&](const auto& candidate) { return candidate->name == project.name; });
}

ServiceSet::ServiceSet(std::vector<ServiceRules> services) : services_(std::move(services)) {
  for (std::size_t i = 0; i < services_.size(); ++i)
    index_[services_[i].authenticator].emplace(services_[i].subject, i);
}

const ServiceRules* ServiceSet::FindByName(std::string_view name) const {
  const auto found =
      std::find_if(services_.begin(), services_.end(), [&](const ServiceRules& rules) { return rules.name == name; });
  return found == services_.end() ? nullptr : &*found;
}

const ServiceRules* ServiceSet::Find(const Principal& caller) const {
  // Whom a service vouches for is an end user and no program.
  if (!caller.service.empty()) return nullptr;
  const auto subjects = index_.find(caller.authenticator);
  if (subjects == index_.end()) return nullptr;
  const auto found = subjects->second.find(caller.subject);
  return found == subjects->second.end() ? nullptr : &services_[found->second];
}

}  // namespace livekit::token
