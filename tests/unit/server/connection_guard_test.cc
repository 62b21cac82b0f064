// What one connection may ask of the gRPC listener, through a real server and raw frames.

#include "server/connection_guard.h"

#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "authority_fixture.h"
#include "base/address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/connections.h"
#include "server/dev_config.h"
#include "server/server.h"
#include "support/http2_frames.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using testing::CallBlock;
using testing::Field;
using testing::Frame;
using ::testing::HasSubstr;
using testing::HeaderFrames;
using testing::Http2Frame;
using testing::kEndHeaders;
using testing::kEndStream;
using testing::Preface;
using testing::RawClient;

class ConnectionGuardTest : public testing::AuthorityFixture {
 protected:
  void SetUp() override {
    config::v1::ServerConfig config;
    config.mutable_listen()->set_grpc("127.0.0.1:0");
    authorities_ = std::make_unique<Authorities>(std::make_shared<const TokenAuthority>(state_, clock_, metrics_));
    auto server = TokenServer::Start(WithDefaults(config, {}), {}, *authorities_, metrics_);
    ASSERT_OK(server);
    server_ = *std::move(server);
  }

  int port() const { return ParseHostPort(server_->address())->port; }

  // Whether the connection ends: within half a minute if it should, else while the guard looks at it a dozen times.
  static bool Ends(const RawClient& client, bool expected) {
    const auto end = std::chrono::steady_clock::now() +
                     (expected ? std::chrono::seconds(30) : std::chrono::seconds(0)) + 12 * ConnectionGuard::kInterval;
    while (std::chrono::steady_clock::now() < end) {
      pollfd waiting{client.fd(), POLLIN, 0};
      poll(&waiting, 1, static_cast<int>(ConnectionGuard::kInterval.count()));
      char buffer[4096];
      const ssize_t count = recv(client.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EAGAIN)) return true;
    }
    return false;
  }

  // So many streams whose requests never come.
  static std::string SilentStreams(std::int64_t count) {
    std::string frames;
    for (int i = 0; i < count; ++i) {
      frames += HeaderFrames(static_cast<std::uint32_t>(2 * i + 1), CallBlock("MintAccessToken"));
    }
    return frames;
  }

  // So much that streams are counted anew; it changes nothing.
  static std::string Filler() {
    std::string out;
    for (int i = 0; i < 1000; ++i) out += Frame(Http2Frame::kWindowUpdate, 0, 0, std::string("\0\0\0\1", 4));
    return out;
  }

  std::string Aborted(const std::string& reason, int times) const {
    return R"(grpc_server_connections_aborted_total{reason=")" + reason + "\"} " + std::to_string(times) + "\n";
  }

  std::unique_ptr<Authorities> authorities_;
  std::unique_ptr<TokenServer> server_;
};

TEST_F(ConnectionGuardTest, KeepsConnectionsWithManySilentStreams) {
  RawClient client(port());
  ASSERT_TRUE(client.Send(Preface() + SilentStreams(ConnectionGuard::kMostSilentStreams)));
  client.Send(Filler());
  EXPECT_FALSE(Ends(client, false));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("streams", 0)));
}

TEST_F(ConnectionGuardTest, ResetsConnectionsWithTooManySilentStreams) {
  RawClient hostile(port());
  ASSERT_TRUE(hostile.Send(Preface() + SilentStreams(ConnectionGuard::kMostSilentStreams + 1)));
  EXPECT_TRUE(Ends(hostile, true));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("streams", 1)));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("bytes", 0)));
  // Now fewer do.
  for (const int more : {0, 1}) {
    RawClient client(port());
    ASSERT_TRUE(client.Send(Preface()));
    ASSERT_EQ(client.ReadBytes(9).size(), 9U);  // it has been let in
    ASSERT_TRUE(client.Send(SilentStreams(ConnectionGuard::kMostSilentStreamsAgain + more)));
    EXPECT_EQ(Ends(client, more == 1), more == 1) << more;
  }
}

