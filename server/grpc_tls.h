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

namespace http {
class PublishedTls;
}
class Metrics;

// Everything that is wrong with `tls` and the files that it names, with paths below `path`.
ConfigProblems CheckServerTls(const std::string& path, const config::v1::ServerTls& tls,
                              const FileReader& read = ReadFile);

// TLS 1.2 and later for a listener, whose files can be replaced while it serves: connections that stand are kept, and
// at most 1.5 s after a reload all handshakes use the new files. Client certificates are verified against
// `client_ca_file` alone.
//
// Thread safety: all methods may be called concurrently.
class ServerTlsFiles {
 public:
  // Errors: those of CheckServerTls, as one text that names the files. `metrics` (null: none) gets the time at which
  // the certificate ends, with the role `grpc`.
  static absl::StatusOr<std::unique_ptr<ServerTlsFiles>> Create(const config::v1::ServerTls& tls, Metrics* metrics,
                                                                const FileReader& read = ReadFile);
  ~ServerTlsFiles();

  // For any number of listeners; they must be gone before this object is.
  const std::shared_ptr<grpc::ServerCredentials>& credentials() const { return credentials_; }

  // Reads the same files anew and uses all of them, or, if anything is wrong with one, none. The problems have paths
  // below `path`.
  ConfigProblems Reload(const std::string& path, const FileReader& read);

 private:
  ServerTlsFiles(std::unique_ptr<http::PublishedTls> files, const config::v1::ServerTls& tls);

  const std::unique_ptr<http::PublishedTls> files_;
  const std::shared_ptr<grpc::ServerCredentials> credentials_;
};

// The names in the client certificate that the connection has verified; nothing without one.
std::optional<PeerCertificate> CertificateOf(const grpc::AuthContext& context);

}  // namespace livekit::token
