#include "server/grpc_tls.h"

#include <grpc/grpc_security_constants.h>

#include <utility>
#include <vector>

#include "base/secret.h"
#include "base/status.h"
#include "http/tls.h"
#include "http/tls_files.h"

namespace livekit::token {
namespace {

std::vector<std::string> ValuesOf(const grpc::AuthContext& context, const char* property) {
  std::vector<std::string> values;
  for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
    values.emplace_back(value.data(), value.size());
  }
  return values;
}

}  // namespace

ConfigProblems CheckServerTls(const std::string& path, const config::v1::ServerTls& tls) {
  ConfigProblems problems;
  const auto add = [&](const ConfigProblem& problem) {
    problems.push_back({ConfigPath(path, problem.path), problem.message});
  };
  for (const auto& [field, file] : {std::pair("cert_file", &tls.cert_file()), std::pair("key_file", &tls.key_file())}) {
    if (file->empty()) add({field, "is missing; TLS needs a certificate and its key"});
  }
  if (problems.empty()) {
    for (const auto& problem : http::TlsContext::Check(tls.cert_file(), tls.key_file())) add(problem);
  }
  if (!tls.client_ca_file().empty()) {
    for (const auto& problem : http::CheckAuthorities("client_ca_file", tls.client_ca_file())) add(problem);
  } else if (tls.client_cert_optional()) {
    add({"client_cert_optional", "needs `client_ca_file`; without it clients are not asked for certificates"});
  }
  return problems;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const config::v1::ServerTls& tls) {
  LKT_ASSIGN_OR_RETURN(const http::TlsIdentity identity, http::ReadTlsIdentity(tls.cert_file(), tls.key_file()));
  grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  if (!tls.client_ca_file().empty()) {
    LKT_ASSIGN_OR_RETURN(options.pem_root_certs, ReadFile(tls.client_ca_file()));
    options.client_certificate_request = tls.client_cert_optional()
                                             ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                             : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  options.pem_key_cert_pairs.push_back({std::string(identity.key.Reveal()), identity.certificates});
  auto credentials = grpc::SslServerCredentials(options);
  Wipe(options.pem_key_cert_pairs.front().private_key);
  return credentials;
}

std::optional<PeerCertificate> CertificateOf(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) return std::nullopt;
  return PeerCertificate{ValuesOf(context, GRPC_PEER_URI_PROPERTY_NAME),
                         ValuesOf(context, GRPC_PEER_DNS_PROPERTY_NAME)};
}

}  // namespace livekit::token
