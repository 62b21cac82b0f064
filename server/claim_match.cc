#include "server/claim_match.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.h"

namespace livekit::token {
namespace {

using nlohmann::json;

bool Equals(const ClaimCondition::Value& wanted, const json& claim) {
  if (const auto* text = std::get_if<std::string>(&wanted)) {
    return claim.is_string() && GlobMatches(*text, claim.get_ref<const std::string&>());
  }
  if (const auto* flag = std::get_if<bool>(&wanted)) return claim.is_boolean() && claim.get<bool>() == *flag;
  const std::int64_t number = std::get<std::int64_t>(wanted);
  // Configured numbers have 15 digits at most, so that none of the larger unsigned ones is equal to them.
  if (claim.is_number_unsigned())
    return number >= 0 && claim.get<std::uint64_t>() == static_cast<std::uint64_t>(number);
  return claim.is_number_integer() && claim.get<std::int64_t>() == number;
}

bool ListsWord(std::string_view words, std::string_view wanted) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == wanted) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

bool HasScope(const json* claim, const std::string& scope) {
  if (claim == nullptr) return false;
  if (claim->is_string()) return ListsWord(claim->get_ref<const std::string&>(), scope);
  return claim->is_array() && std::any_of(claim->begin(), claim->end(), [&](const json& element) {
           return element.is_string() && element.get_ref<const std::string&>() == scope;
         });
}

}  // namespace

bool Meets(const Claims& claims, const ClaimCondition& condition) {
  const json* claim = claims.Find(condition.path);
  if (claim == nullptr) return false;
  return std::any_of(condition.values.begin(), condition.values.end(), [&](const ClaimCondition::Value& wanted) {
    if (!claim->is_array()) return Equals(wanted, *claim);
    return std::any_of(claim->begin(), claim->end(), [&](const json& element) { return Equals(wanted, element); });
  });
}

bool HasScopes(const Claims& claims, const std::vector<std::string>& scopes) {
  if (scopes.empty()) return true;
  static const ClaimPath kScope = *ClaimPath::Parse("scope");
  static const ClaimPath kScp = *ClaimPath::Parse("scp");
  const json* scope = claims.Find(kScope);
  const json* scp = claims.Find(kScp);
  return std::all_of(scopes.begin(), scopes.end(),
                     [&](const std::string& wanted) { return HasScope(scope, wanted) || HasScope(scp, wanted); });
}

}  // namespace livekit::token
