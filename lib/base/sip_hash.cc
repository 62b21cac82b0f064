#include "base/sip_hash.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "base/secret.h"

namespace livekit::token {
namespace {

static_assert(std::endian::native == std::endian::little);

std::uint64_t ReadWord(const char* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// The state, with the names of the paper.
class State {
 public:
  State(std::uint64_t k0, std::uint64_t k1)
      : v0_(k0 ^ 0x736f6d6570736575),
        v1_(k1 ^ 0x646f72616e646f6d),
        v2_(k0 ^ 0x6c7967656e657261),
        v3_(k1 ^ 0x7465646279746573) {}

  void Compress(std::uint64_t word) {
    v3_ ^= word;
    Round();
    Round();
    v0_ ^= word;
  }
  std::uint64_t Finish() {
    v2_ ^= 0xff;
    for (int i = 0; i < 4; ++i) Round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void Round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

}  // namespace

SipHash::SipHash() {
  RandomBytes(&low_key_, sizeof low_key_);
  RandomBytes(&high_key_, sizeof high_key_);
}

std::uint64_t SipHash::operator()(std::string_view text) const {
  State state(low_key_, high_key_);
  std::size_t at = 0;
  for (; text.size() - at >= 8; at += 8) state.Compress(ReadWord(text.data() + at));
  // The rest, and the length in the last byte.
  std::uint64_t last = std::uint64_t{text.size()} << 56;
  for (std::size_t i = 0; at + i < text.size(); ++i) {
    last |= std::uint64_t{static_cast<unsigned char>(text[at + i])} << (8 * i);
  }
  state.Compress(last);
  return state.Finish();
}

}  // namespace livekit::token
