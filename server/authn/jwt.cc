#include "server/authn/jwt.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "jose/json.h"
#include "jose/jwt.h"
#include "server/authn/verified_tokens.h"

namespace livekit::token {
namespace {

// Mean size up to which the cache holds as many tokens as it may.
constexpr std::size_t kCachedTokenBytes = 2048;

// Most keys that are tried for one token. More only count if the issuer gives them ids and the token names one.
constexpr int kMaxTries = 8;

JwtRejection RejectionOf(jose::JwtVerdict verdict) {
  switch (verdict) {
    case jose::JwtVerdict::kOk:
      return JwtRejection::kNone;
    case jose::JwtVerdict::kMalformed:
      return JwtRejection::kMalformed;
    case jose::JwtVerdict::kAlgorithm:
      return JwtRejection::kAlgorithm;
    case jose::JwtVerdict::kExtension:
      return JwtRejection::kExtension;
    case jose::JwtVerdict::kHeader:
      return JwtRejection::kHeader;
  }
  return JwtRejection::kMalformed;
}

// Tries the keys that have the token's key id; if none has it, those without an id; and all if the token names none.
JwtRejection CheckSignature(const jose::Jwt& jwt, const jose::KeySet& keys) {
  const bool named = !jwt.key_id.empty() && std::any_of(keys.begin(), keys.end(), [&jwt](const auto& key) {
    return key->key_id() == jwt.key_id;
  });
  int tries = 0;
  for (const auto& key : keys) {
    if (!jwt.key_id.empty() && key->key_id() != (named ? jwt.key_id : "")) continue;
    if (!key->Permits(jwt.algorithm)) continue;
    if (tries == kMaxTries) break;
    ++tries;
    if (key->Verify(jwt.algorithm, jwt.signing_input, jwt.signature)) return JwtRejection::kNone;
  }
  return tries == 0 ? JwtRejection::kNoKey : JwtRejection::kSignature;
}

}  // namespace

class JwtAuthenticator::Core {
 public:
  // A token on its way.
  struct Attempt {
    std::string token;
    jose::Jwt jwt;  // refers to `token`
    VerifiedTokens::Digest digest;
    Time now;
    Done done;
    // Goes before `done`, with which the last other owner of the keys may go: this is on the thread of their client.
    std::shared_ptr<Core> core;
  };

  Core(JwtOptions options, std::shared_ptr<KeySource> source)
      : options_(std::move(options)),
        source_(std::move(source)),
        cache_(options_.cache_entries, options_.cache_entries * kCachedTokenBytes) {}

  const JwtOptions& options() const { return options_; }
  KeySource& source() { return *source_; }
  VerifiedTokens& cache() { return cache_; }

  // Checks what can be said without keys.
  JwtRejection Parse(Attempt& attempt) const {
    const auto verdict = jose::ParseJwt(attempt.token, attempt.jwt);
    if (verdict != jose::JwtVerdict::kOk) return RejectionOf(verdict);
    if (!options_.rules.algorithms.Contains(attempt.jwt.algorithm)) return JwtRejection::kAlgorithm;
    if (!IsPermittedType(options_.rules, attempt.jwt.type)) return JwtRejection::kType;
    return JwtRejection::kNone;
  }

  void Finish(const Attempt& attempt, absl::StatusOr<std::shared_ptr<const jose::KeySet>> keys) {
    if (!keys.ok()) {
      Report(JwtRejection::kKeysUnavailable);
      return attempt.done(WithDetail(keys.status(), JwtRejectionSentence(JwtRejection::kKeysUnavailable)));
    }
    auto principal = std::make_shared<Principal>();
    Time expires;
    const JwtRejection rejection = Verify(attempt, **keys, *principal, expires);
    if (rejection != JwtRejection::kNone) return Refused(rejection, attempt.done);
    if (expires > attempt.now) {
      cache_.Insert(attempt.digest, attempt.token.size(), principal, expires, *std::move(keys));
    }
    attempt.done(*principal);
  }

  void Refused(JwtRejection rejection, const Done& done) const {
    Report(rejection);
    done(WithDetail(WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)), JwtRejectionSentence(rejection)));
  }

 private:
  JwtRejection Verify(const Attempt& attempt, const jose::KeySet& keys, Principal& principal, Time& expires) const {
    const JwtRejection signature = CheckSignature(attempt.jwt, keys);
    if (signature != JwtRejection::kNone) return signature;
    auto payload = jose::ParseJsonObject(attempt.jwt.payload);
    if (!payload) return JwtRejection::kMalformed;
    const JwtRejection claims = CheckClaims(options_.rules, *payload, attempt.now, expires);
    if (claims != JwtRejection::kNone) return claims;
    principal.claims = Claims(*std::move(payload));
    const std::string* const subject = SubjectOf(options_.rules, principal.claims);
    if (subject == nullptr) return JwtRejection::kSubject;
    principal.authenticator = options_.name;
    principal.subject = *subject;
    return JwtRejection::kNone;
  }

  void Report(JwtRejection rejection) const {
    if (options_.on_rejection) options_.on_rejection(rejection);
  }

  const JwtOptions options_;
  const std::shared_ptr<KeySource> source_;
  VerifiedTokens cache_;
};

JwtAuthenticator::JwtAuthenticator(JwtOptions options, std::shared_ptr<KeySource> keys)
    : core_(std::make_shared<Core>(std::move(options), std::move(keys))) {}

JwtAuthenticator::~JwtAuthenticator() = default;

const std::string& JwtAuthenticator::name() const { return core_->options().name; }

std::vector<std::string> JwtAuthenticator::headers() const { return {core_->options().header}; }

bool JwtAuthenticator::Recognizes(const Credentials& credentials) const {
  // Cheaper than to look for the token among the verified ones, which Authenticate does.
  return ClaimsToBe(core_->options().rules, TokenIn(credentials, core_->options().header));
}

void JwtAuthenticator::Authenticate(const Credentials& credentials, Time now, Done done) const {
  const std::string_view token = TokenIn(credentials, core_->options().header);
  if (token.size() > jose::kMaxJwtBytes) return core_->Refused(JwtRejection::kMalformed, done);
  const auto digest = core_->cache().DigestOf(token);
  if (const auto known = core_->cache().Find(digest, now, core_->source().Current(now).get())) return done(*known);

  auto attempt = std::make_shared<Core::Attempt>();
  attempt->token = token;
  attempt->digest = digest;
  attempt->now = now;
  attempt->done = std::move(done);
  const JwtRejection rejection = core_->Parse(*attempt);
  if (rejection != JwtRejection::kNone) return core_->Refused(rejection, attempt->done);
  attempt->core = core_;
  core_->source().Get(attempt->jwt.key_id, now, [attempt](absl::StatusOr<std::shared_ptr<const jose::KeySet>> keys) {
    attempt->core->Finish(*attempt, std::move(keys));
  });
}

std::optional<KeySourceState> JwtAuthenticator::key_state() const { return core_->source().state(); }

std::size_t JwtAuthenticator::cached_tokens() const { return core_->cache().size(); }

}  // namespace livekit::token
