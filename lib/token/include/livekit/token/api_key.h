// LiveKit API keys: an id, the claim `iss` of the tokens it signs, and a secret.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace livekit::token {

// Which secrets are taken.
enum class SecretStrength {
  // At least 32 bytes (RFC 7518 section 3.2 for HS256; several LiveKit SDKs refuse shorter ones) and none of the
  // well-known development secrets.
  kRequired,
  // Any, for development: LiveKit's own development key is `devkey` with the secret `secret`.
  kAny,
};

// One API key. The secret is wiped from memory with the object and cannot be read back.
//
// Thread safety: immutable.
class ApiKey {
 public:
  // Makes a key. The secret's UTF-8 bytes are the HMAC key as they stand, never decoded. Errors, without the secret in
  // them: an empty id or secret; an id over 256 bytes; white space, control characters or text that is not UTF-8 in
  // either; a secret in quotes, or one that `strength` refuses.
  static absl::StatusOr<std::shared_ptr<const ApiKey>> Create(std::string_view id, std::string_view secret,
                                                              SecretStrength strength = SecretStrength::kRequired);
  ~ApiKey();
  ApiKey(const ApiKey&) = delete;
  ApiKey& operator=(const ApiKey&) = delete;

  const std::string& id() const { return id_; }

 private:
  friend class KeyAccess;
  struct Signer;
  ApiKey(std::string_view id, std::string_view secret);

  std::string id_;
  std::unique_ptr<const Signer> signer_;
};

// Finds keys by id. Thread safety: Find may be called concurrently.
class KeyProvider {
 public:
  virtual ~KeyProvider() = default;
  // The key, or null if there is none with this id.
  virtual std::shared_ptr<const ApiKey> Find(std::string_view id) const = 0;
};

// A fixed set of keys. Thread safety: safe while Add is not called.
class KeyRing final : public KeyProvider {
 public:
  // Errors: there is a key with the same id.
  absl::Status Add(std::shared_ptr<const ApiKey> key);
  std::shared_ptr<const ApiKey> Find(std::string_view id) const override;
  const std::map<std::string, std::shared_ptr<const ApiKey>, std::less<>>& keys() const { return keys_; }

 private:
  std::map<std::string, std::shared_ptr<const ApiKey>, std::less<>> keys_;
};

}  // namespace livekit::token
