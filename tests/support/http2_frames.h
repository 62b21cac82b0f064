// HTTP/2 (RFC 9113) as raw frames, for peers that do not keep to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace livekit::token::testing {

enum class Http2Frame : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kWindowUpdate = 8,
  kContinuation = 9
};
inline constexpr std::uint8_t kEndStream = 1;
inline constexpr std::uint8_t kEndHeaders = 4;

inline std::string BigEndian(std::uint32_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

inline std::string Frame(Http2Frame kind, std::uint8_t flags, std::uint32_t stream, std::string_view payload = {}) {
  return BigEndian(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(kind) + static_cast<char>(flags) +
         BigEndian(stream, 4) + std::string(payload);
}

// What a client begins with: the preface and empty settings.
inline std::string Preface() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(Http2Frame::kSettings, 0, 0); }

// A string literal of HPACK (RFC 7541 section 5.2) without Huffman's code.
inline std::string HpackText(std::string_view text) {
  constexpr std::size_t kMost = 127;
  if (text.size() < kMost) return static_cast<char>(text.size()) + std::string(text);
  std::string out(1, static_cast<char>(kMost));
  std::size_t rest = text.size() - kMost;
  for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
  return out + static_cast<char>(rest) + std::string(text);
}

// A header field, literal and not indexed.
inline std::string Field(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + HpackText(name) + HpackText(value);
}

// The header block of a call of the token service.
inline std::string CallBlock(std::string_view method, std::string_view service = "/livekit.token.v1.TokenService/") {
  return Field(":method", "POST") + Field(":scheme", "http") +
         Field(":path", std::string(service) + std::string(method)) + Field(":authority", "localhost") +
         Field("te", "trailers") + Field("content-type", "application/grpc");
}

// A header block in as many frames as it takes.
inline std::string HeaderFrames(std::uint32_t stream, std::string_view block, std::uint8_t flags = kEndHeaders) {
  constexpr std::size_t kLargest = 16384;
  std::string out;
  for (bool first = true; first || !block.empty(); first = false) {
    const std::string_view part = block.substr(0, kLargest);
    block.remove_prefix(part.size());
    const std::uint8_t end = block.empty() ? flags & kEndHeaders : 0;
    out += first ? Frame(Http2Frame::kHeaders, static_cast<std::uint8_t>((flags & ~kEndHeaders) | end), stream, part)
                 : Frame(Http2Frame::kContinuation, end, stream, part);
  }
  return out;
}

}  // namespace livekit::token::testing
