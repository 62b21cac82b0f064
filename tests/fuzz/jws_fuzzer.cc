// The JWS decoder and the whole verifier on any text. What decodes must encode to the same text: one token, one text.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/text.h"
#include "jose/jws.h"
#include "livekit/token/token_verifier.h"

namespace {

const livekit::token::TokenVerifier& Verifier() {
  static const auto* const verifier = [] {
    auto keys = std::make_shared<livekit::token::KeyRing>();
    auto key = livekit::token::ApiKey::Create("devkey", "secret", livekit::token::SecretStrength::kAny);
    if (!key.ok() || !keys->Add(*key).ok()) std::abort();
    return new livekit::token::TokenVerifier(keys);
  }();
  return *verifier;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto jws = livekit::token::jose::ParseCompactJws(text, 1 << 20)) {
    const std::string again = livekit::token::Base64UrlEncode(jws->header) + "." +
                              livekit::token::Base64UrlEncode(jws->payload) + "." +
                              livekit::token::Base64UrlEncode(jws->signature);
    if (again != text) std::abort();
    livekit::token::jose::CheckHs256Header(jws->header);
  }
  Verifier().Verify(text, std::chrono::system_clock::time_point(std::chrono::seconds(1'790'000'000)));
  return 0;
}
