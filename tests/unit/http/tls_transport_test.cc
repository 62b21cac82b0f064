// Bytes after the handshake: in both directions, through full sockets, and to the end.
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <csignal>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/http/tls_fixture.h"

namespace livekit::token::http {
namespace {

using testing::TlsClient;
using testing::TlsClientOptions;

// With a parameter: the version of TLS.
class TlsTransportTest : public TlsTest, public ::testing::WithParamInterface<int> {
 protected:
  static TlsClientOptions Only(int version) {
    TlsClientOptions options;
    options.min_version = options.max_version = version;
    return options;
  }

  // A connection that echoed one byte; its server is at rest once it is joined.
  static std::unique_ptr<EndToEnd> Ready(Ends ends = UnixPair()) {
    auto connection = std::make_unique<EndToEnd>(*ecdsa_, Only(GetParam()), 1, std::move(ends));
    EXPECT_TRUE(connection->client->Send("x")) << connection->client->error();
    EXPECT_EQ(connection->client->ReadBytes(1), "x");
    return connection;
  }

  // One read of at most `size` bytes.
  static std::pair<IoResult, std::string> ReadOnce(Served& served, std::size_t size = 100) {
    std::string bytes(size, '\0');
    const IoResult result = served.transport().Read(bytes.data(), size);
    bytes.resize(result.count);
    return {result, bytes};
  }

