#include "livekit/token/api_key.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/buffer.h"
#include "base/status.h"
#include "base/text.h"
#include "claims_writer.h"
#include "key_access.h"

namespace livekit::token {
namespace {

// No `kid`: LiveKit finds the key by `iss`.
constexpr std::string_view kTokenHeader = R"({"alg":"HS256","typ":"JWT"})";

constexpr std::size_t kMinSecretBytes = 32;
constexpr std::size_t kMaxIdBytes = 256;

// Secrets that examples and development servers use; whoever can read those can sign.
constexpr std::array<std::string_view, 5> kWellKnownSecrets = {
    "secret", "devkey", "devsecret", "secretsecretsecretsecretsecretsecret", "your-api-secret-at-least-32-characters"};

bool HasSpaceOrControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

bool IsQuoted(std::string_view text) {
  return text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.front() == text.back();
}

absl::Status CheckId(std::string_view id) {
  if (id.empty()) return RefuseField(v1::FIELD_REQUIRED, "api_key", "the API key is empty");
  if (id.size() > kMaxIdBytes) return RefuseField(v1::FIELD_TOO_LONG, "api_key", "the API key is over 256 bytes");
  if (HasSpaceOrControl(id) || !IsValidUtf8(id) || IsQuoted(id)) {
    return RefuseField(v1::FIELD_INVALID, "api_key", "the API key contains white space, quotes or control characters");
  }
  return absl::OkStatus();
}

absl::Status CheckSecret(std::string_view secret, SecretStrength strength) {
  const auto invalid = [](std::string_view message) { return RefuseField(v1::FIELD_INVALID, "api_secret", message); };
  if (secret.empty()) return RefuseField(v1::FIELD_REQUIRED, "api_secret", "the API secret is empty");
  if (HasSpaceOrControl(secret)) return invalid("the API secret contains white space or control characters");
  if (!IsValidUtf8(secret)) return invalid("the API secret is not UTF-8 text; it is used as it stands, not decoded");
  if (IsQuoted(secret)) return invalid("the API secret stands in quotes, which would become part of it");
  if (strength == SecretStrength::kAny) return absl::OkStatus();
  if (std::find(kWellKnownSecrets.begin(), kWellKnownSecrets.end(), secret) != kWellKnownSecrets.end()) {
    return invalid("the API secret is a well-known development secret; generate one with `openssl rand -base64 36`");
  }
  if (secret.size() < kMinSecretBytes) {
    return invalid(
        "the API secret is shorter than 32 bytes, too short for HS256; generate one with "
        "`openssl rand -base64 36`");
  }
  return absl::OkStatus();
}

}  // namespace

ApiKey::Signer::Signer(std::string_view id, std::string_view secret) : Signer(MakeStart(id), secret) {}

ApiKey::Signer::Signer(Start start, std::string_view secret)
    : prefix(std::move(start.prefix)), tail(std::move(start.tail)), signer(secret, prefix), verifier(secret) {}

ApiKey::Signer::Start ApiKey::Signer::MakeStart(std::string_view id) {
  Buffer claims;
  AppendIssuer(id, claims);
  const std::string_view text = claims.view();
  const std::size_t whole = text.size() / 3 * 3;
  return {Base64UrlEncode(kTokenHeader) + "." + Base64UrlEncode(text.substr(0, whole)),
          std::string(text.substr(whole))};
}

ApiKey::ApiKey(std::string_view id, std::string_view secret)
    : id_(id), signer_(std::make_unique<const Signer>(id, secret)) {}

ApiKey::~ApiKey() = default;

absl::StatusOr<std::shared_ptr<const ApiKey>> ApiKey::Create(std::string_view id, std::string_view secret,
                                                             SecretStrength strength) {
  LKT_RETURN_IF_ERROR(CheckId(id));
  LKT_RETURN_IF_ERROR(CheckSecret(secret, strength));
  return std::shared_ptr<const ApiKey>(new ApiKey(id, secret));
}

absl::Status KeyRing::Add(std::shared_ptr<const ApiKey> key) {
  std::string id = key->id();
  if (!keys_.emplace(std::move(id), std::move(key)).second) {
    return RefuseField(v1::FIELD_INVALID, "api_key", "the API key is there twice");
  }
  return absl::OkStatus();
}

std::shared_ptr<const ApiKey> KeyRing::Find(std::string_view id) const {
  const auto found = keys_.find(id);
  return found == keys_.end() ? nullptr : found->second;
}

}  // namespace livekit::token
