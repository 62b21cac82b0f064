#include "server/self_test.h"

#include <string>

#include "base/status.h"
#include "livekit/token/access_token.h"
#include "livekit/token/token_verifier.h"

namespace livekit::token {
absl::Status TestKeys(const Project& project, Time now) {
  v1::Grants grants;
  grants.set_identity("self-test");
  grants.mutable_video()->set_room_join(true);
  grants.mutable_video()->set_room("self-test");
  for (const auto& [id, key] : project.keys->keys()) {
    const absl::Status failed = absl::InternalError(Sv("key " + id + " does not sign what it can verify"));
    const auto token = Sign(*key, grants, {}, now);
    if (!token.ok()) return failed;
    const Verdict verdict = TokenVerifier(project.keys).VerifyJoin(token->token, now);
    if (!verdict.ok() || verdict.token->issuer() != id || verdict.token->grants().identity() != grants.identity()) {
      return failed;
    }
  }
  return absl::OkStatus();
}

}  // namespace livekit::token
