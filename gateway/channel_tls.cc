#include "gateway/channel_tls.h"

#include <utility>

#include "grpcpp/security/credentials.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "http/published_tls.h"
#include "http/tls_files.h"

namespace livekit::token::gateway {
namespace {

// How often gRPC looks for new files; it takes whole seconds.
constexpr unsigned kLookEverySeconds = 1;

std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const http::PublishedTls& files) {
  const std::string identity = files.identity_path();
  const std::string authorities = files.authorities_path();
  // Nothing to watch. gRPC's file watcher must be given some file.
  if (identity.empty() && authorities.empty()) return grpc::SslCredentials({});
  // That certificates are verified, and for the name of the host, is the default here.
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      identity, identity, authorities, kLookEverySeconds));
  if (!identity.empty()) options.watch_identity_key_cert_pairs();
  if (!authorities.empty()) options.watch_root_certs();
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace

absl::StatusOr<std::shared_ptr<ChannelTls>> ChannelTls::Create(const config::v1::TargetTls& tls, Metrics* metrics,
                                                               const FileReader& read) {
  ConfigProblems problems;
  auto files = http::PublishedTls::Create({tls.cert_file(), tls.key_file(), tls.ca_file(), "ca_file"}, "client",
                                          metrics, read, problems);
  if (files == nullptr) return http::TlsFilesError(problems);
  return std::shared_ptr<ChannelTls>(new ChannelTls(std::move(files), tls.server_name()));
}

ChannelTls::ChannelTls(std::unique_ptr<http::PublishedTls> files, std::string server_name)
    : files_(std::move(files)), credentials_(MakeCredentials(*files_)), server_name_(std::move(server_name)) {}

ChannelTls::~ChannelTls() = default;

ConfigProblems ChannelTls::Reload(const std::string& path, const FileReader& read) {
  ConfigProblems problems = files_->Reload(read);
  for (ConfigProblem& problem : problems) problem.path = ConfigPath(path, problem.path);
  return problems;
}

}  // namespace livekit::token::gateway
