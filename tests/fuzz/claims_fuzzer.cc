// The claims reader on any payload. Claims that it reads and that a token may carry must read back the same.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "google/protobuf/util/message_differencer.h"
#include "livekit/token/grants.h"
#include "token/claims_reader.h"
#include "token/claims_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace livekit::token;
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  PeekIssuer(payload);
  Claims claims;
  if (ReadClaims(payload, claims) != ClaimsVerdict::kOk) return 0;
  if (!CheckGrants(claims.grants).ok()) return 0;
  Buffer written;
  AppendIssuer(claims.issuer.empty() ? "none" : claims.issuer, written);
  const auto* room_config = claims.grants.has_room_config() ? &claims.grants.room_config() : nullptr;
  if (!AppendClaims({claims.jti, 1, 2}, claims.grants, room_config, written).ok()) std::abort();
  Claims again;
  if (ReadClaims(written.view(), again) != ClaimsVerdict::kOk) std::abort();
  if (!google::protobuf::util::MessageDifferencer::Equals(claims.grants, again.grants)) std::abort();
  return 0;
}
