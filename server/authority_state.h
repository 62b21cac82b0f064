// What a configuration says, ready to decide with.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "http/client.h"
#include "server/authenticator.h"
#include "server/deny_list.h"
#include "server/policy.h"
#include "server/services.h"

namespace livekit::token {

// Everything that the configuration decides. Built whole by authority_builder.h and never changed.
struct AuthorityState {
  std::shared_ptr<http::Client> http_client;  // of the authenticators that have to ask; may be null
  AuthenticatorSet authenticators;
  PolicySet policies;
  ServiceSet services;
  DenyList deny_list = {};
  std::set<std::string> authenticator_names = {};  // of all, also of those that a check leaves out of `authenticators`
};

}  // namespace livekit::token
