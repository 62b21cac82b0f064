// Key sources that outlive the configurations that name them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "http/client.h"
#include "server/authn/jwks_cache.h"
#include "server/authn/jwks_fetch.h"
#include "server/authn/jwks_source.h"

namespace livekit::token {

// One source for each place that keys are fetched from. A configuration that names the same place as the one before
// goes on with its keys: to fetch them anew at each reload would make everybody wait, and refuse them while an issuer
// is down.
//
// Thread safety: all methods may be called concurrently. A source must not be destroyed on the thread of its client.
class JwksPool {
 public:
  // The source for this place, fetched by one client that all share; null if the system refuses that what it needs.
  std::shared_ptr<KeySource> Get(const JwksLocation& location, const JwksCacheOptions& options);

 private:
  std::mutex mutex_;
  std::shared_ptr<http::Client> client_;  // started when it is first needed
  std::map<std::pair<JwksLocation, JwksCacheOptions>, std::weak_ptr<KeySource>> sources_;
};

}  // namespace livekit::token
