// The server over TLS: the same connection layer, so only what encryption could change.
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "http/tls.h"
#include "support/certificate.h"
#include "support/tls_client.h"
#include "unit/http/server_fixture.h"

namespace livekit::token::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::GetRequest;
using testing::PostRequest;
using testing::RawClient;
using testing::TlsClient;

class TlsServerTest : public ServerFixture {
 protected:
  void StartTls(ServerOptions options = SmallOptions()) {
    const auto files = testing::WriteCertificate(folder_, "server");
    ASSERT_OK_AND_ASSIGN(options.tls, TlsContext::FromFiles(files.cert_file, files.key_file));
    Start(std::move(options));
  }

  testing::TempFolder folder_;
};

TEST_F(TlsServerTest, AnswersManyRequestsOnOneConnection) {
  StartTls();
  TlsClient client(server_->port());
  for (int i = 0; i < 50; ++i) {
    const std::string text(static_cast<std::size_t>(i) * 700, 'x');
    const auto response = client.Exchange(PostRequest("/token", text));
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->body, "POST /token " + text);
  }
  client.Send(PostRequest("/token", "1") + PostRequest("/token", "2") + PostRequest("/token", "3"));
  for (const char* expected : {"1", "2", "3"}) {
    const auto response = client.Read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, std::string("POST /token ") + expected);
  }
}

TEST_F(TlsServerTest, WritesLargeAnswersToSlowReadersAndServesOthersMeanwhile) {
  const std::string large(8 << 20, 'x');
  handler_.on_request = [&](Request request, Respond respond) {
    respond(TextResponse(200, request.path == "/large" ? large : "small"));
  };
  ServerOptions options = SmallOptions();
  options.threads = 1;
  StartTls(options);
  const auto stopped = StoppedWithScope();
  TlsClient slow(server_->port());
  slow.Send(GetRequest("/large") + GetRequest("/next"));
  TlsClient other(server_->port());
  const auto small = other.Exchange(GetRequest("/"));
  ASSERT_TRUE(small);
  EXPECT_EQ(small->body, "small");
  const auto response = slow.Read();
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->body == large);
  const auto next = slow.Read();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->body, "small");
}

TEST_F(TlsServerTest, AnswersFromOtherThreads) {
  std::promise<Respond> arrived;
  handler_.on_request = [&](Request, Respond respond) { arrived.set_value(std::move(respond)); };
  StartTls();
  const auto stopped = StoppedWithScope();
  TlsClient client(server_->port());
  client.Send(PostRequest("/token", "x"));
  arrived.get_future().get()(TextResponse(200, "later"));
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "later");
}

TEST_F(TlsServerTest, RefusesOnceAndEndsWithCloseNotify) {
  StartTls();
  TlsClient client(server_->port());
  const auto response =
      client.Exchange("POST /token HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n" + GetRequest("/smuggled"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 413);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(TlsServerTest, TheHeaderDeadlineCoversTheHandshake) {
  ServerOptions options = SmallOptions();
  options.header_timeout = milliseconds(100);
  options.request_timeout = seconds(60);
  StartTls(options);
  RawClient silent(server_->port());
  EXPECT_TRUE(silent.AtEnd());
  RawClient halfway(server_->port());
  const std::string hello = TlsClient::ClientHello();
  halfway.Send(hello.substr(0, hello.size() / 2));
  EXPECT_EQ(halfway.Read(), std::nullopt);
  TlsClient slow(server_->port());
  slow.Send("GET / HTTP/1.1\r\n");
  const auto response = slow.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 408);
}

TEST_F(TlsServerTest, EndsWhatIsNotTlsWithoutAnAnswer) {
  StartTls();
  for (const std::string& bytes : {GetRequest("/"), std::string(5000, '\xff'), std::string("\x16\x03\x01")}) {
    RawClient client(server_->port());
    client.Send(bytes);
    client.EndSending();
    EXPECT_EQ(client.Read(), std::nullopt);
    TlsClient next(server_->port());
    ASSERT_TRUE(next.Exchange(GetRequest("/"))) << "after " << bytes.size() << " bytes";
  }
}

TEST_F(TlsServerTest, DrainsLikePlainConnections) {
  std::promise<Respond> arrived;
  handler_.on_request = [&](Request request, Respond respond) {
    if (request.path == "/idle") return respond(TextResponse(200, ""));
    arrived.set_value(std::move(respond));
  };
  StartTls();
  const auto stopped = StoppedWithScope();
  TlsClient idle(server_->port());
  ASSERT_TRUE(idle.Exchange(GetRequest("/idle")));
  TlsClient client(server_->port());
  client.Send(PostRequest("/token", "x"));
  Respond respond = arrived.get_future().get();
  auto drained = std::async(std::launch::async, [&] { return server_->Drain(steady_clock::now() + seconds(10)); });
  EXPECT_TRUE(idle.AtEnd());
  respond(TextResponse(200, "finished"));
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Header("connection"), "close");
  EXPECT_TRUE(drained.get());
}

}  // namespace
}  // namespace livekit::token::http
