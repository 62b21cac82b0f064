// What is agreed on, and with whom there is no agreement.
#include <openssl/ssl.h>

#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/http/tls_fixture.h"

namespace livekit::token::http {
namespace {

using ::testing::HasSubstr;
using testing::TlsClient;
using testing::TlsClientOptions;

class TlsHandshakeTest : public TlsTest {
 protected:
  static TlsClientOptions Only(int version, std::string ciphers = "") {
    TlsClientOptions options;
    options.min_version = options.max_version = version;
    options.ciphers = std::move(ciphers);
    return options;
  }

  // The cipher that is agreed on; empty if none is.
  static std::string CipherWith(const TlsContext& context, const TlsClientOptions& options) {
    const EndToEnd connection(context, options);
    return connection.client->secure() ? connection.client->cipher() : "";
  }

  // A handshake that fails for this reason, without a byte for the server's user.
  static void ExpectRefused(const TlsContext& context, const TlsClientOptions& options, const std::string& alert) {
    EndToEnd connection(context, options);
    EXPECT_FALSE(connection.client->secure()) << alert;
    EXPECT_THAT(connection.client->error(), HasSubstr(alert));
    EXPECT_EQ(connection.Join().received, "");
  }
};

TEST_F(TlsHandshakeTest, SpeaksBothVersionsWithBothKindsOfCertificates) {
  for (const auto& context : {rsa_, ecdsa_}) {
    for (const auto& [version, name] : {std::pair{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}}) {
      EndToEnd connection(*context, Only(version));
      TlsClient& client = *connection.client;
      ASSERT_TRUE(client.secure()) << client.error();
      EXPECT_EQ(client.version(), name);
      ASSERT_TRUE(client.Send("hello"));
      EXPECT_EQ(client.ReadBytes(5), "hello");
      ASSERT_TRUE(client.Send("again"));
      EXPECT_EQ(client.ReadBytes(5), "again");
      client.EndSending();
      EXPECT_TRUE(client.AtEnd());
      EXPECT_EQ(connection.Join().received, "helloagain");
    }
  }
}

TEST_F(TlsHandshakeTest, PrefersTheLatestVersion) {
  const EndToEnd connection(*rsa_);
  EXPECT_EQ(connection.client->version(), "TLSv1.3");
}

TEST_F(TlsHandshakeTest, RefusesOldVersions) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    ExpectRefused(*rsa_, Only(version), "alert protocol version");
    ExpectRefused(*ecdsa_, Only(version), "alert protocol version");
  }
}

TEST_F(TlsHandshakeTest, TakesModernCiphersOnly) {
  for (const char* suite : {"AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"}) {
    for (const auto& [context, kind] : {std::pair{rsa_, "RSA"}, {ecdsa_, "ECDSA"}}) {
      const std::string cipher = std::string("ECDHE-") + kind + "-" + suite;
      EXPECT_EQ(CipherWith(*context, Only(TLS1_2_VERSION, cipher)), cipher);
    }
  }
  for (const char* cipher : {"AES128-GCM-SHA256",
                             "AES256-GCM-SHA384",
                             "AES128-SHA",
                             "AES256-SHA256",
                             "AES128-CCM",
                             "ECDHE-RSA-AES128-SHA",
                             "ECDHE-RSA-AES256-SHA",
                             "ECDHE-RSA-AES128-SHA256",
                             "ECDHE-RSA-AES256-SHA384",
                             "DHE-RSA-AES128-GCM-SHA256",
                             "DHE-RSA-CHACHA20-POLY1305",
                             "ADH-AES128-GCM-SHA256",
                             "AECDH-AES128-SHA",
                             "ECDHE-RSA-NULL-SHA",
                             "NULL-SHA256",
                             "ECDHE-ECDSA-AES128-SHA256",
                             "ECDHE-ECDSA-AES128-CCM",
                             "ECDHE-ECDSA-AES128-CCM8",
                             "ECDHE-ECDSA-AES256-SHA",
                             "ECDHE-RSA-CAMELLIA128-SHA256",
                             "ECDHE-ARIA128-GCM-SHA256"}) {
    ExpectRefused(*rsa_, Only(TLS1_2_VERSION, cipher), "handshake failure");
    ExpectRefused(*ecdsa_, Only(TLS1_2_VERSION, cipher), "handshake failure");
  }
}

