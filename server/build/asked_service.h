// Fields of authenticators that ask a service about credentials. What is wrong becomes a problem at the field's path.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "google/protobuf/duration.pb.h"
#include "http/client.h"

namespace livekit::token::build {

struct Context;

// How the service is asked, of the fields `url`, `allow_http` and `ca_file` below `path`. `timeout` is null if the
// field is absent: 3 s.
http::ClientRequest AskedService(const std::string& path, const std::string& url, bool allow_http,
                                 const std::string& ca_file, const google::protobuf::Duration* timeout,
                                 Context& context);
// For how long its answers are remembered, 0s to 60s.
std::chrono::seconds AnswerLifetime(const std::string& path, const google::protobuf::Duration& ttl, Context& context);
// A client for this service alone. Null is a problem at `path` already.
std::unique_ptr<http::Client> OwnClient(const std::string& path, Context& context);

}  // namespace livekit::token::build
