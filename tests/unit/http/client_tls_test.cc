#include "client_fixture.h"
#include "fake_names.h"
#include "http/tls.h"
#include "server_fixture.h"
#include "support/certificate.h"

namespace livekit::token::http {
namespace {

using absl::StatusCode;
using testing::CertificateFiles;
using testing::CertificateOptions;

class ClientTlsTest : public ClientTest {
 protected:
  void Serve(const CertificateOptions& options = {}) {
    files_ = WriteCertificate(folder_, "server", options);
    ASSERT_OK_AND_ASSIGN(auto tls, TlsContext::FromFiles(files_.cert_file, files_.key_file));
    ServerOptions server_options;
    server_options.address = "127.0.0.1:0";
    server_options.threads = 1;
    server_options.tls = std::move(tls);
    ASSERT_OK_AND_ASSIGN(server_, Server::Start(server_options, handler_));
  }

  ClientRequest Secure(const std::string& host = "127.0.0.1") {
    ClientRequest request = Plain("https://" + host + ":" + std::to_string(server_->port()) + "/");
    request.allow_http = false;
    request.ca_file = files_.cert_file;
    return request;
  }

  testing::TempFolder folder_;
  CertificateFiles files_;
  LambdaHandler handler_;
  std::unique_ptr<Server> server_;
};

TEST_F(ClientTlsTest, AcceptsTheRightCertificate) {
  Serve();
  EXPECT_OK(Ask(Secure()));
  EXPECT_OK(Ask(Secure("localhost")));
}

TEST_F(ClientTlsTest, RefusesAnotherAuthority) {
  Serve();
  ClientRequest request = Secure();
  request.ca_file = WriteCertificate(folder_, "other").cert_file;
  EXPECT_THAT(Ask(request), HasCode(StatusCode::kUnauthenticated, "certificate is not accepted"));
  request.ca_file.clear();  // the system's
  EXPECT_THAT(Ask(request), HasCode(StatusCode::kUnauthenticated, "certificate is not accepted"));
}

TEST_F(ClientTlsTest, AuthoritiesOfOneRequestAreNotThoseOfTheNext) {
  Serve();
  // With a connection that is kept, and authorities that have been read.
  EXPECT_OK(Ask(Secure()));
  ClientRequest request = Secure();
  request.ca_file = WriteCertificate(folder_, "other").cert_file;
  EXPECT_THAT(Ask(request), HasCode(StatusCode::kUnauthenticated, "certificate is not accepted"));
  EXPECT_OK(Ask(Secure()));
}

TEST_F(ClientTlsTest, RefusesAnotherName) {
  Serve();
  testing::SetName("idp.test", "127.0.0.1");
  EXPECT_THAT(Ask(Secure("idp.test")), HasCode(StatusCode::kUnauthenticated, "certificate is not accepted"));
}

TEST_F(ClientTlsTest, RefusesExpiredCertificates) {
  CertificateOptions options;
  options.not_before = -7200;
  options.not_after = -3600;
  Serve(options);
  EXPECT_THAT(Ask(Secure()), HasCode(StatusCode::kUnauthenticated, "certificate is not accepted"));
}

TEST_F(ClientTlsTest, RefusesMissingAndEmptyAuthorities) {
  Serve();
  ClientRequest request = Secure();
  for (const std::string& file : {folder_.path() + "/none", folder_.Write("empty", ""), folder_.Write("text", "x")}) {
    request.ca_file = file;
    const auto result = Ask(request);
    EXPECT_THAT(result, HasCode(StatusCode::kUnauthenticated, "")) << file;
  }
}

TEST_F(ClientTlsTest, RefusesPlainServers) {
  const ScriptedServer plain([](Peer& peer) {
    peer.Send("HTTP/1.1 400 Bad Request\r\n\r\n");
    peer.AwaitEnd();
  });
  EXPECT_THAT(Ask("https://127.0.0.1:" + std::to_string(plain.port()) + "/"),
              HasCode(StatusCode::kUnauthenticated, "no TLS connection"));
}

TEST_F(ClientTlsTest, AHandshakeThatDoesNotEndTimesOut) {
  const ScriptedServer silent([](Peer& peer) { peer.AwaitEnd(); });
  ClientRequest request = Plain("https://127.0.0.1:" + std::to_string(silent.port()) + "/");
  request.connect_timeout = std::chrono::milliseconds(100);
  EXPECT_THAT(Ask(request), HasCode(StatusCode::kDeadlineExceeded, "in time"));
}

}  // namespace
}  // namespace livekit::token::http
