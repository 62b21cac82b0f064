// TLS of the gRPC listener, and what it proves about callers.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/security/server_credentials.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/principal.h"
#include "service/config.h"

namespace livekit::token {

// Everything that is wrong with `tls` and the files that it names, with paths below `path`.
ConfigProblems CheckServerTls(const std::string& path, const config::v1::ServerTls& tls);

// TLS 1.2 and later with these files, which are read once: a new certificate needs a restart. Client certificates are
// verified against `client_ca_file` alone. Errors: those of CheckServerTls.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const config::v1::ServerTls& tls);

// The names in the client certificate that the connection has verified; nothing without one.
std::optional<PeerCertificate> CertificateOf(const grpc::AuthContext& context);

}  // namespace livekit::token
