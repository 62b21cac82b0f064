#include "service/server_status.h"

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace livekit::token {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(const ServerStatus& status) { return prometheus::TextSerializer().Serialize(StatusFamilies(status)); }

TEST(ServerStatus, ShowsAKeyInOneOfItsStates) {
  ServerStatus status;
  for (const std::string_view state : kKeyStates) {
    status.keys = {{"main", "APIkey", state, {}, {}}};
    const std::string text = Text(status);
    for (const std::string_view other : kKeyStates) {
      EXPECT_THAT(text, HasSubstr("livekit_token_key_state{project=\"main\",key=\"APIkey\",state=\"" +
                                  std::string(other) + "\"} " + (other == state ? "1" : "0") + "\n"));
    }
    EXPECT_THAT(text, HasSubstr(std::string("livekit_token_active_keys ") + (state == "active" ? "1" : "0") + "\n"));
  }
}

TEST(ServerStatus, ShowsZeroActiveKeysWhenThereAreNone) {
  // What an alert is on must not be absent.
  EXPECT_THAT(Text({}), HasSubstr("livekit_token_active_keys 0\n"));
  EXPECT_THAT(Text({}), HasSubstr("livekit_token_audit_dropped_total 0\n"));
  EXPECT_THAT(Text({}), Not(HasSubstr("livekit_token_key_state{")));
}

TEST(ServerStatus, ShowsTimesOnlyOfWhatHasHappened) {
  ServerStatus status;
  status.keys = {{"main", "APInew", "active", {}, {}},
                 {"main", "APIold", "retiring", system_clock::time_point(seconds(1'900'000'000)),
                  system_clock::time_point(seconds(1'900'000'060))}};
  const std::string text = Text(status);
  EXPECT_THAT(text, HasSubstr("latest_expiry_timestamp_seconds{project=\"main\",key=\"APIold\"} 1900000000\n"));
  EXPECT_THAT(text, HasSubstr("removable_timestamp_seconds{project=\"main\",key=\"APIold\"} 1900000060\n"));
  EXPECT_THAT(text, Not(HasSubstr("timestamp_seconds{project=\"main\",key=\"APInew\"")));
}

TEST(ServerStatus, ShowsAnIssuerWhoseKeysWereNeverFetched) {
  ServerStatus status;
  status.jwks = {{"dead", {}, 0, 3}, {"app", system_clock::time_point(seconds(1'900'000'000)), 5, 0}};
  const std::string text = Text(status);
  const std::string fetches = "livekit_token_jwks_fetches_total{authenticator=";
  EXPECT_THAT(text, HasSubstr(fetches + R"("dead",outcome="failure"} 3)"));
  EXPECT_THAT(text, HasSubstr(fetches + R"("dead",outcome="success"} 0)"));
  EXPECT_THAT(text, HasSubstr(fetches + R"("app",outcome="success"} 5)"));
  EXPECT_THAT(text, HasSubstr(fetches + R"("app",outcome="failure"} 0)"));
  EXPECT_THAT(text, HasSubstr("jwks_last_success_timestamp_seconds{authenticator=\"app\"} 1900000000\n"));
  EXPECT_THAT(text, Not(HasSubstr("jwks_last_success_timestamp_seconds{authenticator=\"dead\"}")));
}

}  // namespace
}  // namespace livekit::token
