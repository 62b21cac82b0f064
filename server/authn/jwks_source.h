// The keys of an issuer that publishes them.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "http/client.h"
#include "server/authn/jwks_cache.h"
#include "server/authn/jwks_fetch.h"
#include "server/authn/key_source.h"

namespace livekit::token {

// A JSON Web Key Set over HTTP, refreshed as JwksCache says. The first fetch begins with the object, and nothing waits
// for it: a service starts also when an issuer is down.
//
// Thread safety: all methods may be called concurrently. Answers come on the client's thread, or before Get returns;
// what still waits when the object is destroyed is answered UNAVAILABLE.
class JwksSource final : public KeySource {
 public:
  // `client` must outlive the object.
  JwksSource(http::Client& client, JwksLocation location, JwksCacheOptions options = {});

  // `now` is not used: the age of keys is measured by a clock that is never set.
  void Get(std::string_view kid, Time now, Done done) override;
  std::shared_ptr<const jose::KeySet> Current(Time now) const override;
  std::optional<KeySourceState> state() const override;

 private:
  const std::shared_ptr<JwksCache> cache_;
};

}  // namespace livekit::token
