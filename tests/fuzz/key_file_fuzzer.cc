// The key file parser on any text. Keys that it takes have usable ids and secrets; errors never contain the text.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "livekit/token/access_token.h"
#include "livekit/token/key_source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace livekit::token;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto strength : {SecretStrength::kAny, SecretStrength::kRequired}) {
    const auto loaded = ParseKeys(text, strength);
    if (!loaded.ok()) continue;
    if (loaded->keys.empty()) std::abort();
    for (const auto& key : loaded->keys) {
      if (key->id().empty() || text.find(key->id()) == std::string_view::npos) std::abort();
      const auto token =
          AccessToken().SetIdentity("a").JoinRoom("r").Sign(*key, std::chrono::system_clock::time_point());
      if (!token.ok()) std::abort();
    }
  }
  return 0;
}