// However soon they end.
TEST_F(ConnectionGuardTest, ResetsConnectionsWithTooManyStreamsThatEnd) {
  constexpr int kAtOnce = 100;
  RawClient hostile(port());
  ASSERT_TRUE(hostile.Send(Preface()));
  const std::string cancel("\0\0\0\10", 4);
  std::int64_t begun = 0;
  while (begun < 10 * ConnectionGuard::kMostSilentStreams) {
    std::string frames;
    for (int i = 0; i < kAtOnce; ++i, ++begun) {
      const auto stream = static_cast<std::uint32_t>(2 * begun + 1);
      frames += HeaderFrames(stream, CallBlock("MintAccessToken")) + Frame(Http2Frame::kRstStream, 0, stream, cancel);
    }
    if (!hostile.Send(frames)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(Ends(hostile, true));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("streams", 1)));
}

// Calls that have been given their requests and take their time, as those that watch the health of the server.
TEST_F(ConnectionGuardTest, ResetsConnectionsWithTooManyStreams) {
  constexpr int kAtOnce = 300;
  RawClient client(port());
  ASSERT_TRUE(client.Send(Preface()));
  std::uint32_t stream = 1;
  const auto watch = [&](int streams) {
    std::string frames;
    for (int i = 0; i < streams; ++i, stream += 2) {
      frames += HeaderFrames(stream, CallBlock("Watch", "/grpc.health.v1.Health/")) +
                Frame(Http2Frame::kData, kEndStream, stream, std::string(5, '\0'));
    }
    ASSERT_TRUE(client.Send(frames));
    ASSERT_FALSE(Ends(client, false)) << stream;
  };
  for (int open = 0; open < ConnectionGuard::kMostStreams; open += kAtOnce) watch(kAtOnce);
  ASSERT_TRUE(client.Send(HeaderFrames(stream, CallBlock("MintAccessToken"))));
  client.Send(Filler());
  EXPECT_TRUE(Ends(client, true));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("streams", 1)));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("bytes", 0)));
}

// One stream whose headers never end.
TEST_F(ConnectionGuardTest, ResetsConnectionsThatSendMoreThanAStreamCanCarry) {
  constexpr std::size_t kMost = ConnectionGuard::kWithoutStream + ConnectionGuard::kPerStream;
  for (const std::size_t size : {kMost, kMost + (256 << 10)}) {
    RawClient client(port());
    std::string frames = Preface() + Frame(Http2Frame::kHeaders, 0, 1, CallBlock("MintAccessToken"));
    const std::string part = Frame(Http2Frame::kContinuation, 0, 1, Field("x-filler", std::string(1000, 'a')));
    while (frames.size() + part.size() <= size) frames += part;
    client.Send(frames);
    EXPECT_EQ(Ends(client, size > kMost), size > kMost) << size;
  }
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("bytes", 1)));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("streams", 0)));
}

// Settings belong to no stream.
TEST_F(ConnectionGuardTest, ResetsConnectionsWithMoreThanTheirStreamsCanCarry) {
  const std::string settings = Frame(Http2Frame::kSettings, 0, 0, std::string("\0\4\0\0\377\377", 6));
  for (const bool too_much : {false, true}) {
    RawClient client(port());
    std::string frames = Preface();
    while (frames.size() + settings.size() <= ConnectionGuard::kWithoutStream) frames += settings;
    // The guard looks again once so much more has come.
    for (std::size_t more = 0; too_much && more < 16 << 10; more += settings.size()) frames += settings;
    client.Send(frames);
    EXPECT_EQ(Ends(client, too_much), too_much);
  }
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("bytes", 1)));
}

TEST_F(ConnectionGuardTest, ServesOthersWhenOneWasReset) {
  RawClient hostile(port());
  hostile.Send(Preface() + SilentStreams(2 * ConnectionGuard::kMostStreams));
  EXPECT_TRUE(Ends(hostile, true));
  RawClient other(port());
  ASSERT_TRUE(other.Send(Preface()));
  EXPECT_EQ(other.ReadBytes(9).size(), 9U);
}

