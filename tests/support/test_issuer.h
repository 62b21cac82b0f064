// An identity provider for tests: signs JSON Web Tokens with a key that it made.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace livekit::token::testing {

// Thread safety: immutable.
class TestIssuer {
 public:
  // `algorithm`: RS256, ES256 or EdDSA.
  TestIssuer(const std::string& algorithm, const std::string& key_id);

  // A token in compact form. `header` is merged into `{"alg":…,"kid":…,"typ":"JWT"}`.
  std::string Sign(const nlohmann::json& claims, const nlohmann::json& header = nlohmann::json::object()) const;
  // The public key, as one of a JSON Web Key Set and as the set.
  nlohmann::json Jwk() const;
  std::string Jwks() const { return nlohmann::json{{"keys", {Jwk()}}}.dump(); }
  std::string PublicPem() const;

 private:
  std::string algorithm_;
  std::string key_id_;
  std::shared_ptr<EVP_PKEY> key_;
};

// A token signed with a shared secret.
std::string SignHs256(std::string_view secret, const nlohmann::json& claims);

}  // namespace livekit::token::testing
