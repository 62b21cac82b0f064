#include "service/secret_variables.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace livekit::token {
namespace {

// The id of a key is no secret, but whoever confuses the two puts the secret there.
constexpr std::array<const char*, 3> kNames = {"LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_KEYS"};

}  // namespace

SecretVariables::SecretVariables() {
  for (const char* const name : kNames) {
    const std::size_t length = std::strlen(name);
    // A name may stand there more than once; getenv gives the first.
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      if (std::strncmp(*entry, name, length) != 0 || (*entry)[length] != '=') continue;
      char* const value = *entry + length + 1;
      taken_.try_emplace(name, Secret::CopyOf(value));
      // unsetenv only forgets where the text stands.
      Wipe(value, std::strlen(value));
    }
    unsetenv(name);
  }
}

std::optional<std::string> SecretVariables::Get(const char* name) const {
  if (const auto found = taken_.find(name); found != taken_.end()) return std::string(found->second.Reveal());
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace livekit::token
