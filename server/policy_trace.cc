#include "server/policy_trace.h"

#include "server/claim_match.h"
#include "server/policy.h"

namespace livekit::token {
namespace {

// `a, b or c`, each in backquotes.
std::string Alternatives(const std::vector<std::string>& texts, std::string_view last = " or ") {
  std::string out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += i + 1 < texts.size() ? std::string_view(", ") : last;
    out.append("`").append(texts[i]).append("`");
  }
  return out;
}

// The path as the configuration writes it.
std::string PathText(const ClaimPath& path) {
  std::string out;
  for (const std::string& name : path.names()) {
    const bool plain = name.find_first_of(".[]\" ") == std::string::npos;
    if (plain && !out.empty()) out += '.';
    out += plain ? name : "[\"" + name + "\"]";
  }
  return out;
}

}  // namespace

std::string Describe(const MatchResult& result, const PolicyMatch& match) {
  switch (result.mismatch) {
    case Mismatch::kNone:
      return {};
    case Mismatch::kWho:
      if (match.service.empty())
        return "It is for those whom the authenticator `" + match.authenticator + "` vouches for.";
      return "It is for those whom the service `" + match.service + "` vouches for.";
    case Mismatch::kSandboxAbsent:
      return "It is for requests with the sandbox id " + Alternatives(match.sandbox_ids) + ".";
    case Mismatch::kSandboxPresent:
      return "It is not for requests with a sandbox id, since it lists none.";
    case Mismatch::kSandboxOther:
      return "It does not list the request's sandbox id, only " + Alternatives(match.sandbox_ids, " and ") + ".";
    case Mismatch::kRoomAbsent:
      return "It is for requests that name a room, one of " + Alternatives(match.rooms) + ".";
    case Mismatch::kRoomOther:
      return "It does not list the request's room, only " + Alternatives(match.rooms, " and ") + ".";
    case Mismatch::kScopes:
      return "The credential lacks a scope: all of " + Alternatives(match.scopes, " and ") + " are needed.";
    case Mismatch::kClaim:
      return "The claim `" + PathText(result.claim->path) + "` is absent or has none of the values that are needed.";
  }
  return {};
}

}  // namespace livekit::token