  // The record that carries `text`, not sent.
  static std::string RecordOf(TlsClient& client, const std::string& text) {
    EXPECT_EQ(SSL_write(client.ssl(), text.data(), static_cast<int>(text.size())), static_cast<int>(text.size()));
    std::string record(100'000, '\0');
    record.resize(static_cast<std::size_t>(
        std::max(0, BIO_read(SSL_get_wbio(client.ssl()), record.data(), static_cast<int>(record.size())))));
    return record;
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsTransportTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(TlsTransportTest, CarriesMuchThroughSmallBuffers) {
  EndToEnd connection(*ecdsa_, Only(GetParam()), kUntilEnd, TcpPair(16 << 10));
  std::string text(3'000'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761U >> 24);
  // The client does not read before it has sent all, so that the server must wait for room.
  ASSERT_TRUE(connection.client->Send(text)) << connection.client->error();
  EXPECT_TRUE(connection.client->ReadBytes(text.size()) == text);
  connection.client->EndSending();
  EXPECT_TRUE(connection.client->AtEnd());
  Served& served = connection.Join();
  EXPECT_TRUE(served.received == text);
  EXPECT_GT(served.blocked_writes, 0);
}

TEST_P(TlsTransportTest, SaysWhenNothingIsLeft) {
  auto connection = Ready();
  Served& served = connection->Join();
  EXPECT_EQ(ReadOnce(served).first.status, IoStatus::kWouldBlock);
  EXPECT_TRUE(ReadOnce(served).first.drained);
  // A record in parts.
  ASSERT_TRUE(connection->client->Send("0123456789"));
  auto [result, bytes] = ReadOnce(served, 4);
  EXPECT_EQ(bytes, "0123");
  EXPECT_FALSE(result.drained);
  std::tie(result, bytes) = ReadOnce(served);
  EXPECT_EQ(bytes, "456789");
  EXPECT_FALSE(result.drained) << "it has not looked into the socket";
  EXPECT_TRUE(ReadOnce(served).first.drained);
  ASSERT_TRUE(connection->client->Send("whole"));
  std::tie(result, bytes) = ReadOnce(served);
  EXPECT_EQ(bytes, "whole");
  EXPECT_TRUE(result.drained);
  // Two records that are in the socket together, and one that comes between the reads: it may have been reported.
  ASSERT_TRUE(connection->client->Send("a") && connection->client->Send("b"));
  std::tie(result, bytes) = ReadOnce(served);
  EXPECT_EQ(bytes, "a");
  EXPECT_FALSE(result.drained);
  ASSERT_TRUE(connection->client->Send("c"));
  std::tie(result, bytes) = ReadOnce(served);
  EXPECT_EQ(bytes, "b");
  EXPECT_FALSE(result.drained);
  std::tie(result, bytes) = ReadOnce(served);
  EXPECT_EQ(bytes, "c");
  EXPECT_TRUE(result.drained);
  // A record and the end.
  ASSERT_TRUE(connection->client->Send("d"));
  connection->client->EndSending();
  std::tie(result, bytes) = ReadOnce(served);
  EXPECT_EQ(bytes, "d");
  EXPECT_FALSE(result.drained);
  EXPECT_EQ(ReadOnce(served).first.status, IoStatus::kClosed);
}

TEST_P(TlsTransportTest, LeavesNothingBehindWhateverTheSizeOfRecords) {
  auto connection = Ready();
  Served& served = connection->Join();
  // More than one read takes from the socket, and for some sizes exactly as many records as it takes.
  for (std::size_t size = 1; size <= 200; ++size) {
    const std::string text(size, 'x');
    std::size_t sent = 0;
    for (std::size_t wire = 0; wire < 40'000; wire += size + 22) {
      ASSERT_EQ(SSL_write(connection->client->ssl(), text.data(), static_cast<int>(size)), static_cast<int>(size));
      sent += size;
    }
    ASSERT_TRUE(connection->client->Flush());
    std::size_t received = 0;
    for (bool drained = false; !drained;) {
      const IoResult result = ReadOnce(served, 1000).first;
      ASSERT_NE(result.status, IoStatus::kClosed);
      received += result.count;
      drained = result.drained;
    }
    ASSERT_EQ(received, sent) << size;
  }
}

TEST_P(TlsTransportTest, WaitsForTheRestOfARecord) {
  auto connection = Ready();
  Served& served = connection->Join();
  const std::string record = RecordOf(*connection->client, "hello");
  for (const char byte : record) {
    EXPECT_EQ(ReadOnce(served).first.status, IoStatus::kWouldBlock);
    ASSERT_EQ(send(connection->client->fd(), &byte, 1, 0), 1);
  }
  EXPECT_EQ(ReadOnce(served).second, "hello");
}

TEST_P(TlsTransportTest, WritesAfterTheClientsEndAndThenEndsItself) {
  auto connection = Ready();
  Served& served = connection->Join();
  connection->client->EndSending();
  EXPECT_TRUE(served.ReadToEnd());
  EXPECT_EQ(served.transport().Write("answer").count, 6u);
  served.transport().EndWriting();
  EXPECT_EQ(connection->client->ReadBytes(6), "answer");
  EXPECT_TRUE(connection->client->AtEnd());
}

TEST_P(TlsTransportTest, ReadsAfterItsOwnEnd) {
  auto connection = Ready();
  Served& served = connection->Join();
  served.transport().EndWriting();
  EXPECT_TRUE(connection->client->AtEnd());
  ASSERT_TRUE(connection->client->Send("late"));
  EXPECT_EQ(ReadOnce(served).second, "late");
  EXPECT_EQ(served.transport().Write("x").status, IoStatus::kClosed);
}

TEST_P(TlsTransportTest, SendsItsEndWhenThereIsRoomAgain) {
  auto connection = Ready();
  Served& served = connection->Join();
  const std::string filling(1000, 'x');
  std::size_t filled = 0;
  for (ssize_t size; (size = send(served.transport().fd(), filling.data(), filling.size(), MSG_DONTWAIT)) > 0;) {
    filled += static_cast<std::size_t>(size);
  }
  served.transport().EndWriting();
  std::string bytes(filled + 100, '\0');
  const int client = connection->client->fd();
  ASSERT_EQ(recv(client, bytes.data(), filled, MSG_WAITALL), static_cast<ssize_t>(filled));
  EXPECT_EQ(recv(client, bytes.data(), 1, MSG_DONTWAIT), -1) << "neither an alert nor an end before there was room";
  EXPECT_EQ(ReadOnce(served).first.status, IoStatus::kWouldBlock);
  const bool is_tls12 = GetParam() == TLS1_2_VERSION;
  ASSERT_EQ(recv(client, bytes.data(), 100, 0), is_tls12 ? 31 : 24);
  EXPECT_EQ(bytes.front(), is_tls12 ? '\x15' : '\x17') << "an alert, in TLS 1.3 under the cover of data";
  EXPECT_EQ(recv(client, bytes.data(), 100, 0), 0);
}

TEST_P(TlsTransportTest, TakesATruncatedStreamForClosedInBothDirections) {
  auto connection = Ready();
  Served& served = connection->Join();
  ASSERT_TRUE(connection->client->Send("data"));
  ASSERT_EQ(shutdown(connection->client->fd(), SHUT_WR), 0);
  EXPECT_EQ(ReadOnce(served).second, "data");
  EXPECT_EQ(ReadOnce(served).first.status, IoStatus::kClosed);
  EXPECT_EQ(served.transport().Write("x").status, IoStatus::kClosed);
}

TEST_P(TlsTransportTest, GivesNothingOfARecordThatIsCutOrChanged) {
  for (const bool changed : {false, true}) {
    auto connection = Ready();
    Served& served = connection->Join();
    std::string record = RecordOf(*connection->client, "hello");
    record.back() = static_cast<char>(record.back() ^ 1);
    const std::size_t size = record.size() - (changed ? 0 : 1);
    ASSERT_EQ(send(connection->client->fd(), record.data(), size, 0), static_cast<ssize_t>(size));
    ASSERT_EQ(shutdown(connection->client->fd(), SHUT_WR), 0);
    EXPECT_TRUE(served.ReadToEnd());
    EXPECT_EQ(served.received, "x") << "only what came before";
    EXPECT_EQ(served.transport().Write("x").status, IoStatus::kClosed);
  }
}

TEST_P(TlsTransportTest, RaisesNoSignalWhenThePeerIsGone) {
  const auto before = std::signal(SIGPIPE, SIG_DFL);
  auto connection = Ready();
  Served& served = connection->Join();
  connection->client.reset();
  EXPECT_EQ(served.transport().Write("x").status, IoStatus::kClosed);
  EXPECT_EQ(served.transport().Write("x").status, IoStatus::kClosed);
  served.transport().EndWriting();
  EXPECT_EQ(ReadOnce(served).first.status, IoStatus::kClosed);

  auto ending = Ready();
  Served& ended = ending->Join();
  ending->client.reset();
  ended.transport().EndWriting();
  std::signal(SIGPIPE, before);
}

TEST_F(TlsTransportTest, EndsAPeerThatTalksWithoutSayingAnything) {
  for (const bool too_many : {false, true}) {
    EndToEnd connection(*ecdsa_, Only(TLS1_3_VERSION), 1, UnixPair());
    TlsClient& client = *connection.client;
    ASSERT_TRUE(client.Send("x"));
    ASSERT_EQ(client.ReadBytes(1), "x");
    Served& served = connection.Join();
    // 27 bytes each, all of them in the socket before it is read.
    for (int i = 0; i < (too_many ? 3000 : 1000); ++i) {
      ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      ASSERT_EQ(SSL_do_handshake(client.ssl()), 1);
    }
    ASSERT_TRUE(client.Flush());
    ASSERT_TRUE(client.Send("data"));
    const auto [result, bytes] = ReadOnce(served);
    EXPECT_EQ(result.status, too_many ? IoStatus::kClosed : IoStatus::kOk);
    EXPECT_EQ(bytes, too_many ? "" : "data");
  }
}

}  // namespace
}  // namespace livekit::token::http
