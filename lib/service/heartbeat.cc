#include "service/heartbeat.h"

namespace livekit::token {

std::shared_ptr<Heartbeats::Heart> Heartbeats::Add(std::string name, Time now) {
  auto heart = std::make_shared<Heart>(std::move(name), now);
  std::lock_guard lock(mutex_);
  std::erase_if(hearts_, [](const auto& old) { return old.expired(); });
  hearts_.push_back(heart);
  return heart;
}

std::vector<std::string> Heartbeats::Late(Time now) const {
  std::vector<std::string> names;
  std::lock_guard lock(mutex_);
  for (const auto& weak : hearts_) {
    const auto heart = weak.lock();
    if (heart && heart->AgeAt(now) > limit_) names.push_back(heart->name_);
  }
  return names;
}

}  // namespace livekit::token
