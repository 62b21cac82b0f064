// Authentication by API keys of the form `id.secret`. Only hashes of the secrets are kept.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/authenticator.h"

namespace livekit::token {

// One accepted key.
struct ApiKeyRecord {
  std::string id;
  std::string sha256;  // 32 bytes: the hash of the secret part
  Claims claims;
  std::optional<Time> not_after;
};

// Whether `id` may be the public part of a key: 1 to 64 letters, digits, `-` and `_`.
bool IsApiKeyId(std::string_view id);

// Authenticates keys in one header; in `authorization` and kCallerHeader behind `Bearer`.
class ApiKeyAuthenticator final : public Authenticator {
 public:
  // `header` is in lower case. Several records may share an id while a secret is being changed.
  ApiKeyAuthenticator(std::string name, std::string header, std::vector<ApiKeyRecord> records);

  const std::string& name() const override { return name_; }
  std::vector<std::string> headers() const override { return {header_}; }
  bool Recognizes(const Credentials& credentials) const override;
  void Authenticate(const Credentials& credentials, Time now, Done done) const override;

 private:
  std::string name_;
  std::string header_;
  std::multimap<std::string, ApiKeyRecord, std::less<>> records_;
};

// A fresh key for `id`: what the caller presents, and the line for the key file.
struct NewApiKey {
  std::string key;
  std::string line;
};
// `secret` empty: 256 random bits are drawn.
NewApiKey HashApiKey(std::string_view id, std::string_view secret);

}  // namespace livekit::token