// gRPC itself ends a connection that pings without reason.
TEST_F(ConnectionGuardTest, LetsWhoHasPingedWait) {
  std::string frames = Preface();
  while (frames.size() <= 3 * ConnectionGuard::kWithoutStream)
    frames += Frame(Http2Frame::kPing, 0, 0, std::string(8, '0'));
  RawClient hostile(port());
  hostile.Send(frames);
  ASSERT_TRUE(Ends(hostile, true));
  const auto ended = std::chrono::steady_clock::now();
  // The guard sees it within a few sweeps.
  std::this_thread::sleep_for(6 * ConnectionGuard::kInterval);
  RawClient again(port());
  ASSERT_TRUE(again.Send(Preface()));
  EXPECT_EQ(again.ReadBytes(9).size(), 9U);
  EXPECT_GE(std::chrono::steady_clock::now() - ended, std::chrono::milliseconds(ResetPenalty::kFirst) / 2);
}

TEST_F(ConnectionGuardTest, LetsWhoHasFloodedWait) {
  const std::string settings = Frame(Http2Frame::kSettings, 0, 0, std::string("\0\4\0\0\377\377", 6));
  std::string frames = Preface();
  while (frames.size() <= ConnectionGuard::kWithoutStream + (64 << 10)) frames += settings;
  RawClient hostile(port());
  hostile.Send(frames);
  ASSERT_TRUE(Ends(hostile, true));
  const auto reset = std::chrono::steady_clock::now();
  RawClient again(port());
  ASSERT_TRUE(again.Send(Preface()));
  EXPECT_EQ(again.ReadBytes(9).size(), 9U);
  // The guard closed the connection somewhat before this test knew.
  EXPECT_GE(std::chrono::steady_clock::now() - reset, std::chrono::milliseconds(ResetPenalty::kFirst) / 2);
}

// Clients of gRPC wait for settings before they call.
TEST_F(ConnectionGuardTest, EndsWhoFloodsWhileItHasToWait) {
  RawClient hostile(port());
  hostile.Send(Preface() + SilentStreams(2 * ConnectionGuard::kMostStreams));
  ASSERT_TRUE(Ends(hostile, true));
  for (const bool floods : {false, true}) {
    RawClient client(port());
    std::string frames = Preface();
    while (floods && frames.size() <= ConnectionGuard::kWithoutStream) frames += SilentStreams(1);
    ASSERT_TRUE(client.Send(frames));
    if (floods) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_TRUE(Ends(client, true));
      EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(ResetPenalty::kFirst) / 2);
    } else {
      EXPECT_FALSE(Ends(client, false));
    }
  }
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(Aborted("bytes", 1)));
}

// gRPC's own limit holds only for clients that acknowledge settings, which these do not.
TEST_F(ConnectionGuardTest, CallsMayHaveSoMuchMetadata) {
  const std::string name = "x-filler";
  for (const int more : {0, 1}) {
    RawClient client(port());
    const std::string value(kMaxCallMetadataBytes - name.size() + static_cast<std::size_t>(more), 'a');
    ASSERT_TRUE(client.Send(Preface() + HeaderFrames(1, CallBlock("MintAccessToken") + Field(name, value)) +
                            Frame(Http2Frame::kData, kEndStream, 1, std::string(5, '\0'))));
    std::string answer;
    while (answer.find("grpc-message") == std::string::npos) {
      const std::string byte = client.ReadBytes(1);
      if (byte.empty()) break;
      answer += byte;
    }
    answer += client.ReadBytes(40);
    EXPECT_EQ(answer.find("The request headers are too large.") != std::string::npos, more == 1) << more;
    EXPECT_THAT(answer, HasSubstr("grpc-message"));
  }
}

}  // namespace
}  // namespace livekit::token
