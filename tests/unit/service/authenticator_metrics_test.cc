#include "service/authenticator_metrics.h"

#include <chrono>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "service/series.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

class AuthenticatorMetricsTest : public ::testing::Test {
 protected:
  std::string Text() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }
  static std::string Authentications(const std::string& outcome, int count) {
    return "livekit_token_authentications_total{authenticator=\"app\",outcome=\"" + outcome + "\"} " +
           std::to_string(count) + "\n";
  }

  prometheus::Registry registry_;
  Series<prometheus::Counter> authentications_{registry_, Metric("livekit_token_authentications_total")};
  Series<prometheus::Histogram> requests_{registry_, Metric("livekit_token_authenticator_request_duration_seconds")};
  AuthenticatorMetrics app_{"app", authentications_, requests_};
};

TEST_F(AuthenticatorMetricsTest, CountEachOutcomeFromZero) {
  for (const char* outcome : {"accepted", "refused", "unavailable"}) {
    EXPECT_THAT(Text(), HasSubstr(Authentications(outcome, 0)));
  }
  EXPECT_THAT(Text(), Not(HasSubstr("request_duration_seconds_count")));
}

TEST_F(AuthenticatorMetricsTest, TellBadCredentialsFromServicesThatAreDown) {
  using Code = absl::StatusCode;
  app_.Authenticated(absl::OkStatus());
  for (const Code code : {Code::kUnauthenticated, Code::kPermissionDenied, Code::kInvalidArgument}) {
    app_.Authenticated(absl::Status(code, ""));
  }
  EXPECT_THAT(Text(), HasSubstr(Authentications("refused", 3)));
  EXPECT_THAT(Text(), HasSubstr(Authentications("unavailable", 0)));
  for (const Code code : {Code::kUnavailable, Code::kDeadlineExceeded, Code::kResourceExhausted, Code::kInternal}) {
    app_.Authenticated(absl::Status(code, ""));
  }
  EXPECT_THAT(Text(), HasSubstr(Authentications("accepted", 1)));
  EXPECT_THAT(Text(), HasSubstr(Authentications("refused", 3)));
  EXPECT_THAT(Text(), HasSubstr(Authentications("unavailable", 4)));
}

TEST_F(AuthenticatorMetricsTest, TimeQuestionsByWhatCameOfThem) {
  app_.Asked(absl::OkStatus(), milliseconds(30));
  app_.Asked(absl::DeadlineExceededError(""), milliseconds(3000));
  const std::string name = "livekit_token_authenticator_request_duration_seconds";
  const std::string labels = R"({authenticator="app",outcome=)";
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr(name + "_bucket" + labels + R"("accepted",le="0.025"} 0)"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket" + labels + R"("accepted",le="0.05"} 1)"));
  EXPECT_THAT(text, HasSubstr(name + "_sum" + labels + R"("unavailable"} 3)"));
  EXPECT_THAT(text, Not(HasSubstr(name + "_count" + labels + R"("refused")")));
  // A question is no authentication: its answer may be kept.
  EXPECT_THAT(text, HasSubstr(Authentications("accepted", 0)));
}

}  // namespace
}  // namespace livekit::token
