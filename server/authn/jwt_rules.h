// What a JSON Web Token of an issuer must say to be a credential here.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "jose/algorithm.h"
#include "server/claims.h"

namespace livekit::token {

// Why a token was refused. For tests and the operator's debug log: its sender learns only that it was.
enum class JwtRejection {
  kNone,
  kMalformed,        // not three parts of base64url with strict JSON objects, or too long
  kAlgorithm,        // `alg` is absent, unknown or not permitted
  kExtension,        // `crit`, `b64`, `zip` or `enc` in the header
  kHeader,           // `kid` or `typ` in the header has the wrong type
  kType,             // `typ` is not the one that is required
  kNoKey,            // the issuer has no key with the token's `kid` that fits its algorithm
  kSignature,        // no such key made the signature
  kLiveKitToken,     // a token for LiveKit, which proves nothing about who sends it
  kIssuer,           // `iss` is not the issuer
  kAudience,         // for someone else, or for no one
  kTime,             // `exp` is absent, or a time is not a number
  kExpired,          // `exp` has passed
  kNotYetValid,      // `nbf` or `iat` is in the future
  kSubject,          // no text that can be a subject
  kKeysUnavailable,  // the issuer's keys could not be fetched
};
// A constant name, such as `signature`.
std::string_view JwtRejectionName(JwtRejection rejection);
// What is wrong, for the operator, such as `the token has expired`.
std::string_view JwtRejectionSentence(JwtRejection rejection);

// Whose tokens they are, and so which subjects they may have.
enum class JwtKind {
  kIssuer,          // of an identity provider: any subject
  kServiceAccount,  // of a Kubernetes cluster: `system:serviceaccount:NAMESPACE:NAME`
  kSpiffe,          // JWT-SVIDs of a trust domain: a SPIFFE id of it. `iss` says nothing (JWT-SVID section 3)
};

struct JwtRules {
  JwtKind kind = JwtKind::kIssuer;
  std::string issuer;                  // `iss`, exactly; for kSpiffe the trust domain in its place
  std::vector<std::string> audiences;  // of which the token's must name one
  std::string audience_claim = "aud";  // or `azp`, `client_id`
  jose::AlgorithmSet algorithms;
  ClaimPath subject_claim = *ClaimPath::Parse("sub");
  std::chrono::seconds leeway{60};  // for clocks that differ
  // `typ`, in lower case without `application/`. Empty: none, `jwt` and `at+jwt`, for kSpiffe `jose` in place of the
  // last (JWT-SVID section 2). Tokens of other types, such as `logout+jwt`, are no credentials although the issuer
  // signs them (RFC 8725 section 3.11).
  std::string type;
  // Ids of LiveKit's API keys, the issuers of LiveKit's tokens.
  std::set<std::string, std::less<>> livekit_keys;
};

// Whether a token of `type`, in the form of JwtRules, is a credential.
bool IsPermittedType(const JwtRules& rules, std::string_view type);

// Whether a token that nobody has verified says that it is one of those that the rules are for.
bool ClaimsToBe(const JwtRules& rules, std::string_view token);

// Checks the claims of a token whose signature is verified, all but the subject. Sets `expires` to `exp`, without
// leeway. Times may have fractions (RFC 7519 section 2) and be as large as they like.
JwtRejection CheckClaims(const JwtRules& rules, const nlohmann::json& claims, Time now, Time& expires);

// The subject: a text of 1 to 256 bytes without control characters, in the form that the kind of token asks for. Null
// if there is none. Lives as long as `claims`.
const std::string* SubjectOf(const JwtRules& rules, const Claims& claims);

// What the checks above are made of, for claims that come another way.

// Whether the claims are those of a token for LiveKit.
bool IsLiveKitToken(const nlohmann::json& claims, const std::set<std::string, std::less<>>& livekit_keys);
// Whether the claim `name`, a text or a list of texts (RFC 7519 section 4.1.3), is or holds one of `audiences`.
bool NamesAudience(const nlohmann::json& claims, const std::string& name, const std::vector<std::string>& audiences);
// Checks `exp`, `nbf` and `iat`, each if it is there. Sets `expires` to `exp`, or to nothing without it.
JwtRejection CheckTimes(const nlohmann::json& claims, std::chrono::seconds leeway, Time now,
                        std::optional<Time>& expires);
// The text of 1 to 256 bytes without control characters at `path`.
const std::string* SubjectAt(const ClaimPath& path, const Claims& claims);

}  // namespace livekit::token