TEST_F(TlsHandshakeTest, FollowsTheClientsOrderOfCiphers) {
  const std::string aes = "ECDHE-RSA-AES128-GCM-SHA256";
  const std::string chacha = "ECDHE-RSA-CHACHA20-POLY1305";
  EXPECT_EQ(CipherWith(*rsa_, Only(TLS1_2_VERSION, aes + ":" + chacha)), aes);
  EXPECT_EQ(CipherWith(*rsa_, Only(TLS1_2_VERSION, chacha + ":" + aes)), chacha);
}

TEST_F(TlsHandshakeTest, TakesThreeGroups) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const char* group : {"X25519", "P-256", "P-384"}) {
      TlsClientOptions options = Only(version);
      options.groups = group;
      EXPECT_NE(CipherWith(*rsa_, options), "") << group;
    }
    TlsClientOptions options = Only(version);
    options.groups = "P-521";
    ExpectRefused(*rsa_, options, "handshake failure");
  }
}

TEST_F(TlsHandshakeTest, AgreesOnHttp11OrOnNothing) {
  TlsClientOptions options;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    options.max_version = version;
    for (const std::vector<std::string>& offered :
         {std::vector<std::string>{"http/1.1"}, {"h2", "http/1.1"}, {"http/1.1", "h2"}}) {
      options.alpn = offered;
      const EndToEnd connection(*rsa_, options);
      EXPECT_TRUE(connection.client->secure()) << connection.client->error();
      EXPECT_EQ(connection.client->alpn(), "http/1.1");
    }
    options.alpn = {};
    const EndToEnd without(*rsa_, options);
    EXPECT_TRUE(without.client->secure());
    EXPECT_EQ(without.client->alpn(), "");
    for (const std::vector<std::string>& offered :
         {std::vector<std::string>{"h2"}, {"http/1.0"}, {"http/1.10"}, {"http/1."}, {"HTTP/1.1"}, {"h2", "h3"}}) {
      options.alpn = offered;
      ExpectRefused(*rsa_, options, "alert no application protocol");
    }
  }
}

TEST_F(TlsHandshakeTest, KeepsNoSessions) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    EndToEnd connection(*rsa_, Only(version));
    ASSERT_TRUE(connection.client->Send("x"));
    ASSERT_EQ(connection.client->ReadBytes(1), "x");  // tickets would have come before it
    EXPECT_EQ(SSL_SESSION_is_resumable(SSL_get_session(connection.client->ssl())), 0);
  }
}

TEST_F(TlsHandshakeTest, RefusesRenegotiation) {
  EndToEnd connection(*rsa_, Only(TLS1_2_VERSION));
  TlsClient& client = *connection.client;
  ASSERT_TRUE(client.Send("x"));
  ASSERT_EQ(client.ReadBytes(1), "x");
  ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  EXPECT_FALSE(client.Handshake());
  EXPECT_THAT(client.error(), HasSubstr("no renegotiation"));
}

