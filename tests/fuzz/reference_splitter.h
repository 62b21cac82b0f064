// A second reader of HTTP/1 requests, for the framer's fuzzer: has the whole input at once, goes through it character
// by character, shares no code with the framer and is as slow as that makes it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace livekit::token::fuzz {

struct Limits {
  std::size_t header_bytes;
  std::size_t header_lines;
  std::size_t body_bytes;
};

struct SplitRequest {
  std::string method;
  std::string target;
  int minor_version = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  bool keep_alive = false;
  bool expects_continue = false;
  std::size_t end = 0;  // offset in the input of the first byte behind it

  bool operator==(const SplitRequest&) const = default;
};

// How the input ends: in the middle of a request, or with one that is refused.
enum class SplitEnd { kMore, kMalformed, kHeadersTooLarge, kBodyTooLarge, kEncoded };

struct Split {
  std::vector<SplitRequest> requests;  // the complete ones
  SplitEnd end = SplitEnd::kMore;
  // How many bytes have to be seen to know that the last request is refused; all of them in case of kMore.
  std::size_t known_at = 0;
};

// RFC 9112 with everything refused that framer.h and request_head.h call refused.
Split SplitRequests(std::string_view input, const Limits& limits);

}  // namespace livekit::token::fuzz
