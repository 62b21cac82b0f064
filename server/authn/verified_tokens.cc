#include "server/authn/verified_tokens.h"

#include <utility>

#include "base/secret.h"

namespace livekit::token {
namespace {

std::unique_ptr<const jose::HmacSha256> NewHash() {
  std::array<char, jose::HmacSha256::kSize> key;
  RandomBytes(key.data(), key.size());
  auto hash = std::make_unique<const jose::HmacSha256>(std::string_view(key.data(), key.size()));
  Wipe(key.data(), key.size());
  return hash;
}

}  // namespace

VerifiedTokens::VerifiedTokens(std::size_t max_entries, std::size_t max_token_bytes)
    : max_entries_(max_entries), max_token_bytes_(max_token_bytes), hash_(NewHash()) {}

VerifiedTokens::Digest VerifiedTokens::DigestOf(std::string_view token) const {
  Digest digest;
  hash_->Sign(token, digest.data());
  return digest;
}

std::shared_ptr<const Principal> VerifiedTokens::Find(const Digest& digest, Time now, const void* basis) {
  Entries removed;
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(digest);
  if (found == index_.end()) return nullptr;
  const auto entry = found->second;
  if (entry->expires <= now || basis == nullptr || entry->basis.get() != basis) {
    Remove(entry, removed);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->principal;
}

void VerifiedTokens::Insert(const Digest& digest, std::size_t bytes, std::shared_ptr<const Principal> principal,
                            Time expires, std::shared_ptr<const void> basis) {
  if (max_entries_ == 0 || bytes > max_token_bytes_) return;
  Entries removed;
  const std::lock_guard lock(mutex_);
  if (const auto found = index_.find(digest); found != index_.end()) Remove(found->second, removed);
  entries_.push_front({digest, bytes, std::move(principal), expires, std::move(basis)});
  index_.emplace(digest, entries_.begin());
  token_bytes_ += bytes;
  while (entries_.size() > max_entries_ || token_bytes_ > max_token_bytes_) Remove(std::prev(entries_.end()), removed);
}

std::size_t VerifiedTokens::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void VerifiedTokens::Remove(Entries::iterator entry, Entries& removed) {
  token_bytes_ -= entry->bytes;
  index_.erase(entry->digest);
  removed.splice(removed.begin(), entries_, entry);
}

}  // namespace livekit::token
