#include "client_fixture.h"

namespace livekit::token::http {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

bool Asks(const std::string& request, const std::string& path) {
  return request.find(" " + path + " ") != request.npos;
}

TEST_F(ClientTest, FollowsToTheSameOrigin) {
  for (const char* const status :
       {"301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"}) {
    std::string credentials;
    const ScriptedServer server(Answering([&](const std::string& request) {
      if (Asks(request, "/c")) return Answer("200 OK", "arrived");
      return RedirectTo(Asks(request, "/a") ? "/b" : "c", status);
    }));
    ASSERT_OK_AND_ASSIGN(const ClientResponse response, Ask(server.Url("/a")));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "arrived") << status;
  }
}

TEST_F(ClientTest, DoesNotFollowElsewhere) {
  const ScriptedServer other(Answering([](const std::string&) { return Answer("200 OK", "elsewhere"); }));
  const std::string port = std::to_string(other.port());
  for (const std::string& location :
       {other.Url(), "//127.0.0.1:" + port + "/", "http://localhost:" + port + "/", std::string("http://[::1]/"),
        std::string("http://169.254.169.254/latest/meta-data/"), std::string("file:///etc/passwd"),
        std::string("https://127.0.0.1/"), std::string("gopher://127.0.0.1/")}) {
    const ScriptedServer server(Answering([&](const std::string&) { return RedirectTo(location); }));
    ClientRequest request = Plain(server.Url());
    request.headers = {{"Authorization", "Bearer secret"}};
    EXPECT_THAT(Ask(request), HasCode(StatusCode::kPermissionDenied, "redirects to another")) << location;
    EXPECT_EQ(server.connections(), 1);
  }
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(ClientTest, DoesNotFollowWithoutOneLocation) {
  for (const char* const lines : {"", "Location: /a\r\nLocation: /b\r\n", "Location:\r\n"}) {
    const ScriptedServer server(Answering([&](const std::string&) { return Answer("302 Found", "", lines); }));
    EXPECT_THAT(Ask(server.Url()), HasCode(StatusCode::kPermissionDenied, "redirects")) << lines;
  }
}

TEST_F(ClientTest, FollowsThreeTimes) {
  std::atomic<int> requests = 0;
  const ScriptedServer server(Answering([&](const std::string&) {
    ++requests;
    return RedirectTo("/");
  }));
  EXPECT_THAT(Ask(server.Url()), HasCode(StatusCode::kPermissionDenied, "too often"));
  EXPECT_EQ(requests, 4);
}

TEST_F(ClientTest, RedirectsShareTheTime) {
  std::atomic<int> requests = 0;
  const ScriptedServer server([&](Peer& peer) {
    while (!peer.ReadRequest().empty()) {
      if (++requests == 3) return peer.AwaitEnd();
      peer.Send(RedirectTo("/"));
    }
  });
  EXPECT_THAT(Ask(Impatient(server.Url())), HasCode(StatusCode::kDeadlineExceeded, "in time"));
}

TEST_F(ClientTest, ARedirectIsAnAnswerWhereAskedFor) {
  const ScriptedServer server(Answering([](const std::string&) { return RedirectTo("https://login.example/"); }));
  ClientRequest request = Plain(server.Url());
  request.max_redirects = 0;
  ASSERT_OK_AND_ASSIGN(ClientResponse response, Ask(request));
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.SingleHeader("location"), "https://login.example/");
  // A POST would have to be sent twice, or become another request.
  request = Plain(server.Url());
  request.method = "POST";
  ASSERT_OK_AND_ASSIGN(response, Ask(request));
  EXPECT_EQ(response.status, 302);
}

}  // namespace
}  // namespace livekit::token::http
