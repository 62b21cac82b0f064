// Key sets as text.
#pragma once

#include <initializer_list>
#include <string>

namespace livekit::token {

// A key set with an Ed25519 key (that of RFC 8037 appendix A.2) for each of the key ids.
inline std::string KeySetText(std::initializer_list<std::string> kids) {
  std::string text;
  for (const std::string& kid : kids) {
    if (!text.empty()) text += ",";
    text += R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":")" + kid + "\"}";
  }
  return "{\"keys\":[" + text + "]}";
}

}  // namespace livekit::token
