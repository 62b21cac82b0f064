#include "server/authn/workload.h"

#include <algorithm>

namespace livekit::token {
namespace {

constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::size_t kMaxDnsNameBytes = 253;
constexpr std::size_t kMaxTrustDomainBytes = 255;

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Whether every part of `text` between separators is good, and there is one.
template <typename IsGood>
bool AllParts(std::string_view text, char separator, const IsGood& is_good) {
  for (;;) {
    const std::size_t end = text.find(separator);
    if (!is_good(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

// Letters, digits and `-`, which is neither first nor last.
bool IsDnsPart(std::string_view part) {
  return !part.empty() && part.front() != '-' && part.back() != '-' &&
         std::all_of(part.begin(), part.end(), [](char c) { return IsLowerOrDigit(c) || c == '-'; });
}

bool IsPathSegment(std::string_view segment) {
  if (segment.empty() || segment == "." || segment == "..") return false;
  return std::all_of(segment.begin(), segment.end(), [](char c) {
    return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace

bool IsServiceAccount(std::string_view subject) {
  if (!TakePrefix(subject, "system:serviceaccount:")) return false;
  const std::size_t colon = subject.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view account = subject.substr(colon + 1);
  return colon <= kMaxLabelBytes && IsDnsPart(subject.substr(0, colon)) && account.size() <= kMaxDnsNameBytes &&
         AllParts(account, '.', IsDnsPart);
}

bool IsTrustDomain(std::string_view name) {
  return !name.empty() && name.size() <= kMaxTrustDomainBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return IsLowerOrDigit(c) || c == '.' || c == '-' || c == '_';
  });
}

std::optional<std::string_view> SpiffePathOf(std::string_view id, std::string_view trust_domain) {
  if (!TakePrefix(id, "spiffe://") || !TakePrefix(id, trust_domain) || !TakePrefix(id, "/")) return std::nullopt;
  return id;
}

bool IsSpiffeId(std::string_view id, std::string_view trust_domain) {
  const auto path = SpiffePathOf(id, trust_domain);
  return path && AllParts(*path, '/', IsPathSegment);
}

}  // namespace livekit::token
