#include "server/grpc_tls.h"

#include <grpc/grpc_security_constants.h>

#include <utility>
#include <vector>

#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "http/published_tls.h"
#include "http/tls.h"
#include "http/tls_files.h"

namespace livekit::token {
namespace {

// How often gRPC looks for new files; it takes whole seconds.
constexpr unsigned kLookEverySeconds = 1;

std::vector<std::string> ValuesOf(const grpc::AuthContext& context, const char* property) {
  std::vector<std::string> values;
  for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
    values.emplace_back(value.data(), value.size());
  }
  return values;
}

std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const http::PublishedTls& files,
                                                         const config::v1::ServerTls& tls) {
  const std::string identity = files.identity_path();
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(identity, identity, files.authorities_path(),
                                                                           kLookEverySeconds));
  options.watch_identity_key_cert_pairs();
  if (tls.client_ca_file().empty()) {
    options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  } else {
    options.watch_root_certs();
    options.set_cert_request_type(tls.client_cert_optional()
                                      ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                      : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

ConfigProblems CheckServerTls(const std::string& path, const config::v1::ServerTls& tls, const FileReader& read) {
  ConfigProblems problems;
  const auto add = [&](const ConfigProblem& problem) {
    problems.push_back({ConfigPath(path, problem.path), problem.message});
  };
  for (const auto& [field, file] : {std::pair("cert_file", &tls.cert_file()), std::pair("key_file", &tls.key_file())}) {
    if (file->empty()) add({field, "is missing; TLS needs a certificate and its key"});
  }
  if (problems.empty()) {
    for (const auto& problem : http::TlsContext::Check(tls.cert_file(), tls.key_file(), read)) add(problem);
  }
  if (!tls.client_ca_file().empty()) {
    for (const auto& problem : http::CheckAuthorities("client_ca_file", tls.client_ca_file(), read)) add(problem);
  } else if (tls.client_cert_optional()) {
    add({"client_cert_optional", "needs `client_ca_file`; without it clients are not asked for certificates"});
  }
  return problems;
}

absl::StatusOr<std::unique_ptr<ServerTlsFiles>> ServerTlsFiles::Create(const config::v1::ServerTls& tls,
                                                                       Metrics* metrics, const FileReader& read) {
  ConfigProblems problems;
  auto files = http::PublishedTls::Create({tls.cert_file(), tls.key_file(), tls.client_ca_file(), "client_ca_file"},
                                          "grpc", metrics, read, problems);
  if (files == nullptr) return http::TlsFilesError(problems);
  return std::unique_ptr<ServerTlsFiles>(new ServerTlsFiles(std::move(files), tls));
}

ServerTlsFiles::ServerTlsFiles(std::unique_ptr<http::PublishedTls> files, const config::v1::ServerTls& tls)
    : files_(std::move(files)), credentials_(MakeCredentials(*files_, tls)) {}

ServerTlsFiles::~ServerTlsFiles() = default;

ConfigProblems ServerTlsFiles::Reload(const std::string& path, const FileReader& read) {
  ConfigProblems problems = files_->Reload(read);
  for (ConfigProblem& problem : problems) problem.path = ConfigPath(path, problem.path);
  return problems;
}

std::optional<PeerCertificate> CertificateOf(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) return std::nullopt;
  return PeerCertificate{ValuesOf(context, GRPC_PEER_URI_PROPERTY_NAME),
                         ValuesOf(context, GRPC_PEER_DNS_PROPERTY_NAME)};
}

}  // namespace livekit::token
