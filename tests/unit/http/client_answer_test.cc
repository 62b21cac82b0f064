// Servers whose answers are slow, endless or no HTTP.
#include "client_fixture.h"

namespace livekit::token::http {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "secret-of-the-body";

// Answers one request with these bytes and ends the connection.
ScriptedServer::Script Sending(std::string bytes) {
  return [bytes = std::move(bytes)](Peer& peer) {
    if (!peer.ReadRequest().empty()) peer.Send(bytes);
  };
}

TEST_F(ClientTest, DoesNotWaitForEver) {
  const ScriptedServer server([](Peer& peer) { peer.AwaitEnd(); });
  EXPECT_THAT(Ask(Impatient(server.Url())), HasCode(StatusCode::kDeadlineExceeded, "in time"));
}

TEST_F(ClientTest, DoesNotWaitForDrops) {
  for (const char* const beginning : {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"}) {
    const ScriptedServer server([beginning](Peer& peer) {
      peer.ReadRequest();
      // A drop whenever the last one has been sent, until the client has had enough.
      for (bool open = peer.Send(beginning); open; open = peer.Send("a")) {
        std::this_thread::sleep_for(milliseconds(10));
      }
    });
    EXPECT_THAT(Ask(Impatient(server.Url())), HasCode(StatusCode::kDeadlineExceeded, "in time"));
  }
}

TEST_F(ClientTest, OthersAreServedMeanwhile) {
  const ScriptedServer slow([](Peer& peer) { peer.AwaitEnd(); });
  const ScriptedServer server(Answering([](const std::string&) { return Answer("200 OK"); }));
  const auto waiting = Begin(Plain(slow.Url()));
  for (int i = 0; i < 3; ++i) EXPECT_OK(Ask(server.Url()));
  EXPECT_EQ(waiting.wait_for(milliseconds(0)), std::future_status::timeout);
  client_.reset();
}

TEST_F(ClientTest, TakesAnswersUpToTheLimit) {
  ClientRequest request = Plain("");
  request.max_body_bytes = 1000;
  const std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n" + std::string(500, 'a');
  const std::string until_end = "HTTP/1.1 200 OK\r\n\r\n";
  for (const auto& [fits, exceeds] : std::vector<std::pair<std::string, std::string>>{
           {Answer("200 OK", std::string(1000, 'a')), Answer("200 OK", std::string(1001, 'a'))},
           {chunks + "\r\n1f4\r\n" + std::string(500, 'a') + "\r\n0\r\n\r\n",
            chunks + "\r\n1f5\r\n" + std::string(501, 'a') + "\r\n0\r\n\r\n"},
           {until_end + std::string(1000, 'a'), until_end + std::string(1001, 'a')}}) {
    const ScriptedServer small(Sending(fits));
    request.url = small.Url();
    ASSERT_OK_AND_ASSIGN(const ClientResponse response, Ask(request));
    EXPECT_EQ(response.body, std::string(1000, 'a'));
    const ScriptedServer large(Sending(exceeds));
    request.url = large.Url();
    EXPECT_THAT(Ask(request), HasCode(StatusCode::kResourceExhausted, "too large"));
  }
}

TEST_F(ClientTest, DoesNotReadAnnouncedExcess) {
  // Nothing of the body ever comes: the length is enough.
  const ScriptedServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n");
    peer.AwaitEnd();
  });
  EXPECT_THAT(Ask(server.Url()), HasCode(StatusCode::kResourceExhausted, "too large"));
}

