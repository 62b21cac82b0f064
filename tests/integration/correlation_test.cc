// One request through a real gateway and a real token server: the same ids in the answer and in both logs.

#include <chrono>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::PostRequest;
using testing::Program;
using testing::RawClient;

constexpr std::chrono::seconds kPatience{30};
constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpanId[] = "00f067aa0ba902b7";
constexpr char kTraceparent[] = "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

// The first line of the event of which `wanted` holds; null if there is none in time.
json AwaitLine(const Program& program, const std::string& event, const std::function<bool(const json&)>& wanted) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  do {
    std::istringstream lines(program.Output());
    for (std::string text; std::getline(lines, text);) {
      const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (line.is_object() && line.value("event", "") == event && wanted(line)) return line;
    }
  } while (std::chrono::steady_clock::now() < end);
  ADD_FAILURE() << "no such line of " << event << " in:\n" << program.Output();
  return json::object();
}

std::function<bool(const json&)> OfRequest(const std::string& id) {
  return [id](const json& line) { return line.value("request_id", "") == id; };
}

class CorrelationTest : public ::testing::Test {
 protected:
  CorrelationTest()
      : server_("livekit-token-server", {"--dev", "--grpc_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0"}) {
    const int grpc = server_.AwaitPort("grpc");
    EXPECT_NE(grpc, 0) << server_.Output();
    gateway_ = std::make_unique<Program>(
        "livekit-token-gateway",
        std::vector<std::string>{"--dev", "--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0",
                                 "--server_address=ipv4:127.0.0.1:" + std::to_string(grpc)});
    http_ = gateway_->AwaitPort("http");
    EXPECT_NE(http_, 0) << gateway_->Output();
  }

  testing::RawResponse Ask(const std::string& headers, const std::string& body = R"({"room_name":"r"})") {
    const auto answer = RawClient(http_).Exchange(PostRequest("/getToken", body, headers));
    EXPECT_TRUE(answer);
    return answer.value_or(testing::RawResponse());
  }

  Program server_;
  std::unique_ptr<Program> gateway_;
  int http_ = 0;
};

TEST_F(CorrelationTest, FollowsARequestFromItsAnswerThroughBothLogs) {
  const auto answer = Ask(std::string(kTraceparent) + "Tracestate: a=1\r\nX-Request-Id: req-1\r\n");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.Header("x-request-id"), "req-1");
  const json line = AwaitLine(*gateway_, "http_request", OfRequest("req-1"));
  EXPECT_EQ(line.value("trace_id", ""), kTraceId);
  EXPECT_EQ(line.value("span_id", "").size(), 16U);
  EXPECT_NE(line.value("span_id", ""), kSpanId);
  EXPECT_EQ(AwaitLine(server_, "audit", OfRequest("req-1")).value("trace_id", ""), kTraceId);

  // A call of a batch is no part of the traces of its items.
  const json call = AwaitLine(server_, "grpc_call", [](const json&) { return true; });
  EXPECT_EQ(call.value("method", ""), "BatchIssueParticipantTokens");
  EXPECT_NE(call.value("request_id", ""), "req-1");
  EXPECT_NE(call.value("trace_id", ""), kTraceId);
  EXPECT_EQ(call.value("trace_id", "").size(), 32U);
}

TEST_F(CorrelationTest, MakesIdsForARequestWithoutAndFollowsThemToo) {
  const auto answer = Ask("");
  EXPECT_EQ(answer.status, 201);
  const auto id = answer.Header("x-request-id");
  ASSERT_TRUE(id);
  EXPECT_EQ(AwaitLine(*gateway_, "http_request", OfRequest(*id)).value("trace_id", "").size(), 32U);
  AwaitLine(server_, "audit", OfRequest(*id));
}

// One that sends anything at all gets its token like everybody else, and nothing of it goes anywhere.
TEST_F(CorrelationTest, AnswersWhateverTheHeadersHold) {
  const std::string parent = kTraceparent;
  for (const std::string& headers :
       {std::string("Traceparent: MARK\xff\xfe\r\n"), "Traceparent: " + std::string(10'240, '0') + "\r\n",
        parent + "Tracestate: a=MARK\xff\r\n", parent + "Tracestate: a=MARK" + std::string(10'240, 'v') + "\r\n",
        parent + parent + "Tracestate: a=MARK\r\n", std::string("Tracestate: a=MARK\r\n"),
        std::string("X-Request-Id: MARK\xc3\xa9\r\n"), std::string("X-Request-Id: MARK\r\nX-Request-Id: MARK\r\n"),
        "X-Request-Id: " + std::string(10'240, 'a') + "\r\n"}) {
    const auto answer = Ask(headers);
    EXPECT_EQ(answer.status, 201) << headers.substr(0, 60);
    const auto id = answer.Header("x-request-id");
    ASSERT_TRUE(id);
    EXPECT_THAT(*id, ::testing::MatchesRegex("[0-9a-f-]{36}"));
    AwaitLine(*gateway_, "http_request", OfRequest(*id));
    AwaitLine(server_, "audit", OfRequest(*id));
  }
  EXPECT_THAT(gateway_->Output() + server_.Output(), Not(HasSubstr("MARK")));
}

// A bare CR or LF could begin a header of its own at whoever reads more leniently.
TEST_F(CorrelationTest, RefusesLinesWithinAHeader) {
  for (const char* headers : {"Traceparent: a\nX-Api-Key: b\r\n", "X-Request-Id: a\rX-Api-Key: b\r\n"}) {
    const auto answer = Ask(headers);
    EXPECT_EQ(answer.status, 400);
    EXPECT_TRUE(answer.Header("x-request-id"));
    EXPECT_FALSE(answer.Header("x-api-key"));
  }
}

TEST_F(CorrelationTest, NamesRequestsThatTheServerRefusesByItself) {
  const auto answer = Ask("X-Request-Id: req-2\r\n", std::string(70'000, ' '));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.Header("x-request-id"), "req-2");
  EXPECT_EQ(AwaitLine(*gateway_, "http_request", OfRequest("req-2")).value("trace_id", "").size(), 32U);
}

}  // namespace
}  // namespace livekit::token
