// Why a participant would get the token that it would get, or none.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "livekit/token/v1/token_service.pb.h"
#include "server/participant_token.h"
#include "server/principal.h"
#include "server/services.h"

namespace livekit::token {

struct AuthorityState;

// A principal that need not exist, and the service through which it would come.
struct ImaginedPrincipal {
  Principal principal;
  const ServiceRules* via;  // that asserts it; null if an authenticator vouches for it
};

// Makes the principal that an administrator imagines. Errors, with paths below `principal`: FIELD_INVALID if not
// exactly one of `authenticator` and `service` is there and known, or for claims of anonymous callers; FIELD_REQUIRED,
// FIELD_TOO_LONG and FIELD_INVALID for a subject that nobody can have.
absl::StatusOr<ImaginedPrincipal> ImaginePrincipal(const AuthorityState& state,
                                                   const v1::ExplainParticipantTokenRequest::Principal& stated);

// Explains the decision about a request whose principal is known; that it is a refusal is no error. `host` is that of
// ServerUrl. `reader` sees nothing of projects that it may not use; null sees everything. Error: PROJECT_NOT_PERMITTED
// if the policy that applies is of such a project.
absl::StatusOr<v1::ExplainParticipantTokenResponse> ExplainDecision(const AuthorityState& state,
                                                                    const ParticipantRequest& asked,
                                                                    std::string_view host, Time now,
                                                                    const ServiceRules* reader);

// Explains a whole request, from the credentials on. Calls `done` once, as TokenAuthority's methods do. `state`,
// `reader`, `request` and `clock` must live until then. Errors: those of ImaginePrincipal and ExplainDecision;
// FIELD_INVALID for `via`.
void Explain(const AuthorityState& state, const ServiceRules& reader, const v1::ExplainParticipantTokenRequest& request,
             std::string host, const Clock& clock,
             const std::function<void(absl::StatusOr<v1::ExplainParticipantTokenResponse>)>& done);

}  // namespace livekit::token
