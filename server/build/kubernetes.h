// Configuration of authenticators of kind `kubernetes_service_account`.
#pragma once

#include <memory>
#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authenticator.h"

namespace livekit::token::build {

struct Context;

// Makes the authenticator `name`, after the projects. Reads the files that `cluster` names; keys at an address begin to
// be fetched unless the build is only a check. Null if there are problems, or for a check.
std::unique_ptr<const Authenticator> BuildKubernetes(const std::string& path, const std::string& name,
                                                     const config::v1::KubernetesServiceAccount& cluster,
                                                     Context& context);

}  // namespace livekit::token::build
