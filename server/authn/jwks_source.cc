#include "server/authn/jwks_source.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/secret.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

double RandomFraction() {
  std::uint32_t number = 0;
  RandomBytes(&number, sizeof number);
  return number / 4294967296.0;
}

JwksCache::World WorldOf(http::Client& client, JwksLocation location) {
  JwksCache::World world;
  world.fetch = [&client, location = std::move(location)](JwksCache::Fetched fetched) {
    FetchJwks(client, location, [fetched = std::move(fetched)](absl::StatusOr<JwksDocument> document) {
      fetched(std::move(document), SteadyClock::now());
    });
  };
  world.call_at = [&client](SteadyTime time, std::function<void()> refresh) {
    client.After(std::chrono::ceil<milliseconds>(time - SteadyClock::now()), std::move(refresh));
  };
  world.random = RandomFraction;
  return world;
}

}  // namespace

JwksSource::JwksSource(http::Client& client, JwksLocation location, JwksCacheOptions options)
    : cache_([&] {
        options.issuer = location.issuer;
        return JwksCache::Create(std::move(options), WorldOf(client, std::move(location)));
      }()) {
  cache_->Start();
}

void JwksSource::Get(std::string_view kid, Time /*now*/, Done done) {
  cache_->Get(kid, SteadyClock::now(), std::move(done));
}

std::shared_ptr<const jose::KeySet> JwksSource::Current(Time /*now*/) const {
  return cache_->Current(SteadyClock::now());
}

std::optional<KeySourceState> JwksSource::state() const {
  const SteadyTime now = SteadyClock::now();
  JwksState state = cache_->state(now);
  KeySourceState result{std::nullopt, std::move(state.last_error), state.keys, state.successes, state.failures};
  if (state.last_success) {
    result.last_success = SystemClock().Now() - std::chrono::duration_cast<Time::duration>(now - *state.last_success);
  }
  return result;
}

}  // namespace livekit::token
