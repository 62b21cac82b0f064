// The cases of tests/data/token_vectors.json.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace livekit::token::testing {

inline constexpr char kVectorKey[] = "APIvectorKey123";
inline constexpr char kVectorSecret[] = "vectorSecret0123456789ABCDEFGHIJKLMNOPQRSTUV";

// The vectors of one form: standard, grant or verify.
std::vector<nlohmann::json> LoadVectors(std::string_view form);

// The body of a standard request as text, its generators carried out.
std::string RequestBody(const nlohmann::json& vector);

// Whether the vector expects a token.
bool ExpectsToken(const nlohmann::json& vector);

// The claims of a token that a vector is compared with: without iat, nbf, exp and jti. The signature is not checked.
nlohmann::json ComparableClaims(std::string_view token);

// Empty if `token` has the claims that the vector expects, else what differs.
std::string CompareClaims(const nlohmann::json& vector, std::string_view token);

// The token of a verify vector at the time `now`, signed with the vectors' secret or the one that it names.
std::string MakeToken(const nlohmann::json& vector, std::int64_t now);

// A compact JWS with any header and payload text, signed with `secret`.
std::string SignCompact(std::string_view header, std::string_view payload, std::string_view secret);

}  // namespace livekit::token::testing
