#include "http/framer.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token::http {
namespace {

using State = Framer::State;

constexpr char kHost[] = "Host: test\r\n";

// Feeds everything, reading the body, in pieces of `step` bytes; `left` is what was not taken.
struct Outcome {
  State state;
  v1::ErrorReason reason;
  RequestHead head;
  std::string body;
  std::string left;
};

Outcome FeedAll(std::string_view input, std::size_t step, const FramerLimits& limits = {}) {
  Framer framer(limits);
  std::string left(input);
  std::string window;
  while (!left.empty() || !window.empty()) {
    const std::string piece = left.substr(0, step);
    left.erase(0, piece.size());
    window += piece;
    window.erase(0, framer.Feed(window));
    if (framer.state() == State::kHeadDone) {
      framer.ReadBody();
      window.erase(0, framer.Feed(window));
    }
    if (framer.state() == State::kComplete || framer.state() == State::kRefused) break;
  }
  return {framer.state(), framer.reason(), framer.head(), framer.body(), window + left};
}

// The outcome must not depend on how the bytes are cut into packets.
Outcome FeedBothWays(std::string_view input, const FramerLimits& limits = {}) {
  Outcome whole = FeedAll(input, input.size(), limits);
  const Outcome bytes = FeedAll(input, 1, limits);
  EXPECT_EQ(whole.state, bytes.state) << input;
  if (whole.state == State::kRefused) {
    EXPECT_EQ(whole.reason, bytes.reason) << input;
  } else {
    EXPECT_EQ(whole.body, bytes.body) << input;
    EXPECT_EQ(whole.left, bytes.left) << input;
  }
  return whole;
}

void ExpectRefused(std::string_view input, v1::ErrorReason reason, const FramerLimits& limits = {}) {
  const Outcome outcome = FeedBothWays(input, limits);
  EXPECT_EQ(outcome.state, State::kRefused) << input;
  EXPECT_EQ(v1::ErrorReason_Name(outcome.reason), v1::ErrorReason_Name(reason)) << input;
}

std::string Post(std::string_view headers, std::string_view body) {
  return "POST /token HTTP/1.1\r\n" + std::string(kHost) + std::string(headers) + "\r\n" + std::string(body);
}

TEST(Framer, ReadsARequestWithoutBody) {
  const Outcome outcome = FeedBothWays("GET /x?a=b HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Spaces: \t a b \t\r\n\r\nrest");
  ASSERT_EQ(outcome.state, State::kComplete);
  EXPECT_EQ(outcome.head.method, "GET");
  EXPECT_EQ(outcome.head.target, "/x?a=b");
  ASSERT_EQ(outcome.head.headers.size(), 3u);
  EXPECT_EQ(outcome.head.headers[1].value, "");
  EXPECT_EQ(outcome.head.headers[2].value, "a b");
  EXPECT_EQ(outcome.left, "rest");
}

TEST(Framer, ReadsABodyByLength) {
  const Outcome outcome = FeedBothWays(Post("Content-Length: 5\r\n", "helloGET / "));
  ASSERT_EQ(outcome.state, State::kComplete);
  EXPECT_EQ(outcome.body, "hello");
  EXPECT_EQ(outcome.left, "GET / ");
}

TEST(Framer, ReadsAChunkedBodyAndDropsTrailers) {
  const Outcome outcome = FeedBothWays(Post(
      "Transfer-Encoding: Chunked\r\n", "5\r\nhello\r\nA;ext=\"1\"\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\nnext"));
  ASSERT_EQ(outcome.state, State::kComplete);
  EXPECT_EQ(outcome.body, "hello0123456789");
  EXPECT_EQ(outcome.left, "next");
  EXPECT_EQ(outcome.head.headers.size(), 2u);
}

TEST(Framer, LeavesABodyAloneUntilAsked) {
  Framer framer({});
  const std::string input = Post("Content-Length: 5\r\n", "hello");
  EXPECT_EQ(framer.Feed(input), input.size() - 5);
  EXPECT_EQ(framer.state(), State::kHeadDone);
  EXPECT_EQ(framer.Feed("hello"), 0u);
}

TEST(Framer, IgnoresEmptyLinesBeforeARequestButNotForEver) {
  EXPECT_EQ(FeedBothWays("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").state, State::kComplete);
  FramerLimits limits;
  limits.max_header_bytes = 64;
  std::string many;
  for (int i = 0; i < 40; ++i) many += "\r\n";
  ExpectRefused(many, v1::HEADERS_TOO_LARGE, limits);
}

TEST(Framer, RefusesMalformedHeads) {
  for (const char* head : {
           "GARBAGE\r\n\r\n",
           "GET /\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
           "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.10\r\nHost: h\r\n\r\n",
           "GET / http/1.1\r\nHost: h\r\n\r\n",
           "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
           "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n folded\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\n: empty\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
           "GET / HTTP/1.1\nHost: h\n\n",
           "GET / HTTP/1.1\r\nHost: h\nX: 1\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nhost: g\r\n\r\n",
           "\x16\x03\x01 not HTTP at all",
           "{\"room_name\":\"no HTTP either\"}",
           "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
           "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n",
           "\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
           "\r\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
       }) {
    ExpectRefused(head, v1::MALFORMED_REQUEST);
  }
  ExpectRefused(std::string_view("GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n", 34), v1::MALFORMED_REQUEST);
}

TEST(Framer, RefusesHostsThatAreNone) {
  for (const char* host : {"h", "h:80", "a_b.example.", "127.0.0.1:1", "[::1]", "[::1]:80"}) {
    const std::string head = "GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
    EXPECT_EQ(FeedBothWays(head).state, State::kComplete) << host;
  }
  for (const char* host : {"", "a b", "a,b", "a/b", "user@h", "h:", "h:x", "h:65536", "h:-1", "[::1", "::1", "h\xc3"}) {
    ExpectRefused("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n", v1::MALFORMED_REQUEST);
    ExpectRefused("GET / HTTP/1.0\r\nHost: " + std::string(host) + "\r\n\r\n", v1::MALFORMED_REQUEST);
  }
}

TEST(Framer, RefusesTargetsThatAreNone) {
  for (const char* target : {"/a?100%", "/?a=[1]|{2}", "/a%20b", "//a", "/../a", "/a\\b"}) {
    const std::string head = "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    EXPECT_EQ(FeedBothWays(head).head.target, target);
  }
  for (const char* target : {"a", "*", "?a", "/a#b", "/?a#b", "/a%", "/a%4", "/a%4g", "/%u0041", "/a%00", "h:80",
                             "ftp://h/", "http:///a", "http://u@h/", "http://u:p@h/", "http://h:x/", "http://"}) {
    ExpectRefused("GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n", v1::MALFORMED_REQUEST);
  }
}

TEST(Framer, RefusesToBecomeATunnel) {
  for (const char* target : {"h:80", "/", "http://h/"}) {
    ExpectRefused("CONNECT " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n", v1::MALFORMED_REQUEST);
  }
}

TEST(Framer, RefusesAmbiguousLengths) {
  for (const char* headers : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: -5\r\n",
           "Content-Length: 0x5\r\n",
           "Content-Length: 5 5\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
       }) {
    ExpectRefused(Post(headers, "hello"), v1::MALFORMED_REQUEST);
  }
  ExpectRefused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", v1::MALFORMED_REQUEST);
}

TEST(Framer, RefusesMalformedChunks) {
  for (const char* body : {
           "x\r\n",
           "\r\n",
           "-1\r\nh\r\n",
           "0x5\r\nhello\r\n",
           "+5\r\nhello\r\n",
           " 5\r\nhello\r\n",
           "5 x\r\nhello\r\n",
           "5\nhello\r\n0\r\n\r\n",
           "5\r\nhello0\r\n\r\n",
           "5\r\nhelloX\r\n0\r\n\r\n",
           "5\r\nhello\n0\r\n\r\n",
           "5 \r\nhello\r\n",
           "5;\r\nhello\r\n",
           "5;a\rb\r\nhello\r\n",
           "5;a=\r\nhello\r\n",
           "5;a b\r\nhello\r\n",
           "5;a=\"\r\nhello\r\n",
           "5;a=\"\x01\"\r\nhello\r\n",
           "5;a=\"\\\"\r\nhello\r\n",
           "11111111111111111\r\n",
           "0\r\nX: 1\n\r\n",
           "0\r\nX: a\rb\r\n\r\n",
           "0\r\nX : 1\r\n\r\n",
           "0\r\n X: folded\r\n\r\n",
           "0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
           "0\r\nContent-Length: 5\r\n\r\n",
           "0\r\ntransfer-encoding: chunked\r\n\r\n",
           "0\r\nHost: h\r\n\r\n",
       }) {
    ExpectRefused(Post("Transfer-Encoding: chunked\r\n", body), v1::MALFORMED_REQUEST);
  }
  const std::string long_extension = "1;" + std::string(300, 'x') + "\r\n";
  ExpectRefused(Post("Transfer-Encoding: chunked\r\n", long_extension), v1::MALFORMED_REQUEST);
}

TEST(Framer, SkipsChunkExtensions) {
  for (const char* extensions : {";a", ";a=b", " ; a = \"b;\\\"\" ;c", "\t;a;b=\"\"", ";a=\"\xff\""}) {
    const Outcome outcome =
        FeedBothWays(Post("Transfer-Encoding: chunked\r\n", "5" + std::string(extensions) + "\r\nhello\r\n0\r\n\r\n"));
    EXPECT_EQ(outcome.body, "hello") << extensions;
  }
}

TEST(Framer, RefusesSmallChunksThatAreMostlyExtensions) {
  const std::string chunk = "1;" + std::string(200, 'x') + "\r\na\r\n";  // 186 bytes beyond a plain line's 18
  std::string body;
  for (int i = 0; i < 10; ++i) body += chunk;
  FramerLimits limits;
  limits.max_header_bytes = 10 * 186;
  EXPECT_EQ(FeedBothWays(Post("Transfer-Encoding: chunked\r\n", body + "0\r\n\r\n"), limits).state, State::kComplete);
  limits.max_header_bytes -= 1;
  ExpectRefused(Post("Transfer-Encoding: chunked\r\n", body + "0\r\n\r\n"), v1::MALFORMED_REQUEST, limits);
}

TEST(Framer, KeepsToTheBodyLimitForBothForms) {
  FramerLimits limits;
  limits.max_body_bytes = 10;
  EXPECT_EQ(FeedBothWays(Post("Content-Length: 10\r\n", "0123456789"), limits).body, "0123456789");
  ExpectRefused(Post("Content-Length: 11\r\n", ""), v1::BODY_TOO_LARGE, limits);
  EXPECT_EQ(FeedBothWays(Post("Transfer-Encoding: chunked\r\n", "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"), limits).body,
            "0123456789");
  ExpectRefused(Post("Transfer-Encoding: chunked\r\n", "4\r\n0123\r\n7\r\n"), v1::BODY_TOO_LARGE, limits);
  ExpectRefused(Post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n"), v1::BODY_TOO_LARGE, limits);
}

TEST(Framer, KeepsToTheHeaderLimits) {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  FramerLimits limits;
  limits.max_header_bytes = head.size();
  EXPECT_EQ(FeedBothWays(head, limits).state, State::kComplete);
  limits.max_header_bytes = head.size() - 1;
  ExpectRefused(head, v1::HEADERS_TOO_LARGE, limits);

  limits = {};
  limits.max_header_lines = 2;
  EXPECT_EQ(FeedBothWays("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n", limits).state, State::kComplete);
  ExpectRefused("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\n", v1::HEADERS_TOO_LARGE, limits);
}

TEST(Framer, KeepsToTheHeaderLimitForTrailers) {
  FramerLimits limits;
  limits.max_header_bytes = 200;
  const std::string chunk = "0\r\nX: " + std::string(150, 'x') + "\r\n";
  EXPECT_EQ(FeedBothWays(Post("Transfer-Encoding: chunked\r\n", chunk + "\r\n"), limits).state, State::kComplete);
  ExpectRefused(Post("Transfer-Encoding: chunked\r\n", chunk + "Y: " + std::string(60, 'y') + "\r\n\r\n"),
                v1::HEADERS_TOO_LARGE, limits);
  limits.max_header_lines = 2;
  const std::string lines = "0\r\nA:\r\nB:\r\n";
  EXPECT_EQ(FeedBothWays(Post("Transfer-Encoding: chunked\r\n", lines + "\r\n"), limits).state, State::kComplete);
  ExpectRefused(Post("Transfer-Encoding: chunked\r\n", lines + "C:\r\n\r\n"), v1::HEADERS_TOO_LARGE, limits);
}

TEST(Framer, RefusesEncodedBodiesEvenWithoutBytes) {
  ExpectRefused(Post("Content-Encoding: gzip\r\nContent-Length: 5\r\n", ""), v1::UNSUPPORTED_MEDIA_TYPE);
  ExpectRefused(Post("content-encoding: identity\r\nTransfer-Encoding: chunked\r\n", ""), v1::UNSUPPORTED_MEDIA_TYPE);
  ExpectRefused(Post("Content-Encoding: gzip\r\n", ""), v1::UNSUPPORTED_MEDIA_TYPE);
}

TEST(Framer, KnowsWhetherAnythingOfARequestHasCome) {
  Framer framer({});
  EXPECT_TRUE(framer.empty());
  framer.Feed("\r\n");
  EXPECT_TRUE(framer.empty());
  framer.Feed("G");
  EXPECT_FALSE(framer.empty());
}

RequestHead Head(const std::string& text) {
  RequestHead head;
  EXPECT_EQ(ParseHead(text, 100, head), std::nullopt) << text;
  return head;
}

TEST(ParseHead, DecidesWhetherTheConnectionIsKept) {
  EXPECT_TRUE(Head("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_FALSE(Head("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(Head("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n").keep_alive);
  EXPECT_FALSE(Head("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  EXPECT_FALSE(Head("GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  EXPECT_FALSE(Head("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(Head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(ParseHead, CutsAbsoluteFormAndBelievesItsAuthority) {
  const RequestHead head = Head("GET http://real.example:80/path?q HTTP/1.1\r\nHost: other\r\n\r\n");
  EXPECT_EQ(head.target, "/path?q");
  ASSERT_EQ(head.headers.size(), 1u);
  EXPECT_EQ(head.headers[0].value, "real.example:80");
  EXPECT_EQ(Head("OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n").target, "/");
  EXPECT_EQ(Head("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n").target, "/?q");
  EXPECT_EQ(Head("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").target, "*");
  EXPECT_EQ(Head("GET /http://x HTTP/1.1\r\nHost: h\r\n\r\n").target, "/http://x");
}

TEST(ParseHead, SeesExpectOnlyInHttp11) {
  EXPECT_TRUE(Head("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n\r\n").expects_continue);
  EXPECT_TRUE(Head("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n").expects_continue);
  EXPECT_TRUE(Head("POST / HTTP/1.1\r\nHost: h\r\nExpect: x, 100-continue\r\n\r\n").expects_continue);
  EXPECT_FALSE(Head("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
  EXPECT_FALSE(Head("POST / HTTP/1.1\r\nHost: h\r\nExpect: other\r\n\r\n").expects_continue);
}

}  // namespace
}  // namespace livekit::token::http
