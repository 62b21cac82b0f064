#include "service/rpc_metrics.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "service/series.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

class RpcMetricsTest : public ::testing::Test {
 protected:
  std::string Text() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  prometheus::Registry registry_;
  Series<prometheus::Counter> started_{registry_, Metric("grpc_server_call_started_total")};
  Series<prometheus::Histogram> durations_{registry_, Metric("grpc_server_call_duration_seconds")};
  RpcMetrics mint_{"Mint", started_, durations_};
};

TEST_F(RpcMetricsTest, CountsFromZeroWhatBegins) {
  EXPECT_THAT(Text(), HasSubstr("grpc_server_call_started_total{grpc_method=\"Mint\"} 0\n"));
  mint_.Started();
  mint_.Started();
  EXPECT_THAT(Text(), HasSubstr("grpc_server_call_started_total{grpc_method=\"Mint\"} 2\n"));
  // It has not ended.
  EXPECT_THAT(Text(), Not(HasSubstr("grpc_status")));
}

TEST_F(RpcMetricsTest, TellsEndsApartByStatusAndDuration) {
  mint_.Ended(absl::StatusCode::kOk, milliseconds(2));
  mint_.Ended(absl::StatusCode::kOk, milliseconds(20));
  mint_.Ended(absl::StatusCode::kUnauthenticated, milliseconds(2));
  const std::string text = Text();
  for (const char* line : {R"(_seconds_count{grpc_method="Mint",grpc_status="OK"} 2)",
                           R"(_seconds_sum{grpc_method="Mint",grpc_status="OK"} 0.022)",
                           R"(_seconds_bucket{grpc_method="Mint",grpc_status="OK",le="0.001"} 0)",
                           R"(_seconds_bucket{grpc_method="Mint",grpc_status="OK",le="0.003"} 1)",
                           R"(_seconds_bucket{grpc_method="Mint",grpc_status="OK",le="0.03"} 2)",
                           R"(_seconds_count{grpc_method="Mint",grpc_status="UNAUTHENTICATED"} 1)"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("INTERNAL")));
}

TEST_F(RpcMetricsTest, OfAnotherMethodIsAnother) {
  RpcMetrics verify("Verify", started_, durations_);
  verify.Started();
  verify.Ended(absl::StatusCode::kOk, milliseconds(1));
  EXPECT_THAT(Text(), HasSubstr("grpc_server_call_started_total{grpc_method=\"Mint\"} 0\n"));
  EXPECT_THAT(Text(), Not(HasSubstr(R"(_count{grpc_method="Mint")")));
}

TEST_F(RpcMetricsTest, LosesNothingWhenTheFirstOfAStatusEndAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int code = 0; code <= 16; ++code) mint_.Ended(static_cast<absl::StatusCode>(code), milliseconds(1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int code = 0; code <= 16; ++code) {
    EXPECT_THAT(Text(), HasSubstr("_count{grpc_method=\"Mint\",grpc_status=\"" +
                                  absl::StatusCodeToString(static_cast<absl::StatusCode>(code)) + "\"} 4\n"));
  }
}

}  // namespace
}  // namespace livekit::token
