#include "server/authn/api_key.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/secret.h"
#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

// Secrets with fewer characters could be guessed from their hash.
constexpr std::size_t kMinSecretLength = 16;

// The id in front of the first dot, and the secret after it.
std::pair<std::string_view, std::string_view> Split(std::string_view key) {
  const std::size_t dot = key.find('.');
  if (dot == std::string_view::npos) return {key, {}};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

}  // namespace

bool IsApiKeyId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

ApiKeyAuthenticator::ApiKeyAuthenticator(std::string name, std::string header, std::vector<ApiKeyRecord> records)
    : name_(std::move(name)), header_(std::move(header)) {
  for (auto& record : records) {
    std::string id = record.id;
    records_.emplace(std::move(id), std::move(record));
  }
}

bool ApiKeyAuthenticator::Recognizes(const Credentials& credentials) const {
  return records_.find(Split(TokenIn(credentials, header_)).first) != records_.end();
}

void ApiKeyAuthenticator::Authenticate(const Credentials& credentials, Time now, Done done) const {
  const auto [id, secret] = Split(TokenIn(credentials, header_));
  const std::string hash = Sha256(secret);
  const ApiKeyRecord* match = nullptr;
  bool expired = false;
  const auto [first, last] = records_.equal_range(id);
  for (auto it = first; it != last; ++it) {
    const bool equal = ConstantTimeEquals(hash, it->second.sha256);
    const bool valid = !it->second.not_after || now < *it->second.not_after;
    if (equal && valid) match = &it->second;
    if (equal && !valid) expired = true;
  }
  if (match == nullptr || secret.size() < kMinSecretLength) {
    // One sentence for an unknown id and a wrong secret, so that nobody learns ids by it.
    return done(WithDetail(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)),
                           expired ? "the API key has expired" : "no API key has this id and secret"));
  }
  done(Principal{name_, match->id, match->claims});
}

NewApiKey HashApiKey(std::string_view id, std::string_view secret) {
  std::string text(secret);
  if (text.empty()) {
    std::string random(32, '\0');
    RandomBytes(random.data(), random.size());
    text = Base64UrlEncode(random);
  }
  NewApiKey made;
  made.key = std::string(id) + "." + text;
  made.line = "- { id: " + std::string(id) + ", sha256: " + HexEncode(Sha256(text)) + " }";
  return made;
}

}  // namespace livekit::token
