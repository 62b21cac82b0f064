// TLS of the gRPC listener: real connections with real certificates.

#include "server/grpc_tls.h"

#include <grpcpp/grpcpp.h>
#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "server/server.h"
#include "support/certificate.h"
#include "support/tls_client.h"

namespace livekit::token {
namespace {

using testing::CertificateFiles;
using testing::CertificateOptions;
using ::testing::HasSubstr;
using testing::KeyOf;
using testing::TlsClient;
using testing::TlsClientOptions;

constexpr std::chrono::seconds kPatience{30};

constexpr char kMtlsYaml[] = R"(
listen: { tls: { cert_file: c, key_file: k, client_ca_file: a } }
projects: [{ name: main, client_url: wss://main.example, keys: { file: $DIR/main.keys, signing_key: APImain } }]
authenticators:
  - { name: programs, api_keys: { file: $DIR/programs.yaml, header: authorization } }
  - { name: workloads, mtls: { uri_sans: ["spiffe://acme/sa/*"], dns_sans: ["*.jobs.acme.dev"] } }
policies:
  - { name: workload, match: { authenticator: workloads }, room: { client: allow } }
  - { name: program, match: { authenticator: programs }, room: { client: allow } }
services:
  - { name: gateway, match: { authenticator: workloads, subject: "spiffe://acme/sa/gateway" }, relay: true }
)";

class GrpcTls : public testing::AuthorityFixture {
 protected:
  GrpcTls() : ca_(Make("ca", Authority())), other_ca_(Make("other-ca", Authority())) {
    server_files_ = Make("server", SignedBy(ca_));
  }
  ~GrpcTls() override { server_.reset(); }

  static CertificateOptions Authority() {
    CertificateOptions options;
    options.authority = true;
    options.common_name = "test authority";
    options.local_names = false;
    return options;
  }
  static CertificateOptions SignedBy(const CertificateFiles& issuer) {
    CertificateOptions options;
    options.issuer = &issuer;
    return options;
  }
  // A workload's certificate.
  static CertificateOptions Names(const CertificateFiles& issuer, std::vector<std::string> uris,
                                  std::vector<std::string> dns = {}) {
    CertificateOptions options = SignedBy(issuer);
    options.local_names = false;
    options.common_name = "spiffe://acme/sa/gateway";  // must never count
    options.uri_names = std::move(uris);
    options.dns_names = std::move(dns);
    return options;
  }
  CertificateFiles Make(const std::string& name, const CertificateOptions& options) const {
    return WriteCertificate(folder_, name, options);
  }

  void Serve(bool optional, bool with_ca = true) {
    config::v1::ServerConfig config;
    config.mutable_listen()->set_grpc("127.0.0.1:0");
    auto& tls = *config.mutable_listen()->mutable_tls();
    tls.set_cert_file(server_files_.cert_file);
    tls.set_key_file(server_files_.key_file);
    if (with_ca) tls.set_client_ca_file(ca_.cert_file);
    tls.set_client_cert_optional(optional);
    ASSERT_EQ(FormatProblems("f", CheckServerConfig(config, {})), "");
    auto server = TokenServer::Start(WithDefaults(config, {}), {}, authorities_, metrics_);
    ASSERT_OK(server);
    server_ = *std::move(server);
  }

  struct Answer {
    grpc::Status status;
    std::string identity;
    std::string reason;
  };
  // Asks for a token over a connection of its own; `own` is null for a client without certificate.
  Answer Ask(const CertificateFiles* own, const std::vector<PresentedHeader>& headers = {}) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = *ReadFile(ca_.cert_file);
    if (own != nullptr) {
      options.pem_cert_chain = *ReadFile(own->cert_file);
      options.pem_private_key = *ReadFile(own->key_file);
    }
    return AskOver(grpc::SslCredentials(options), headers);
  }
  Answer AskOver(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                 const std::vector<PresentedHeader>& headers = {}) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(server_->address(), credentials, arguments);
    const auto stub = v1::TokenService::NewStub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    for (const auto& header : headers) context.AddMetadata(header.name, header.value);
    v1::IssueParticipantTokenRequest request;
    *request.mutable_request() = InRoom("lobby");
    v1::IssueParticipantTokenResponse response;
    Answer answer;
    answer.status = stub->IssueParticipantToken(&context, request, &response);
    answer.identity = response.participant_identity();
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (details.ParseFromString(answer.status.error_details()) && details.details_size() > 0 &&
        details.details(0).UnpackTo(&info)) {
      answer.reason = info.reason();
    }
    return answer;
  }
  Answer AskAs(const CertificateOptions& options) {
    const auto files = Make("client", options);
    return Ask(&files);
  }
  // Expects that there is no connection at all.
  static void ExpectNoConnection(const Answer& answer) {
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE) << answer.status.error_message();
    EXPECT_EQ(answer.reason, "");
    EXPECT_EQ(answer.identity, "");
  }

