#include "jose/jws.h"

#include "base/text.h"
#include "jose/json.h"

namespace livekit::token::jose {

std::optional<CompactJws> ParseCompactJws(std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) return std::nullopt;
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  // A third dot is outside the alphabet, so the decoder refuses it.
  auto header = Base64UrlDecode(text.substr(0, first));
  auto payload = Base64UrlDecode(text.substr(first + 1, second - first - 1));
  auto signature = Base64UrlDecode(text.substr(second + 1));
  if (!header || !payload || !signature) return std::nullopt;
  if (header->empty() || payload->empty() || signature->empty()) return std::nullopt;
  return CompactJws{text.substr(0, second), *std::move(header), *std::move(payload), *std::move(signature)};
}

HeaderVerdict CheckHs256Header(std::string_view header) {
  const auto object = ParseJsonObject(header);
  if (!object) return HeaderVerdict::kMalformed;
  if (object->contains("crit")) return HeaderVerdict::kCritical;
  const auto alg = object->find("alg");
  // Exactly: `hs256`, `none` in any case, and other families are all refused.
  if (alg == object->end() || !alg->is_string() || alg->get_ref<const std::string&>() != "HS256") {
    return HeaderVerdict::kAlgorithm;
  }
  return HeaderVerdict::kOk;
}

}  // namespace livekit::token::jose
