#include "server/authn/jwks_pool.h"

namespace livekit::token {

std::shared_ptr<KeySource> JwksPool::Get(const JwksLocation& location, const JwksCacheOptions& options) {
  const std::lock_guard lock(mutex_);
  if (client_ == nullptr) {
    auto client = http::Client::Start();
    if (!client.ok()) return nullptr;
    client_ = *std::move(client);
  }
  // Those of configurations that are gone.
  for (auto it = sources_.begin(); it != sources_.end();) {
    it = it->second.expired() ? sources_.erase(it) : std::next(it);
  }
  std::weak_ptr<KeySource>& known = sources_[{location, options}];
  std::shared_ptr<KeySource> source = known.lock();
  if (source == nullptr) {
    // The client must outlive the source.
    source = std::shared_ptr<KeySource>(new JwksSource(*client_, location, options),
                                        [client = client_](const KeySource* last) { delete last; });
    known = source;
  }
  return source;
}

}  // namespace livekit::token
