// Which addresses and schemes are asked.
#include "client_fixture.h"
#include "fake_names.h"

namespace livekit::token::http {
namespace {

using absl::StatusCode;
using testing::SetName;

constexpr char kRefused[] = "never asked";

TEST_F(ClientTest, NeverAsksLinkLocalLiterals) {
  for (const char* const host :
       {"169.254.169.254", "169.254.1.1", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376",
        "169.254.43518", "169.16689662", "[fe80::1]", "[fe80::1%251]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
        "[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200"}) {
    for (const char* const scheme : {"http://", "https://"}) {
      EXPECT_THAT(Ask(scheme + std::string(host) + "/latest/meta-data/"),
                  HasCode(StatusCode::kPermissionDenied, kRefused))
          << host;
    }
  }
}

TEST_F(ClientTest, NeverAsksNamesOfLinkLocalAddresses) {
  SetName("metadata.test", "169.254.169.254");
  SetName("metadata6.test", "fe80::1,::ffff:169.254.169.254,fd00:ec2::254");
  for (const char* const url : {"http://metadata.test/", "https://metadata.test/", "http://metadata6.test/"}) {
    EXPECT_THAT(Ask(url), HasCode(StatusCode::kPermissionDenied, kRefused)) << url;
  }
}

TEST_F(ClientTest, UsesTheOtherAddressesOfAName) {
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK"); }));
  SetName("mixed.test", "169.254.169.254,127.0.0.1");
  EXPECT_OK(Ask("http://mixed.test:" + std::to_string(server.port()) + "/"));
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, ANameThatMovesIsCheckedAgain) {
  const ScriptedServer server([](Peer& peer) {
    if (!peer.ReadRequest().empty()) peer.Send(Answer("200 OK", "", "Connection: close\r\n"));
  });
  SetName("moves.test", "127.0.0.1");
  const std::string url = "http://moves.test:" + std::to_string(server.port()) + "/";
  EXPECT_OK(Ask(url));
  // As if the name had been looked up again.
  SetName("moves.test", "169.254.169.254");
  Restart();
  EXPECT_THAT(Ask(url), HasCode(StatusCode::kPermissionDenied, kRefused));
}

TEST_F(ClientTest, SaysWhatKeepsItFromConnecting) {
  EXPECT_THAT(Ask("http://unknown.test/"), HasCode(StatusCode::kUnavailable, "name cannot be resolved"));
  int port = 0;
  {
    const ScriptedServer gone([](Peer&) {});
    port = gone.port();
  }
  EXPECT_THAT(Ask("http://127.0.0.1:" + std::to_string(port) + "/"),
              HasCode(StatusCode::kUnavailable, "cannot be reached"));
}

TEST_F(ClientTest, ASlowNameHoldsNobodyUp) {
  testing::HoldSlowName();
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK"); }));
  EXPECT_THAT(Ask(Impatient("http://slow.test/")), HasCode(StatusCode::kDeadlineExceeded, "in time"));
  while (testing::SlowNameWaiters() == 0) std::this_thread::yield();  // it is still being looked up
  EXPECT_OK(Ask(server.Url()));
  auto pending = Begin(Plain("http://slow.test/"));
  client_.reset();
  EXPECT_THAT(pending.get(), HasCode(StatusCode::kCancelled, "stopped"));
  testing::ReleaseSlowName();
  while (testing::SlowNameWaiters() > 0) std::this_thread::yield();
}

TEST_F(ClientTest, HttpOnlyIfTheRequestAllowsIt) {
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK"); }));
  ClientRequest request = Plain(server.Url());
  request.allow_http = false;
  EXPECT_THAT(Ask(request), HasCode(StatusCode::kInvalidArgument, "scheme http"));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ClientTest, NoOtherSchemesAndNoCredentials) {
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK"); }));
  const std::string host = "127.0.0.1:" + std::to_string(server.port()) + "/";
  for (const std::string& url :
       {std::string("file:///etc/passwd"), "file://" + host, "ftp://" + host, "gopher://" + host, "dict://" + host,
        "ldap://" + host, "telnet://" + host, "scp://" + host, "smb://" + host, "ws://" + host,
        std::string("127.0.0.1"), host, "http://user:pass@" + host, "http://user@" + host, "http://@" + host}) {
    EXPECT_THAT(Ask(url), HasCode(StatusCode::kInvalidArgument, "URL")) << url;
  }
  EXPECT_EQ(server.connections(), 0);
}

}  // namespace
}  // namespace livekit::token::http