  int Port() const { return std::stoi(server_->address().substr(server_->address().rfind(':') + 1)); }

  testing::TempFolder folder_;
  CertificateFiles ca_;
  CertificateFiles other_ca_;
  CertificateFiles server_files_;
  Authorities authorities_{std::make_shared<const TokenAuthority>(Build(kMtlsYaml), clock_, metrics_)};
  std::unique_ptr<TokenServer> server_;
};

TEST_F(GrpcTls, KnowsCallersByTheNamesInTheirCertificates) {
  Serve(/*optional=*/false);
  EXPECT_EQ(AskAs(Names(ca_, {"spiffe://acme/sa/recorder"})).identity, "spiffe://acme/sa/recorder");
  EXPECT_EQ(AskAs(Names(ca_, {}, {"nightly.jobs.acme.dev"})).identity, "nightly.jobs.acme.dev");
  EXPECT_EQ(AskAs(Names(ca_, {"https://other", "spiffe://acme/sa/a"}, {"localhost", "b"})).identity,
            "spiffe://acme/sa/a");
  EXPECT_EQ(AskAs(Names(ca_, {"spiffe://acme/sa/gateway"})).reason, "NO_POLICY");
}

TEST_F(GrpcTls, BelievesNoNameThatIsNotThere) {
  Serve(/*optional=*/true);
  const std::pair<CertificateOptions, const char*> cases[] = {
      // Only a common name; it says the gateway's.
      {Names(ca_, {}), "AUTHENTICATION_REQUIRED"},
      {Names(ca_, {"spiffe://evil/sa/gateway"}), "AUTHENTICATION_REQUIRED"},
      // A name of the other kind.
      {Names(ca_, {}, {"spiffe://acme/sa/gateway"}), "AUTHENTICATION_REQUIRED"},
      {Names(ca_, {"nightly.jobs.acme.dev"}), "AUTHENTICATION_REQUIRED"},
      {Names(ca_, {"spiffe://acme/sa/a", "spiffe://acme/sa/b"}), "AUTHENTICATION_FAILED"},
      {Names(ca_, {"spiffe://acme/sa/a"}, {"b.jobs.acme.dev"}), "AUTHENTICATION_FAILED"},
      {Names(ca_, {}, {"*.jobs.acme.dev"}), "AUTHENTICATION_FAILED"},
      {Names(ca_, {std::string("spiffe://acme/sa/gateway\0.evil", 30)}), "AUTHENTICATION_FAILED"},
      {Names(ca_, {std::string("spiffe://acme/sa/gateway\0", 25)}), "AUTHENTICATION_FAILED"},
      {Names(ca_, {}, {std::string("evil.dev\0.jobs.acme.dev", 23)}), "AUTHENTICATION_FAILED"},
      {Names(ca_, {"spiffe://acme/sa/gateway, spiffe://acme/sa/x\n"}), "AUTHENTICATION_FAILED"},
  };
  int i = 0;
  for (const auto& [options, reason] : cases) {
    const auto answer = AskAs(options);
    EXPECT_EQ(answer.reason, reason) << i << " " << answer.identity << answer.status.error_message();
    ++i;
  }
  // A name that merely begins with that of the gateway is somebody else.
  EXPECT_EQ(AskAs(Names(ca_, {"spiffe://acme/sa/gateway.evil"})).identity, "spiffe://acme/sa/gateway.evil");
}

TEST_F(GrpcTls, RefusesCertificatesOfOthers) {
  for (const bool optional : {false, true}) {
    Serve(optional);
    ExpectNoConnection(AskAs(Names(other_ca_, {"spiffe://acme/sa/recorder"})));
    CertificateOptions expired = Names(ca_, {"spiffe://acme/sa/recorder"});
    expired.not_before = -7200;
    expired.not_after = -3600;
    ExpectNoConnection(AskAs(expired));
    CertificateOptions future = Names(ca_, {"spiffe://acme/sa/recorder"});
    future.not_before = 3600;
    future.not_after = 7200;
    ExpectNoConnection(AskAs(future));
    CertificateOptions self_signed = Names(ca_, {"spiffe://acme/sa/recorder"});
    self_signed.issuer = nullptr;
    ExpectNoConnection(AskAs(self_signed));
    // A leaf cannot vouch for another.
    const auto leaf = Make("leaf", Names(ca_, {"spiffe://acme/sa/recorder"}));
    ExpectNoConnection(AskAs(Names(leaf, {"spiffe://acme/sa/gateway"})));
  }
}

