// What a configuration says, ready to decide with.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "jose/hmac_signer.h"
#include "server/authenticator.h"
#include "server/deny_list.h"
#include "server/key_ledger.h"
#include "server/policy.h"
#include "server/rate.h"
#include "server/services.h"

namespace livekit::token {

// Everything that the configuration decides. Built whole by authority_builder.h and never changed.
struct AuthorityState {
  AuthenticatorSet authenticators;
  PolicySet policies;
  ServiceSet services;
  DenyList deny_list = {};
  std::set<std::string> authenticator_names = {};  // of all, also of those that a check leaves out of `authenticators`
  std::vector<KeyLedger::ProjectInUse> projects = {};
  std::shared_ptr<const jose::HmacSha256> audit_hash = nullptr;  // of names in the audit; null: they stand as they are
  double access_log_sample = 1;  // share of calls that succeeded of which the log has a line
  RateLimits rate_limits = {};
};

}  // namespace livekit::token
