#include "service/metrics.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

void UseAll(Metrics& metrics) {
  metrics.HttpRequest("POST", "/getToken", 201, milliseconds(2));
  metrics.Rpc("MintAccessToken", absl::StatusCode::kInvalidArgument, milliseconds(1));
  metrics.AttemptStarted("BatchIssueParticipantTokens");
  metrics.AttemptEnded("BatchIssueParticipantTokens", absl::StatusCode::kCancelled, milliseconds(1));
  metrics.Issued("APIkey", "web", "participant");
  metrics.Denied("other", v1::NO_POLICY);
  metrics.UnknownFields(2);
  metrics.TlsCertificate("http", std::chrono::sys_seconds(std::chrono::seconds(1893456000)));
}

TEST(Metrics, CountsByLabels) {
  Metrics metrics;
  UseAll(metrics);
  UseAll(metrics);
  metrics.Issued("APIkey", "web", "minted");
  const std::string text = metrics.Serialize();
  for (
      const char* line : {
          R"(http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="201",http_route="/getToken"} 2)",
          R"(http_server_request_duration_seconds_bucket{http_request_method="POST",http_response_status_code="201",http_route="/getToken",le="0.001"} 0)",
          R"(http_server_request_duration_seconds_bucket{http_request_method="POST",http_response_status_code="201",http_route="/getToken",le="0.0025"} 2)",
          R"(http_server_request_duration_seconds_bucket{http_request_method="POST",http_response_status_code="201",http_route="/getToken",le="+Inf"} 2)",
          R"(grpc_server_call_duration_seconds_count{grpc_method="MintAccessToken",grpc_status="INVALID_ARGUMENT"} 2)",
          R"(grpc_client_attempt_started_total{grpc_method="BatchIssueParticipantTokens"} 2)",
          R"(grpc_client_attempt_duration_seconds_count{grpc_method="BatchIssueParticipantTokens",grpc_status="CANCELLED"} 2)",
          R"(livekit_token_issued_total{caller="web",key="APIkey",kind="participant"} 2)",
          R"(livekit_token_issued_total{caller="web",key="APIkey",kind="minted"} 1)",
          R"(livekit_token_denied_total{caller="other",reason="NO_POLICY"} 2)",
          "livekit_token_unknown_fields_total 4",
          R"(tls_certificate_not_after_timestamp_seconds{role="http"} 1893456000)",
          R"(livekit_token_build_info{revision=")",
      }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(Metrics, IgnoresCountsThatAreNone) {
  Metrics metrics;
  metrics.UnknownFields(0);
  metrics.UnknownFields(-5);
  EXPECT_THAT(metrics.Serialize(), HasSubstr("livekit_token_unknown_fields_total 0"));
}

TEST(Metrics, NamesUnknownReasonsByOneThatExists) {
  Metrics metrics;
  metrics.Denied("c", static_cast<v1::ErrorReason>(9999));
  EXPECT_THAT(metrics.Serialize(), HasSubstr(R"(livekit_token_denied_total{caller="c",reason="INTERNAL"} 1)"));
}

TEST(Metrics, EscapesLabelValues) {
  Metrics metrics;
  metrics.Issued("a\"b\\c\nd", "web", "minted");
  EXPECT_THAT(metrics.Serialize(), HasSubstr(R"(key="a\"b\\c\nd")"));
}

TEST(Metrics, TellsAboutTheProcess) {
  const std::string text = Metrics().Serialize();
  const auto value = [&](const std::string& name) {
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_open_fds"), 2);
  EXPECT_GE(value("process_max_fds"), value("process_open_fds"));
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_GT(value("process_start_time_seconds"), now - 3600);
  EXPECT_LE(value("process_start_time_seconds"), now + 1);
}

// What promtool check metrics looks at.
TEST(Metrics, FollowsTheNamingRules) {
  Metrics metrics;
  UseAll(metrics);
  std::istringstream lines(metrics.Serialize());
  std::set<std::string> helped;
  std::map<std::string, std::string> types;
  std::set<std::string> series;
  const std::regex sample(R"(([a-z_][a-z0-9_]*)(\{[^}]*\})? (\S+))");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what, name, rest;
    words >> hash >> what >> name >> rest;
    if (hash == "#" && what == "HELP") {
      EXPECT_FALSE(rest.empty()) << name << " has no help";
      EXPECT_TRUE(helped.insert(name).second) << name;
    } else if (hash == "#" && what == "TYPE") {
      EXPECT_TRUE(types.emplace(name, rest).second) << name;
      EXPECT_EQ(rest == "counter", std::regex_search(name, std::regex("_total$"))) << name;
      EXPECT_FALSE(std::regex_search(name, std::regex("(_ms|_milliseconds|_minutes|_kb)"))) << name;
    } else {
      std::smatch match;
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_TRUE(series.insert(match[1].str() + match[2].str()).second) << "twice: " << line;
      const std::string family = std::regex_replace(match[1].str(), std::regex("_(bucket|sum|count)$"), "");
      EXPECT_TRUE(types.count(family) == 1 || types.count(match[1].str()) == 1) << line;
    }
  }
  EXPECT_EQ(helped.size(), types.size());
  EXPECT_GE(types.size(), 11u);
}

TEST(Metrics, LosesNoCountUnderConcurrency) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics, t] {
      for (int i = 0; i < 500; ++i) {
        metrics.Issued("k" + std::to_string(i % 3), "web", "minted");
        if (i % 100 == 0) metrics.HttpRequest("GET", "/" + std::to_string(t), 200, milliseconds(1));
        if (i % 250 == 0) [[maybe_unused]]
          const std::string text = metrics.Serialize();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr(R"(livekit_token_issued_total{caller="web",key="k0",kind="minted"} 668)"));
  EXPECT_THAT(text, HasSubstr(R"(livekit_token_issued_total{caller="web",key="k2",kind="minted"} 664)"));
}

}  // namespace
}  // namespace livekit::token