TEST_F(ClientTest, EndsEndlessAnswers) {
  const std::string chunk = "1000\r\n" + std::string(4096, 'a') + "\r\n";
  const std::pair<std::string, std::string> endless[] = {
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk},
      {"HTTP/1.1 200 OK\r\n\r\n", chunk},
      {"HTTP/1.1 200 OK\r\n", "X-Line: " + std::string(1000, 'a') + "\r\n"},
      {"", "HTTP/1.1 100 Continue\r\n\r\n"},
      {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Trailer: " + std::string(1000, 'a') + "\r\n"},
  };
  for (const auto& [beginning, rest] : endless) {
    const ScriptedServer server([&, first = beginning, more = rest](Peer& peer) {
      peer.ReadRequest();
      for (bool open = peer.Send(first); open;) open = peer.Send(more);
    });
    EXPECT_THAT(Ask(server.Url()), HasCode(StatusCode::kResourceExhausted, "too large")) << rest.substr(0, 20);
  }
}

TEST_F(ClientTest, EndsALineWithoutEnd) {
  const ScriptedServer server([](Peer& peer) {
    peer.ReadRequest();
    const std::string piece(1000, 'a');
    for (bool open = peer.Send("HTTP/1.1 200 OK\r\nX-Line: "); open;) open = peer.Send(piece);
  });
  // libcurl's own limit, which does not say what it was.
  EXPECT_FALSE(Ask(server.Url()).ok());
}

TEST_F(ClientTest, TakesHeadersUpToTheLimit) {
  const ScriptedServer server(Sending(Answer("200 OK", "x", "X-Line: " + std::string(30'000, 'a') + "\r\n")));
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Ask(server.Url()));
  EXPECT_EQ(response.SingleHeader("x-line"), std::string(30'000, 'a'));
  const ScriptedServer large(Sending(Answer("200 OK", "x", "X-Line: " + std::string(33'000, 'a') + "\r\n")));
  EXPECT_THAT(Ask(large.Url()), HasCode(StatusCode::kResourceExhausted, "too large"));
}

TEST_F(ClientTest, RefusesWhatIsNotHttp) {
  for (const char* const bytes :
       {"", "SSH-2.0-OpenSSH_9.2\r\n", "secret-of-the-body\r\n\r\n", "HTTP/0.9 200 OK\r\n\r\n", "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsecret",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nsecret", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nsecret",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret-of-the-body",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsecre", "HTTP/1.1 200 OK\r\nX-Head",
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nsecret",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX-Head"}) {
    const ScriptedServer server(Sending(bytes));
    const auto result = Ask(server.Url());
    ASSERT_FALSE(result.ok()) << bytes;
    EXPECT_EQ(result.status().code(), StatusCode::kUnavailable) << bytes;
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("secret")));
  }
}

TEST_F(ClientTest, NeverSaysWhatAnAnswerHolds) {
  for (const std::string& bytes :
       {"HTTP/1.1 200 " + std::string(kSecret) + "\r\nContent-Length: 9999999\r\nX-A: " + kSecret + "\r\n\r\n" +
            kSecret,
        "HTTP/1.1 302 Found\r\nLocation: http://" + std::string(kSecret) + "/\r\nContent-Length: 0\r\n\r\n"}) {
    const ScriptedServer server(Sending(bytes));
    const auto result = Ask(server.Url("/" + std::string(kSecret)));
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr(kSecret)));
  }
}

TEST_F(ClientTest, LeavesEncodedBodiesEncoded) {
  // 20 bytes of gzip that would be a mebibyte if unpacked are 20 bytes.
  const ScriptedServer server(Sending(Answer("200 OK", "\x1f\x8b not unpacked", "Content-Encoding: gzip\r\n")));
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Ask(server.Url()));
  EXPECT_EQ(response.body, "\x1f\x8b not unpacked");
}

TEST_F(ClientTest, TheAnswerIsTheLastOne) {
  const ScriptedServer server(Sending(
      "HTTP/1.1 103 Early Hints\r\nCache-Control: max-age=1\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
      "Cache-Control: max-age=2\r\n\r\n1\r\nx\r\n0\r\nCache-Control: max-age=3\r\n\r\n"));
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Ask(server.Url()));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.SingleHeader("cache-control"), "max-age=2");
}

}  // namespace
}  // namespace livekit::token::http
