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
#include "service/authenticator_metrics.h"
#include "service/rpc_metrics.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

ServerStatus Status() {
  const std::chrono::system_clock::time_point time(std::chrono::seconds(1893456000));
  ServerStatus status;
  status.keys.push_back({"main", "APIkey", "active", time, time});
  status.jwks.push_back({"app", time, 7, 2});
  status.requests_in_flight = 3;
  status.audit_dropped = 4;
  return status;
}

// Touches every metric.
void UseAll(Metrics& metrics) {
  metrics.SetServerSource(Status);
  metrics.ConfigLoaded("abc", std::chrono::system_clock::time_point(std::chrono::seconds(1893456000)));
  metrics.HttpActiveRequests(1);
  metrics.HttpConnections(1);
  metrics.HttpConnectionRejected(HttpRejection::kFull);
  metrics.Signed(std::chrono::microseconds(20));
  metrics.RateLimited(LimitScope::kPerAddress);
  metrics.ClockJumped();
  AuthenticatorMetrics& app = metrics.OfAuthenticator("app");
  app.Authenticated(absl::OkStatus());
  app.Authenticated(absl::UnavailableError(""));
  app.Asked(absl::UnauthenticatedError(""), milliseconds(4));
  metrics.HttpRequest("POST", "/getToken", 201, milliseconds(2));
  RpcMetrics& rpc = metrics.OfRpc("MintAccessToken");
  rpc.Started();
  rpc.Ended(absl::StatusCode::kInvalidArgument, milliseconds(1));
  metrics.AttemptStarted("BatchIssueParticipantTokens");
  metrics.AttemptEnded("BatchIssueParticipantTokens", absl::StatusCode::kCancelled, milliseconds(1));
  metrics.Issued("APIkey", "web", "participant");
  metrics.Denied("other", v1::NO_POLICY);
  metrics.UnknownFields(2);
  metrics.TlsCertificate("http", std::chrono::sys_seconds(std::chrono::seconds(1893456000)));
}

TEST(Metrics, CountsByLabels) {
  Metrics metrics(kAllPrograms, "abc123");
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
          R"(livekit_token_build_info{revision="abc123",version=")",
          R"(http_server_active_requests 2)",
          R"(http_server_connections 2)",
          R"(http_server_connections_rejected_total{reason="full"} 2)",
          R"(http_server_connections_rejected_total{reason="busy"} 0)",
          R"(grpc_server_call_started_total{grpc_method="MintAccessToken"} 2)",
          R"(livekit_token_sign_duration_seconds_bucket{alg="HS256",le="1e-05"} 0)",
          R"(livekit_token_sign_duration_seconds_bucket{alg="HS256",le="2.5e-05"} 2)",
          R"(livekit_token_authentications_total{authenticator="app",outcome="accepted"} 2)",
          R"(livekit_token_authentications_total{authenticator="app",outcome="refused"} 0)",
          R"(livekit_token_authentications_total{authenticator="app",outcome="unavailable"} 2)",
          R"(livekit_token_authenticator_request_duration_seconds_count{authenticator="app",outcome="refused"} 2)",
          R"(livekit_token_jwks_fetches_total{authenticator="app",outcome="success"} 7)",
          R"(livekit_token_jwks_fetches_total{authenticator="app",outcome="failure"} 2)",
          R"(livekit_token_jwks_last_success_timestamp_seconds{authenticator="app"} 1893456000)",
          "livekit_token_requests_in_flight 3",
          "livekit_token_audit_dropped_total 4",
          "clock_jumps_total 2",
          R"(config_generation_info{hash="abc"} 1)",
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

TEST(Metrics, ShowsOneGenerationAtATime) {
  Metrics metrics;
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("config_generation_info")));
  metrics.ConfigLoaded("abc", {});
  metrics.ConfigLoaded("def", {});
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr(R"(config_generation_info{hash="def"} 1)"));
  EXPECT_THAT(text, Not(HasSubstr("abc")));
}

TEST(Metrics, CountsCodesThatGrpcDoesNotKnowAsUnknown) {
  Metrics metrics;
  metrics.OfRpc("Mint").Ended(static_cast<absl::StatusCode>(99), milliseconds(1));
  metrics.OfRpc("Mint").Ended(static_cast<absl::StatusCode>(-1), milliseconds(1));
  EXPECT_THAT(metrics.Serialize(),
              HasSubstr(R"(grpc_server_call_duration_seconds_count{grpc_method="Mint",grpc_status="UNKNOWN"} 2)"));
}

TEST(Metrics, OfTheSameNameAreTheSame) {
  Metrics metrics;
  EXPECT_EQ(&metrics.OfRpc("Mint"), &metrics.OfRpc("Mint"));
  EXPECT_NE(&metrics.OfAuthenticator("a"), &metrics.OfAuthenticator("b"));
}

std::set<std::string> NamesIn(const std::string& text) {
  std::set<std::string> names;
  const std::regex type(R"((?:^|\n)# TYPE (\S+) )");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), type); it != std::sregex_iterator(); ++it) {
    names.insert((*it)[1]);
  }
  return names;
}

TEST(Metrics, AreThoseOfTheTableForEachProgram) {
  for (const unsigned program : {kServer, kGateway, kStandalone}) {
    Metrics metrics(program);
    UseAll(metrics);
    std::set<std::string> expected;
    for (const MetricRow& row : kMetricTable) {
      if ((row.programs & program) != 0) expected.emplace(row.name);
    }
    EXPECT_EQ(NamesIn(metrics.Serialize()), expected);
  }
}

// What `promtool check metrics` looks at.
TEST(Metrics, FollowTheNamingRules) {
  Metrics metrics;
  UseAll(metrics);
  std::istringstream lines(metrics.Serialize());
  std::set<std::string> helped;
  std::map<std::string, std::string> types;
  std::set<std::string> series;
  const std::regex sample(R"(([a-z_][a-z0-9_]*)(\{([^}]*)\})? (\S+))");
  const std::regex label(R"(([a-z_][a-z0-9_]*)="[^"]*")");
  const std::regex other_units("_(ms|milliseconds|microseconds|minutes|hours|kb|kilobytes|megabytes|percent)(_|$)");
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
      EXPECT_FALSE(std::regex_search(name, std::regex("_(count|sum|bucket|counter|gauge|histogram)$"))) << name;
      EXPECT_FALSE(std::regex_search(name, other_units)) << name;
    } else {
      std::smatch match;
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_TRUE(series.insert(match[1].str() + match[2].str()).second) << "twice: " << line;
      const std::string family = std::regex_replace(match[1].str(), std::regex("_(bucket|sum|count)$"), "");
      const auto type = types.count(family) == 1 ? types.find(family) : types.find(match[1].str());
      ASSERT_NE(type, types.end()) << line;
      const std::string labels = match[3];
      std::set<std::string> names;
      for (auto it = std::sregex_iterator(labels.begin(), labels.end(), label); it != std::sregex_iterator(); ++it) {
        EXPECT_TRUE(names.insert((*it)[1]).second) << line;
      }
      EXPECT_EQ(names.count("le") == 1, type->second == "histogram" && match[1].str().ends_with("_bucket")) << line;
    }
  }
  EXPECT_EQ(helped.size(), types.size());
  EXPECT_EQ(types.size(), std::size(kMetricTable));
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
