// From configuration to an authority's state.
#pragma once

#include <memory>

#include "livekit/token/config/v1/server_config.pb.h"
#include "livekit/token/key_source.h"
#include "server/authn/jwks_pool.h"
#include "server/authority_state.h"
#include "server/key_ledger.h"
#include "service/config.h"
#include "service/file_snapshot.h"

namespace livekit::token {

// What one build shares with those before and after it. Null: it has its own.
struct SharedParts {
  FileSnapshot* files = nullptr;
  KeyLedger* ledger = nullptr;
  JwksPool* jwks = nullptr;
  Metrics* metrics = nullptr;  // where authenticators count
};

// Circumstances of a start that the configuration does not hold.
struct BuildOptions {
  Environment environment = ProcessEnvironment;
  // Development mode: weak secrets are taken, LiveKit's `devkey` with `secret` stands in for missing keys, and a
  // project may lack a client URL.
  bool dev = false;
  // Only find what is wrong: nothing is asked over the network, and the state lacks the authenticators that
  // would have to. It is good for decisions about principals all the same.
  bool check_only = false;
  SharedParts shared = {};
};

// A state, or everything that is wrong with the configuration.
struct BuildResult {
  std::shared_ptr<const AuthorityState> state;  // null if there are problems
  ConfigProblems problems;
  ConfigProblems warnings;
};

// Reads the key files that `config` names and builds the state. Finds all problems, not only the first.
BuildResult BuildAuthorityState(const config::v1::ServerConfig& config, const BuildOptions& options);

}  // namespace livekit::token
