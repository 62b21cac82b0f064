// TLS towards token servers.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "livekit/token/config/v1/gateway_config.pb.h"
#include "service/config.h"
#include "service/metrics.h"

namespace grpc {
class ChannelCredentials;
}
namespace livekit::token::http {
class PublishedTls;
}

namespace livekit::token::gateway {

// TLS 1.2 and later, with files that can be replaced while calls are made: connections that stand are kept, and at most
// 1.5 s after a reload all handshakes use the new files. Servers are verified against `ca_file`, and without one
// against the system's authorities, which are read once; their certificates must have the name that is asked for.
//
// Thread safety: all methods may be called concurrently.
class ChannelTls {
 public:
  // Errors: as one text that names the files. `metrics` (null: none) gets the time at which our own certificate ends,
  // with the role `client`.
  static absl::StatusOr<std::shared_ptr<ChannelTls>> Create(const config::v1::TargetTls& tls, Metrics* metrics,
                                                            const FileReader& read = ReadFile);
  ~ChannelTls();

  // For any number of channels; they must be gone before this object is.
  const std::shared_ptr<grpc::ChannelCredentials>& credentials() const { return credentials_; }
  // The name that the servers' certificates must have; empty: the host of the target.
  const std::string& server_name() const { return server_name_; }

  // Reads the same files anew and uses all of them, or, if anything is wrong with one, none. The problems have paths
  // below `path`.
  ConfigProblems Reload(const std::string& path, const FileReader& read);

 private:
  ChannelTls(std::unique_ptr<http::PublishedTls> files, std::string server_name);

  const std::unique_ptr<http::PublishedTls> files_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const std::string server_name_;
};

}  // namespace livekit::token::gateway
