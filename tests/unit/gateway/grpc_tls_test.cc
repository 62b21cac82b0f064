// The gRPC backend over TLS, with certificates on both sides.

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "grpc_fixture.h"
#include "gtest/gtest.h"
#include "service/config.h"
#include "support/certificate.h"

namespace livekit::token::gateway {
namespace {

using livekit::token::testing::CertificateFiles;
using livekit::token::testing::CertificateOptions;
using livekit::token::testing::TempFolder;

// Answers with the names in the caller's certificate.
class WhoAmI final : public v1::TokenService::Service {
 public:
  grpc::Status BatchIssueParticipantTokens(grpc::ServerContext* context,
                                           const v1::BatchIssueParticipantTokensRequest* request,
                                           v1::BatchIssueParticipantTokensResponse* response) override {
    std::string names;
    for (const auto& name : context->auth_context()->FindPropertyValues("peer_uri")) {
      names.append(name.data(), name.size());
    }
    for (int i = 0; i < request->items_size(); ++i) {
      response->add_results()->mutable_token()->set_participant_token(names.empty() ? "nobody" : names);
    }
    return grpc::Status::OK;
  }
};

class GrpcTlsBackendTest : public ::testing::Test {
 protected:
  GrpcTlsBackendTest() {
    ca_ = Make("ca", Authority());
    other_ca_ = Make("other-ca", Authority());
    own_ = Make("own", Client(ca_));
  }
  ~GrpcTlsBackendTest() override {
    backend_.reset();
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
  }

  static CertificateOptions Authority() {
    CertificateOptions options;
    options.authority = true;
    options.common_name = "test authority";
    options.local_names = false;
    return options;
  }
  static CertificateOptions Client(const CertificateFiles& issuer) {
    CertificateOptions options;
    options.issuer = &issuer;
    options.local_names = false;
    options.uri_names = {"spiffe://acme/sa/gateway"};
    return options;
  }
  CertificateFiles Make(const std::string& name, const CertificateOptions& options) const {
    return WriteCertificate(folder_, name, options);
  }

