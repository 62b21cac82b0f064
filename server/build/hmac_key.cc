#include "server/build/hmac_key.h"

#include <string_view>

#include "base/secret.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

constexpr char kPath[] = "hmac_key_file";
constexpr std::size_t kMinBytes = 32;

}  // namespace

HmacKeys LoadHmacKeys(const std::string& file, Context& context) {
  if (file.empty()) return {};
  const auto secret = context.ReadSecret(kPath, file);
  if (!secret) return {};
  const std::string_view key = secret->Reveal();
  if (key.size() < kMinBytes) {
    context.Problem(kPath, file + " holds less than 32 bytes; `openssl rand -hex 32` makes a key");
    return {};
  }
  // The prefixes keep codes of different uses apart.
  const auto make = [&](std::string_view prefix) { return std::make_shared<const jose::HmacSha256>(key, prefix); };
  return {make("livekit-token template hmac v1\n"), make("livekit-token audit hmac v1\n")};
}

}  // namespace livekit::token::build
