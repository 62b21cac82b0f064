#include "server/build/extends.h"

#include <set>

#include "google/protobuf/descriptor.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

class Merger {
 public:
  Merger(const cfg::ServerConfig& config, Context& context)
      : config_(config), context_(context), merged_(static_cast<std::size_t>(config.policies_size())) {
    for (int i = 0; i < config.policies_size(); ++i) by_name_.emplace(config.policies(i).name(), i);
  }

  std::vector<MergedPolicy> Merge() {
    for (int i = 0; i < config_.policies_size(); ++i) {
      std::set<int> way;
      MergeOne(i, way);
    }
    return std::move(merged_);
  }

 private:
  // `way` holds the policies that led here.
  const MergedPolicy& MergeOne(int index, std::set<int>& way) {
    MergedPolicy& merged = merged_[static_cast<std::size_t>(index)];
    if (!done_.insert(index).second) return merged;
    way.insert(index);
    const cfg::Policy& policy = config_.policies(index);
    merged.policy = policy;
    if (policy.extends().empty()) {
      merged.valid = true;
      return merged;
    }
    const std::string path = ConfigPath(ConfigPath("policies", index), "extends");
    const auto base = by_name_.find(policy.extends());
    if (base == by_name_.end()) {
      context_.Problem(path, "is not the name of a policy");
      return merged;
    }
    if (way.count(base->second) != 0) {
      context_.Problem(path, "leads back to the policy itself; a policy must end the chain");
      return merged;
    }
    const MergedPolicy& above = MergeOne(base->second, way);
    if (above.valid) TakeOver(above, base->second, merged);
    return merged;
  }

  void TakeOver(const MergedPolicy& above, int above_index, MergedPolicy& merged) {
    const auto* reflection = cfg::Policy::GetReflection();
    std::vector<const google::protobuf::FieldDescriptor*> stated;
    reflection->ListFields(above.policy, &stated);
    cfg::Policy result = above.policy;
    result.clear_extends();
    for (const auto* field : stated) {
      if (reflection->HasField(merged.policy, field)) {
        reflection->ClearField(&result, field);
        continue;
      }
      const auto origin = above.origins.find(field->name());
      merged.origins[field->name()] = origin == above.origins.end() ? above_index : origin->second;
    }
    result.MergeFrom(merged.policy);
    merged.policy = std::move(result);
    merged.depth = above.depth + 1;
    merged.valid = true;
  }

  const cfg::ServerConfig& config_;
  Context& context_;
  std::map<std::string, int> by_name_;
  std::set<int> done_;
  std::vector<MergedPolicy> merged_;
};

}  // namespace

std::vector<MergedPolicy> MergePolicies(const cfg::ServerConfig& config, Context& context) {
  return Merger(config, context).Merge();
}

}  // namespace livekit::token::build
