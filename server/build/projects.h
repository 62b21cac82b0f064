// Configuration of projects and their keys.
#pragma once

#include "google/protobuf/repeated_field.h"
#include "livekit/token/config/v1/server_config.pb.h"

namespace livekit::token::build {

struct Context;

// Reads the key files and leaves the projects in `context`.
void BuildProjects(const google::protobuf::RepeatedPtrField<config::v1::Project>& projects, Context& context);

}  // namespace livekit::token::build