TEST_F(GrpcTls, NeedsACertificateUnlessThatIsOptional) {
  Serve(/*optional=*/false);
  ExpectNoConnection(Ask(nullptr, {{"authorization", "Bearer " + KeyOf("root")}}));
  Serve(/*optional=*/true);
  EXPECT_EQ(Ask(nullptr, {{"authorization", "Bearer " + KeyOf("root")}}).identity, "root");
  EXPECT_EQ(Ask(nullptr).reason, "AUTHENTICATION_REQUIRED");
  EXPECT_EQ(AskAs(Names(ca_, {"spiffe://acme/sa/recorder"})).identity, "spiffe://acme/sa/recorder");
}

TEST_F(GrpcTls, DoesNotAskForCertificatesWithoutAuthorities) {
  Serve(/*optional=*/false, /*with_ca=*/false);
  EXPECT_EQ(Ask(nullptr, {{"authorization", "Bearer " + KeyOf("root")}}).identity, "root");
  // Nor does it take one that a client would like to present.
  EXPECT_EQ(AskAs(Names(ca_, {"spiffe://acme/sa/recorder"})).reason, "AUTHENTICATION_REQUIRED");
}

TEST_F(GrpcTls, TakesNoClearText) {
  Serve(/*optional=*/true);
  ExpectNoConnection(AskOver(grpc::InsecureChannelCredentials(), {{"authorization", "Bearer " + KeyOf("root")}}));
}

TEST_F(GrpcTls, ShowsTheConfiguredCertificate) {
  Serve(/*optional=*/true);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = *ReadFile(other_ca_.cert_file);
  const auto answer = AskOver(grpc::SslCredentials(options));
  ExpectNoConnection(answer);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("handshake failed"));
}

TEST_F(GrpcTls, SpeaksOnlyModernVersions) {
  Serve(/*optional=*/false, /*with_ca=*/false);
  for (const auto& [version, expected] :
       {std::pair(TLS1_1_VERSION, false), std::pair(TLS1_2_VERSION, true), std::pair(TLS1_3_VERSION, true)}) {
    TlsClientOptions options;
    options.min_version = options.max_version = version;
    options.alpn = {"h2"};
    const TlsClient client(Port(), options);
    EXPECT_EQ(client.secure(), expected) << version << client.error();
  }
}

TEST_F(GrpcTls, ChecksItsFiles) {
  const auto problems = [](const config::v1::ServerTls& tls) {
    std::vector<std::string> paths;
    for (const auto& problem : CheckServerTls("listen.tls", tls)) paths.push_back(problem.path);
    return paths;
  };
  using ::testing::ElementsAre;
  config::v1::ServerTls tls;
  EXPECT_THAT(problems(tls), ElementsAre("listen.tls.cert_file", "listen.tls.key_file"));
  tls.set_cert_file(server_files_.cert_file);
  EXPECT_THAT(problems(tls), ElementsAre("listen.tls.key_file"));
  tls.set_key_file(ca_.key_file);
  EXPECT_THAT(problems(tls), ElementsAre("listen.tls.key_file"));
  tls.set_key_file(server_files_.key_file);
  EXPECT_THAT(problems(tls), ElementsAre());
  tls.set_client_cert_optional(true);
  EXPECT_THAT(problems(tls), ElementsAre("listen.tls.client_cert_optional"));
  for (const std::string& ca : {ca_.key_file, folder_.path() + "/missing", folder_.Write("empty", "")}) {
    tls.set_client_ca_file(ca);
    EXPECT_THAT(problems(tls), ElementsAre("listen.tls.client_ca_file")) << ca;
  }
  tls.set_client_ca_file(ca_.cert_file);
  EXPECT_THAT(problems(tls), ElementsAre());
  // What has gone bad since the check does not start in clear text.
  tls.set_key_file(ca_.key_file);
  EXPECT_FALSE(ServerTlsFiles::Create(tls, nullptr).ok());
  config::v1::ServerConfig config;
  config.mutable_listen()->set_grpc("127.0.0.1:0");
  *config.mutable_listen()->mutable_tls() = tls;
  EXPECT_FALSE(TokenServer::Start(WithDefaults(config, {}), {}, authorities_, metrics_).ok());
}

}  // namespace
}  // namespace livekit::token
