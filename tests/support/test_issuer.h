// An identity provider for tests: issues JSON Web Tokens and publishes its key.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "support/jwt_signer.h"

namespace livekit::token::testing {

// Signs with RS256. Thread safety: immutable.
class TestIssuer {
 public:
  explicit TestIssuer(std::string key_id) : key_id_(std::move(key_id)), key_(SigningKey::Rsa()) {}

  // A token in compact form.
  std::string Sign(const nlohmann::json& claims) const {
    const nlohmann::json header = {{"alg", "RS256"}, {"kid", key_id_}, {"typ", "JWT"}};
    return MakeJwt(header.dump(), claims.dump(), key_, jose::Algorithm::kRs256);
  }
  // The public key as a JSON Web Key Set.
  std::string Jwks() const { return "{\"keys\":[" + key_.Jwk(",\"kid\":\"" + key_id_ + "\"") + "]}"; }

 private:
  std::string key_id_;
  SigningKey key_;
};

// A token signed with a shared secret.
inline std::string SignHs256(const std::string& secret, const nlohmann::json& claims) {
  return MakeJwt(R"({"alg":"HS256","typ":"JWT"})", claims.dump(), SigningKey::Hmac(secret), jose::Algorithm::kHs256);
}

}  // namespace livekit::token::testing