  // A server with a certificate for `dns_name`, and for localhost and its addresses if that is empty.
  void Serve(const std::string& address = "127.0.0.1:0", const std::string& dns_name = "", bool ask = true) {
    CertificateOptions options;
    options.issuer = &ca_;
    options.local_names = dns_name.empty();
    if (!dns_name.empty()) options.dns_names = {dns_name};
    const auto files = Make("server", options);
    grpc::SslServerCredentialsOptions credentials(ask ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                                      : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    if (ask) credentials.pem_root_certs = *ReadFile(ca_.cert_file);
    credentials.pem_key_cert_pairs.push_back({*ReadFile(files.key_file), *ReadFile(files.cert_file)});
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, grpc::SslServerCredentials(credentials), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    port_ = std::to_string(port);
  }

  config::v1::TargetTls Tls() const {
    config::v1::TargetTls tls;
    tls.set_ca_file(ca_.cert_file);
    tls.set_cert_file(own_.cert_file);
    tls.set_key_file(own_.key_file);
    return tls;
  }
  Backend::Result Ask(const std::string& target, const config::v1::TargetTls* config) {
    GrpcBackendOptions options;
    options.target = target;
    if (config != nullptr) {
      auto tls = ChannelTls::Create(*config, nullptr);
      EXPECT_OK(tls);
      options.tls = *std::move(tls);
    }
    auto created = GrpcBackend::Create(std::move(options), metrics_);
    EXPECT_OK(created);
    backend_ = *std::move(created);
    return AskAgain(kPatience);
  }
  Backend::Result AskAgain(milliseconds timeout) {
    Backend::Item item;
    item.mutable_timeout()->set_seconds(timeout.count() / 1000);
    item.mutable_timeout()->set_nanos(static_cast<int>(timeout.count() % 1000) * 1'000'000);
    auto promise = std::make_shared<std::promise<Backend::Result>>();
    auto future = promise->get_future();
    backend_->Issue(std::move(item), [promise](Backend::Result result) { promise->set_value(std::move(result)); });
    return future.get();
  }
  void ExpectNoServer(const std::string& target, const config::v1::TargetTls* tls) {
    const auto result = Ask(target, tls);
    EXPECT_EQ(result.error().reason(), v1::UNAVAILABLE) << target;
    EXPECT_FALSE(result.has_token());
  }

  TempFolder folder_;
  CertificateFiles ca_;
  CertificateFiles other_ca_;
  CertificateFiles own_;
  WhoAmI service_;
  std::unique_ptr<grpc::Server> server_;
  std::string port_;
  Metrics metrics_;
  std::unique_ptr<GrpcBackend> backend_;
};

TEST_F(GrpcTlsBackendTest, ShowsItsCertificate) {
  Serve();
  const auto tls = Tls();
  for (const std::string& target :
       {"127.0.0.1:" + port_, "localhost:" + port_, "dns:///localhost:" + port_, "ipv4:127.0.0.1:" + port_}) {
    EXPECT_EQ(Ask(target, &tls).token().participant_token(), "spiffe://acme/sa/gateway") << target;
    EXPECT_TRUE(backend_->Ready());
  }
}

TEST_F(GrpcTlsBackendTest, OnlyEncryptsWithoutACertificate) {
  Serve("127.0.0.1:0", "", /*ask=*/false);
  config::v1::TargetTls tls;
  tls.set_ca_file(ca_.cert_file);
  EXPECT_EQ(Ask("127.0.0.1:" + port_, &tls).token().participant_token(), "nobody");
}

TEST_F(GrpcTlsBackendTest, ChecksTheServersName) {
  Serve("127.0.0.1:0", "token-server.internal");
  auto tls = Tls();
  ExpectNoServer("127.0.0.1:" + port_, &tls);
  tls.set_server_name("other.internal");
  ExpectNoServer("127.0.0.1:" + port_, &tls);
  tls.set_server_name("token-server.internal");
  EXPECT_TRUE(Ask("127.0.0.1:" + port_, &tls).has_token());
  const std::string list = "ipv4:127.0.0.1:" + port_ + ",127.0.0.1:" + port_;
  EXPECT_TRUE(Ask(list, &tls).has_token());
}

TEST_F(GrpcTlsBackendTest, ChecksWhoVouchesForTheServer) {
  Serve();
  auto tls = Tls();
  tls.set_ca_file(other_ca_.cert_file);
  ::testing::internal::CaptureStderr();
  ExpectNoServer("127.0.0.1:" + port_, &tls);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("andshake failed"));
  // The system's authorities do not know our own.
  tls.clear_ca_file();
  ExpectNoServer("127.0.0.1:" + port_, &tls);
}

TEST_F(GrpcTlsBackendTest, GetsNothingWithACertificateThatTheServerDoesNotBelieve) {
  Serve();
  auto tls = Tls();
  const auto stranger = Make("stranger", Client(other_ca_));
  tls.set_cert_file(stranger.cert_file);
  tls.set_key_file(stranger.key_file);
  ExpectNoServer("127.0.0.1:" + port_, &tls);
  tls.clear_cert_file();
  tls.clear_key_file();
  ExpectNoServer("127.0.0.1:" + port_, &tls);
}

TEST_F(GrpcTlsBackendTest, NeverFallsBackToClearText) {
  Serve();
  ExpectNoServer("127.0.0.1:" + port_, nullptr);
  server_->Shutdown(std::chrono::system_clock::now());
  FakeServer plain;
  plain.Start();
  const auto tls = Tls();
  ExpectNoServer(plain.address, &tls);
  EXPECT_EQ(plain.service.calls(), 0u);
  backend_.reset();
}

TEST_F(GrpcTlsBackendTest, ChecksTheServersNameAfterAReloadToo) {
  Serve("127.0.0.1:0", "token-server.internal");
  auto tls = Tls();
  tls.set_server_name("other.internal");
  ExpectNoServer("127.0.0.1:" + port_, &tls);
  Make("own", Client(ca_));
  EXPECT_TRUE(backend_->ReloadTls(ReadFile).empty());
  // A name is refused as before, however long the new files have been in use.
  const auto end = std::chrono::steady_clock::now() + seconds(2);
  while (std::chrono::steady_clock::now() < end) EXPECT_FALSE(AskAgain(milliseconds(500)).has_token());
}

TEST_F(GrpcTlsBackendTest, KeepsItsFilesIfAReloadFindsAProblem) {
  Serve();
  const auto tls = Tls();
  const std::string target = "127.0.0.1:" + port_;
  EXPECT_TRUE(Ask(target, &tls).has_token());
  const std::string key = *ReadFile(own_.key_file);
  for (const std::string& content : {std::string(), key.substr(0, key.size() / 2), *ReadFile(ca_.key_file)}) {
    folder_.Write("own.key", content);
    const auto problems = backend_->ReloadTls(ReadFile);
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].path, "server.tls.key_file");
    EXPECT_THAT(problems[0].message, ::testing::HasSubstr(own_.key_file));
    EXPECT_THAT(problems[0].message, ::testing::Not(::testing::HasSubstr(key.substr(40, 40))));
  }
  folder_.Write("own.key", key);
  const std::string ca = *ReadFile(ca_.cert_file);
  folder_.Write("ca.crt", ca.substr(0, ca.size() / 2));
  const auto problems = backend_->ReloadTls(ReadFile);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].path, "server.tls.ca_file");
  EXPECT_TRUE(AskAgain(kPatience).has_token());
}

// The first use of the system's authorities in a process decides about them.
TEST_F(GrpcTlsBackendTest, BelievesTheSystemsAuthoritiesWithoutAnyOfItsOwn) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto ask = [this](const std::string& system_authorities) {
    setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", system_authorities.c_str(), 1);
    Serve();
    auto tls = Tls();
    tls.clear_ca_file();
    _exit(Ask("127.0.0.1:" + port_, &tls).has_token() ? 0 : 1);
  };
  EXPECT_EXIT(ask(ca_.cert_file), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(ask(other_ca_.cert_file), ::testing::ExitedWithCode(1), "");
}

TEST_F(GrpcTlsBackendTest, ReadsItsFilesOrSaysWhichOneIsBad) {
  auto tls = Tls();
  tls.set_key_file(ca_.key_file);
  EXPECT_THAT(std::string(ChannelTls::Create(tls, nullptr).status().message()), ::testing::HasSubstr(ca_.key_file));
  tls = Tls();
  tls.set_ca_file(folder_.path() + "/missing");
  EXPECT_FALSE(ChannelTls::Create(tls, nullptr).ok());
}

}  // namespace
}  // namespace livekit::token::gateway
