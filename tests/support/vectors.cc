#include "support/vectors.h"

#include <fstream>
#include <regex>

#include "base/text.h"
#include "jose/hmac_signer.h"

namespace livekit::token::testing {
namespace {

using nlohmann::json;

std::string Repeat(const json& generator) {
  const std::string unit = generator.at("repeat");
  std::string text;
  for (int i = 0; i < generator.at("times").get<int>(); ++i) text += unit;
  return text;
}

bool Matches(const json& expected, const json& actual) {
  if (expected.is_object() && expected.contains("$pattern")) {
    return actual.is_string() &&
           std::regex_match(actual.get<std::string>(), std::regex(expected["$pattern"].get<std::string>()));
  }
  if (!expected.is_object()) return expected == actual;
  if (!actual.is_object() || expected.size() != actual.size()) return false;
  for (const auto& [key, value] : expected.items()) {
    if (!actual.contains(key) || !Matches(value, actual[key])) return false;
  }
  return true;
}

}  // namespace

std::vector<json> LoadVectors(std::string_view form) {
  std::ifstream file(TEST_DATA_DIR "/token_vectors.json");
  std::vector<json> vectors;
  const json document = json::parse(file);
  for (const json& vector : document.at("vectors")) {
    if (vector.at("form") == form) vectors.push_back(vector);
  }
  return vectors;
}

std::string RequestBody(const json& vector) {
  if (vector.contains("request_raw")) return vector["request_raw"];
  json request = vector.at("request");
  const json generators = vector.value("generators", json::object());
  for (const auto& [field, generator] : generators.items()) {
    if (!generator.contains("map")) {
      request[field] = Repeat(generator);
      continue;
    }
    for (const auto& [key, value] : generator["map"].items()) request[field][key] = Repeat(value);
  }
  return request.dump();
}

bool ExpectsToken(const json& vector) { return vector.at("expect").at("result") != "reject"; }

json ComparableClaims(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  const auto payload = Base64UrlDecode(token.substr(first + 1, second - first - 1));
  json claims = json::parse(payload.value_or(""), nullptr, /*allow_exceptions=*/false);
  if (!claims.is_object()) return claims;
  for (const char* name : {"iat", "nbf", "exp", "jti"}) claims.erase(name);
  // Go's SDK repeats the identity; that is allowed.
  if (claims.contains("identity") && claims["identity"] == claims.value("sub", "")) claims.erase("identity");
  return claims;
}

std::string CompareClaims(const json& vector, std::string_view token) {
  const json actual = ComparableClaims(token);
  const json& expect = vector.at("expect");
  if (expect.at("result") == "accept") return {};
  if (Matches(expect.at("claims"), actual)) return {};
  const json others = expect.value("also_acceptable", json::array());
  for (const json& other : others) {
    if (Matches(other, actual)) return {};
  }
  return "expected " + expect.at("claims").dump() + "\nactual   " + actual.dump();
}

std::string SignCompact(std::string_view header, std::string_view payload, std::string_view secret) {
  std::string token = Base64UrlEncode(header) + "." + Base64UrlEncode(payload);
  std::string code(jose::HmacSha256::kSize, '\0');
  jose::HmacSha256(secret).Sign(token, reinterpret_cast<unsigned char*>(code.data()));
  return token + "." + Base64UrlEncode(code);
}

std::string MakeToken(const json& vector, std::int64_t now) {
  json claims = vector.at("claims_relative");
  for (auto& [name, value] : claims.items()) {
    if (value.is_object() && value.contains("$now")) value = now + value["$now"].get<std::int64_t>();
  }
  return SignCompact(vector.at("header").dump(), claims.dump(), vector.value("sign_with", kVectorSecret));
}

}  // namespace livekit::token::testing
