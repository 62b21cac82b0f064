// Credentials that have been verified before, so that a client that sends the same one with each request costs one
// signature, or one question.
#pragma once

#include <array>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "jose/hmac_signer.h"
#include "server/principal.h"

namespace livekit::token {

// A bounded cache from tokens to principals. A token is known by a keyed hash of it: the cache holds nothing that could
// be presented as a credential, and nobody can search for a token that has the hash of another. Each authenticator has
// its own cache with its own random key, so that none takes what another has verified.
//
// Thread safety: all methods may be called concurrently.
class VerifiedTokens {
 public:
  using Digest = std::array<unsigned char, jose::HmacSha256::kSize>;

  // Holds at most `max_entries`, and as many as have `max_token_bytes` in all: claims take memory in proportion.
  VerifiedTokens(std::size_t max_entries, std::size_t max_token_bytes);

  Digest DigestOf(std::string_view token) const;

  // The principal of the token, if it was verified with `basis`, such as a key set, and expires after `now`; otherwise
  // null, and the token is forgotten. `basis` may be null: then nothing is believed.
  std::shared_ptr<const Principal> Find(const Digest& digest, Time now, const void* basis);

  // Remembers a token of `bytes` bytes until `expires`. Those that were not looked up for longest make room.
  void Insert(const Digest& digest, std::size_t bytes, std::shared_ptr<const Principal> principal, Time expires,
              std::shared_ptr<const void> basis);

  std::size_t size() const;

 private:
  struct Entry {
    Digest digest;
    std::size_t bytes;
    std::shared_ptr<const Principal> principal;
    Time expires;
    // Held, so that no later one can have its address.
    std::shared_ptr<const void> basis;
  };
  struct FirstBytes {
    std::size_t operator()(const Digest& digest) const {
      std::size_t value;
      std::memcpy(&value, digest.data(), sizeof value);
      return value;
    }
  };
  using Entries = std::list<Entry>;

  // Moves the entry to `removed`, whose destruction takes long and needs no lock.
  void Remove(Entries::iterator entry, Entries& removed);

  const std::size_t max_entries_;
  const std::size_t max_token_bytes_;
  const std::unique_ptr<const jose::HmacSha256> hash_;

  mutable std::mutex mutex_;
  Entries entries_;  // the one looked up last is first
  std::unordered_map<Digest, Entries::iterator, FirstBytes> index_;
  std::size_t token_bytes_ = 0;
};

}  // namespace livekit::token
