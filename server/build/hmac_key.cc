#include "server/build/hmac_key.h"

#include <string_view>

#include "base/secret.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

constexpr char kPath[] = "hmac_key_file";
constexpr std::size_t kMinBytes = 32;

}  // namespace

std::shared_ptr<const jose::HmacSha256> LoadHmacKey(const std::string& file, Context& context) {
  if (file.empty()) return nullptr;
  const auto secret = context.ReadSecret(kPath, file);
  if (!secret) return nullptr;
  const std::string_view key = secret->Reveal();
  if (key.size() < kMinBytes) {
    context.Problem(kPath, file + " holds less than 32 bytes; `openssl rand -hex 32` makes a key");
    return nullptr;
  }
  // The prefix keeps codes apart from whatever else the same key may be used for.
  return std::make_shared<const jose::HmacSha256>(key, "livekit-token template hmac v1\n");
}

}  // namespace livekit::token::build
