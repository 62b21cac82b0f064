// What the two programs that contain a token server do before they serve.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authority_builder.h"
#include "server/jwt_config.h"
#include "server/server.h"

namespace livekit::token {

// Settings that flags give in place of the file. Empty: as in the file.
struct ServerOverrides {
  std::string grpc_listen;
  std::string admin_listen;
  bool reflection = false;  // true: on, whatever the file says
  JwtStart jwt = {};        // in place of a file
};

// A configuration that can be served, or everything that is wrong with it.
struct ServerStartup {
  config::v1::ServerConfig config;              // with defaults
  std::shared_ptr<const AuthorityState> state;  // null if there are problems
  ConfigProblems problems;
  ConfigProblems warnings;
};

// Completes the configuration and builds the state. `file_config` is what the file said, null without a file; without
// it development mode and `overrides.jwt` can start. With `check_only` nothing is asked over the network: the state is
// good for decisions about principals, and not for authenticating them. `shared` is for reloads.
ServerStartup PrepareServer(const config::v1::ServerConfig* file_config, const ServerOverrides& overrides,
                            const ServerOptions& options, const Environment& environment, bool check_only = false,
                            const SharedParts& shared = {});

// What development mode prints: what it allows, and lines to paste. `http_address` is empty without an HTTP listener.
std::string DevBanner(const config::v1::ServerConfig& config, std::string_view http_address,
                      std::string_view grpc_address);

// Carries out `--hash_api_key ID`: prints the line for the key file to standard output, and a key that it made up to
// standard error. The secret is read from standard input if that is not a terminal and not empty. Returns the exit
// code.
int RunHashApiKey(const std::string& id);

}  // namespace livekit::token
