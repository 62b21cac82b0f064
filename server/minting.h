// Tokens that a service asks for by their grants, within its ceiling.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "livekit/token/access_token.h"
#include "livekit/token/v1/token_service.pb.h"
#include "server/audit.h"
#include "server/authority_state.h"
#include "server/services.h"
#include "service/metrics.h"

namespace livekit::token {

// Signs with the project's key, and counts how long that took.
absl::StatusOr<SignedToken> SignCounted(const Project& project, const v1::Grants& grants, const SignOptions& options,
                                        Time now, Metrics& metrics);

// Mints one token for a service that may mint into `response`, and notes it in `event`. `grants` is room to work in,
// kept from token to token. Errors: those of the contract, for the request's fields.
absl::Status MintToken(const AuthorityState& state, const ServiceRules& service,
                       const v1::MintAccessTokenRequest& request, Time now, Metrics& metrics, v1::Grants& grants,
                       v1::MintAccessTokenResponse& response, AuditEvent& event);

}  // namespace livekit::token
