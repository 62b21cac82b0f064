// A new certificate for a server that is serving.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "http/tls.h"
#include "support/certificate.h"
#include "support/tls_client.h"
#include "unit/http/server_fixture.h"

namespace livekit::token::http {
namespace {

using testing::GetRequest;
using testing::TlsClient;

class TlsReloadTest : public ServerFixture {
 protected:
  std::shared_ptr<TlsContext> Make(const std::string& name) {
    testing::CertificateOptions options;
    options.common_name = name;
    const auto files = testing::WriteCertificate(folder_, name, options);
    auto context = TlsContext::FromFiles(files.cert_file, files.key_file);
    EXPECT_OK(context);
    return *std::move(context);
  }
  void StartTls(std::shared_ptr<TlsContext> tls) {
    ServerOptions options = SmallOptions();
    options.tls = std::move(tls);
    Start(std::move(options));
  }

  testing::TempFolder folder_;
};

TEST_F(TlsReloadTest, ShowsTheNewCertificateToNewConnectionsAndKeepsTheOthers) {
  StartTls(Make("first"));
  TlsClient before(server_->port());
  EXPECT_EQ(before.peer_name(), "first");
  ASSERT_TRUE(before.Exchange(GetRequest("/")));
  server_->SetTls(Make("second"));
  TlsClient after(server_->port());
  EXPECT_EQ(after.peer_name(), "second");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(before.Exchange(GetRequest("/"))) << "the certificate of a connection that stands has gone";
    ASSERT_TRUE(after.Exchange(GetRequest("/")));
  }
  server_->SetTls(Make("third"));
  TlsClient last(server_->port());
  EXPECT_EQ(last.peer_name(), "third");
  ASSERT_TRUE(before.Exchange(GetRequest("/")));
}

TEST_F(TlsReloadTest, LosesNoRequestWhileCertificatesChange) {
  const std::shared_ptr<TlsContext> contexts[] = {Make("first"), Make("second"), Make("third")};
  StartTls(contexts[0]);
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&, keep = i == 0] {
      auto client = std::make_unique<TlsClient>(server_->port());
      while (!stop) {
        ASSERT_TRUE(client->secure()) << client->error();
        const auto response = client->Exchange(GetRequest("/"));
        ASSERT_TRUE(response);
        ASSERT_EQ(response->status, 200);
        ++answered;
        if (!keep) client = std::make_unique<TlsClient>(server_->port());
      }
    });
  }
  for (int i = 0; answered < 600 && i < 1'000'000; ++i) server_->SetTls(contexts[i % 3]);
  // The contexts that were in use go, and with them nothing of what the connections need.
  server_->SetTls(Make("last"));
  EXPECT_EQ(TlsClient(server_->port()).peer_name(), "last");
  stop = true;
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace livekit::token::http
