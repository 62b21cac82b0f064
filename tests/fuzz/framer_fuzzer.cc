// The framer against a second reader (reference_splitter.h): the same requests and the same refusal at the same place,
// however the input is cut into pieces. The last byte of the input chooses the limits and, with the others, the cuts.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/reference_splitter.h"
#include "http/framer.h"

namespace {

using livekit::token::fuzz::Limits;
using livekit::token::fuzz::Split;
using livekit::token::fuzz::SplitEnd;
using livekit::token::fuzz::SplitRequest;
using livekit::token::http::Framer;
using State = Framer::State;
namespace v1 = livekit::token::v1;

constexpr Limits kLimits[] = {{16384, 100, 65536}, {200, 4, 64}, {96, 2, 16}, {64, 1, 0}};

void Require(bool condition) {
  if (!condition) std::abort();
}

SplitEnd EndOf(v1::ErrorReason reason) {
  switch (reason) {
    case v1::MALFORMED_REQUEST:
      return SplitEnd::kMalformed;
    case v1::HEADERS_TOO_LARGE:
      return SplitEnd::kHeadersTooLarge;
    case v1::BODY_TOO_LARGE:
      return SplitEnd::kBodyTooLarge;
    case v1::UNSUPPORTED_MEDIA_TYPE:
      return SplitEnd::kEncoded;
    default:
      std::abort();
  }
}

void RequireWithinLimits(Framer& framer, const Limits& limits) {
  Require(framer.body().size() <= limits.body_bytes);
  // An absolute target may add a `Host`.
  Require(framer.head().headers.size() <= limits.header_lines + 1);
  std::size_t size = framer.head().method.size() + framer.head().target.size();
  for (const auto& header : framer.head().headers) size += header.name.size() + header.value.size();
  Require(size <= limits.header_bytes + 4);
}

SplitRequest Taken(Framer& framer, std::size_t end) {
  SplitRequest request;
  request.method = framer.head().method;
  request.target = framer.head().target;
  request.minor_version = framer.head().minor_version;
  for (const auto& header : framer.head().headers) request.fields.emplace_back(header.name, header.value);
  request.body = framer.body();
  request.keep_alive = framer.head().keep_alive;
  request.expects_continue = framer.head().expects_continue;
  request.end = end;
  return request;
}

// Feeds `input` in pieces; `size_at` tells how many bytes come next at an offset.
Split Feed(std::string_view input, const Limits& limits, const std::function<std::size_t(std::size_t)>& size_at) {
  Split split;
  std::optional<Framer> framer;
  const auto restart = [&] {
    framer.emplace(livekit::token::http::FramerLimits{limits.header_bytes, limits.header_lines, limits.body_bytes});
  };
  restart();
  std::size_t taken = 0;
  for (std::size_t come = 0; come < input.size();) {
    come = std::min(input.size(), come + size_at(come));
    for (bool more = true; more;) {
      const std::string_view piece = input.substr(taken, come - taken);
      const std::size_t used = framer->Feed(piece);
      Require(used <= piece.size());
      taken += used;
      RequireWithinLimits(*framer, limits);
      const State state = framer->state();
      if (state == State::kHead || state == State::kBody) {
        Require(taken == come);
        more = false;
        continue;
      }
      // Nothing is taken before somebody has reacted.
      Require(framer->Feed(input) == 0 && framer->state() == state);
      if (state == State::kHeadDone) {
        framer->ReadBody();
        Require(framer->state() != State::kHeadDone);
      } else if (state == State::kComplete) {
        split.requests.push_back(Taken(*framer, taken));
        restart();
        more = taken < come;
      } else {
        split.end = EndOf(framer->reason());
        split.known_at = taken;
        return split;
      }
    }
  }
  split.known_at = taken;
  return split;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size - 1);
  const unsigned choice = data[size - 1];
  const Limits& limits = kLimits[choice % 4];
  const Split expected = livekit::token::fuzz::SplitRequests(input, limits);

  const Split by_byte = Feed(input, limits, [](std::size_t) { return 1; });
  Require(by_byte.requests == expected.requests);
  Require(by_byte.end == expected.end);
  Require(by_byte.known_at == expected.known_at);

  const Split whole = Feed(input, limits, [&](std::size_t) { return input.size(); });
  const Split cut = Feed(input, limits, [&](std::size_t at) { return 1 + (data[at] * 31u + choice) % 23; });
  for (const Split& split : {whole, cut}) {
    Require(split.requests == expected.requests);
    Require(split.end == expected.end);
    // It may have taken what came together with the byte that decided.
    Require(split.known_at >= expected.known_at);
  }
  return 0;
}