TEST_F(TlsHandshakeTest, WaitsForTheWholeClientHelloAndSurvivesItsEnd) {
  const std::string hello = TlsClient::ClientHello();
  ASSERT_GT(hello.size(), 100u);
  for (std::size_t size = 0; size <= hello.size(); ++size) {
    Ends ends = UnixPair();
    Served served(rsa_->Accept(std::move(ends.server)));
    ASSERT_EQ(send(ends.client.get(), hello.data(), size, 0), static_cast<ssize_t>(size));
    char buffer[100];
    const IoResult result = served.transport().Read(buffer, sizeof buffer);
    EXPECT_EQ(result.status, IoStatus::kWouldBlock) << size;
    EXPECT_TRUE(result.drained) << size;
    ends.client.Reset();
    EXPECT_TRUE(served.ReadToEnd()) << size;
    EXPECT_EQ(served.received, "") << size;
    EXPECT_EQ(served.transport().Write("x").status, IoStatus::kClosed) << size;
  }
}

TEST_F(TlsHandshakeTest, SurvivesAClientHelloWithAnyByteWrong) {
  const std::string hello = TlsClient::ClientHello();
  for (std::size_t at = 0; at < hello.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string wrong = hello;
      wrong[at] = static_cast<char>(wrong[at] ^ flip);
      Ends ends = UnixPair();
      Served served(rsa_->Accept(std::move(ends.server)));
      ASSERT_GT(send(ends.client.get(), wrong.data(), wrong.size(), 0), 0);
      ASSERT_EQ(shutdown(ends.client.get(), SHUT_WR), 0);
      EXPECT_TRUE(served.ReadToEnd()) << at;
      EXPECT_EQ(served.received, "") << at;
    }
  }
}

TEST_F(TlsHandshakeTest, EndsAtPlainHttpWithoutWaitingForMore) {
  for (const char* text :
       {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST /getToken HTTP/1.1\r\n", "PUT / H", "HEAD ",
        "CONNECT localhost:1 HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "SSH-2.0-x\r\n"}) {
    Ends ends = UnixPair();
    Served served(rsa_->Accept(std::move(ends.server)));
    ASSERT_GT(send(ends.client.get(), text, std::string_view(text).size(), 0), 0);
    char buffer[100];
    EXPECT_EQ(served.transport().Read(buffer, sizeof buffer).status, IoStatus::kClosed) << text;
    EXPECT_EQ(served.transport().Read(buffer, sizeof buffer).status, IoStatus::kClosed) << text;
    EXPECT_EQ(served.transport().Write("x").status, IoStatus::kClosed) << text;
  }
}

TEST_F(TlsHandshakeTest, SurvivesNoise) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string noise(random() % 5000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    // Half of them begin like a record, to get further.
    if (round % 2 == 0) noise = std::string("\x16\x03\x01", 3) + noise;
    Ends ends = UnixPair();
    Served served(ecdsa_->Accept(std::move(ends.server)));
    ASSERT_EQ(send(ends.client.get(), noise.data(), noise.size(), 0), static_cast<ssize_t>(noise.size()));
    ASSERT_EQ(shutdown(ends.client.get(), SHUT_WR), 0);
    EXPECT_TRUE(served.ReadToEnd()) << round;
    EXPECT_EQ(served.received, "") << round;
  }
}

TEST_F(TlsHandshakeTest, AcceptsOnManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 25; ++i) {
        EndToEnd connection(i % 2 == 0 ? *rsa_ : *ecdsa_, Only(i % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION));
        const std::string text = std::to_string(t) + "/" + std::to_string(i);
        EXPECT_TRUE(connection.client->Send(text)) << connection.client->error();
        EXPECT_EQ(connection.client->ReadBytes(text.size()), text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(TlsHandshakeTest, NeedsItsContextOnlyToAccept) {
  auto context = Make("replaced", testing::KeyKind::kP256);
  Ends ends = UnixPair();
  Served served(context->Accept(std::move(ends.server)));
  context.reset();
  std::thread thread([&] { served.Echo(); });
  {
    const auto client = TlsClient::Over(dup(ends.client.get()));
    EXPECT_TRUE(client->Send("x"));
    EXPECT_EQ(client->ReadBytes(1), "x");
    client->EndSending();
  }
  thread.join();
}

}  // namespace
}  // namespace livekit::token::http
