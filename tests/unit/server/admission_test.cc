// Whose budget a request goes to, and what refusals say.
#include "server/admission.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

Requester Guest(std::string_view address) { return {Principal{"guests", "", {}}, address}; }
Requester User(const std::string& authenticator, const std::string& subject, std::string_view address = "") {
  return {Principal{authenticator, subject, {}}, address};
}

TEST(RequesterTest, AnonymousOnesCountByAddressOfIpv6ByItsNetwork) {
  EXPECT_TRUE(Guest("192.0.2.1").by_address());
  EXPECT_NE(Guest("192.0.2.1").key(), Guest("192.0.2.2").key());
  EXPECT_EQ(Guest("::ffff:192.0.2.1").key(), Guest("192.0.2.1").key());
  EXPECT_EQ(Guest("2001:db8:0:1::1").key(), Guest("2001:db8:0:1:ffff:ffff:ffff:ffff").key());
  EXPECT_NE(Guest("2001:db8:0:1::1").key(), Guest("2001:db8:0:2::1").key());
  EXPECT_NE(Guest("c000:201::").key(), Guest("192.0.2.1").key());
  // What is no address is all one, or everybody could have as many as they like.
  EXPECT_EQ(Guest("").key(), Guest("localhost").key());
  EXPECT_EQ(Guest("").key(), Guest("192.0.2.1, 192.0.2.2").key());
}

TEST(RequesterTest, OthersCountByWhoVouchesAndSubject) {
  EXPECT_FALSE(User("app", "alice").by_address());
  EXPECT_EQ(User("app", "alice", "192.0.2.1").key(), User("app", "alice", "192.0.2.2").key());
  EXPECT_NE(User("app", "alice").key(), User("app", "bob").key());
  EXPECT_NE(User("app", "alice").key(), User("web", "alice").key());
  EXPECT_NE(User("app", "1alice").key(), User("app1", "alice").key());
  const Requester asserted(Principal{"", "alice", {}, "app"}, "");
  EXPECT_FALSE(asserted.by_address());
  EXPECT_NE(asserted.key(), User("app", "alice").key());
  // Nobody's subject is somebody's address.
  EXPECT_NE(User("", Guest("192.0.2.1").key()).key(), Guest("192.0.2.1").key());
}

TEST(AgentsTest, TheEmptyOneThatSdksAlwaysSendIsNone) {
  v1::Grants grants;
  EXPECT_EQ(AgentsIn(grants), 0);
  grants.mutable_room_config()->add_agents();
  EXPECT_EQ(AgentsIn(grants), 0);
  grants.mutable_room_config()->add_agents()->set_agent_name("helper");
  EXPECT_EQ(AgentsIn(grants), 1);
  // More of them are no SDK's, and each asks for a worker.
  grants.mutable_room_config()->add_agents();
  EXPECT_EQ(AgentsIn(grants), 2);
}

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    for (auto& rate : limits_.rates) rate = Rate{10, seconds(1), 2};
    limits_.max_in_flight = 3;
    service_.name = "gateway";
  }

  static void ExpectLimited(const absl::Status& status, milliseconds delay) {
    const v1::Error error = ToError(status);
    EXPECT_EQ(error.reason(), v1::RATE_LIMITED);
    EXPECT_EQ(seconds(error.retry_delay().seconds()) + std::chrono::nanoseconds(error.retry_delay().nanos()), delay);
    for (const char* key : {"alice", "192.0.2", "gateway", "app"}) {
      EXPECT_EQ(error.message().find(key), std::string::npos) << error.message();
    }
  }
  bool Counted(const std::string& scope, int times) const {
    return metrics_.Serialize().find("ratelimit_rejected_total{scope=\"" + scope + "\"} " + std::to_string(times) +
                                     "\n") != std::string::npos;
  }

  testing::FakeClock clock_;
  Metrics metrics_;
  RateLimits limits_;
  ServiceRules service_;
  std::shared_ptr<Load> load_ = std::make_shared<Load>();
  Admission admission_{limits_, clock_, metrics_, load_};
};

TEST_F(AdmissionTest, RefusalsSayWhenAndNotWho) {
  for (int i = 0; i < 2; ++i) EXPECT_OK(admission_.Issue(User("app", "alice")));
  ExpectLimited(admission_.Issue(User("app", "alice")), milliseconds(100));
  EXPECT_TRUE(Counted("per_principal", 1));
  EXPECT_OK(admission_.Issue(User("app", "bob")));
  clock_.now += milliseconds(99);
  ExpectLimited(admission_.Issue(User("app", "alice")), milliseconds(1));
  clock_.now += milliseconds(1);
  EXPECT_OK(admission_.Issue(User("app", "alice")));

  for (int i = 0; i < 2; ++i) EXPECT_OK(admission_.Issue(Guest("192.0.2.1")));
  ExpectLimited(admission_.Issue(Guest("192.0.2.1")), milliseconds(100));
  EXPECT_TRUE(Counted("per_address", 1));
  EXPECT_OK(admission_.Call(service_, 2));
  ExpectLimited(admission_.Call(service_), milliseconds(100));
  EXPECT_TRUE(Counted("per_service", 1));
}

TEST_F(AdmissionTest, AgentsHaveBudgetsOfTheirOwn) {
  for (int i = 0; i < 2; ++i) EXPECT_OK(admission_.Issue(User("app", "alice")));
  EXPECT_OK(admission_.Dispatch(User("app", "alice"), 2));
  ExpectLimited(admission_.Dispatch(User("app", "alice"), 1), milliseconds(100));
  EXPECT_OK(admission_.Dispatch(User("app", "alice"), 0));
  EXPECT_TRUE(Counted("agents_per_principal", 1));
  EXPECT_OK(admission_.Dispatch(service_, 2));
  ExpectLimited(admission_.Dispatch(service_, 2), milliseconds(200));
  EXPECT_TRUE(Counted("agents_per_service", 1));
  // What never fits is told to come back late.
  ExpectLimited(admission_.Dispatch(User("app", "bob"), 3), hours(1));
  EXPECT_OK(admission_.Dispatch(User("app", "bob"), 2));
}

TEST_F(AdmissionTest, OnlyRefusedCredentialsTakeFromTheBudgetOfFailures) {
  const absl::Status failed = WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED));
  for (const v1::ErrorReason other : {v1::AUTHENTICATION_REQUIRED, v1::UNAVAILABLE, v1::AMBIGUOUS_CREDENTIALS}) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(ReasonOf(admission_.Unauthenticated(Refuse(other), "192.0.2.1")), other);
    }
  }
  EXPECT_OK(admission_.Unauthenticated(absl::OkStatus(), "192.0.2.1"));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(admission_.Unauthenticated(failed, "192.0.2.1"), failed);
  ExpectLimited(admission_.Unauthenticated(failed, "192.0.2.1"), milliseconds(100));
  EXPECT_TRUE(Counted("auth_failures_per_address", 1));
  EXPECT_EQ(admission_.Unauthenticated(failed, "192.0.2.2"), failed);
  // And from no other.
  for (int i = 0; i < 2; ++i) EXPECT_OK(admission_.Issue(Guest("192.0.2.1")));
}

TEST_F(AdmissionTest, PlacesAreGivenBack) {
  auto one = admission_.Enter();
  auto two = admission_.Enter(2);
  ASSERT_OK(one);
  ASSERT_OK(two);
  const auto refused = admission_.Enter();
  EXPECT_EQ(ReasonOf(refused.status()), v1::UNAVAILABLE);
  EXPECT_EQ(ToError(refused.status()).retry_delay().seconds(), 1);
  EXPECT_TRUE(Counted("max_in_flight", 1));
  const Admission::Place copy = *one;
  *one = nullptr;
  EXPECT_EQ(ReasonOf(admission_.Enter().status()), v1::UNAVAILABLE);
  // Another configuration counts on.
  RateLimits wider = limits_;
  wider.max_in_flight = 4;
  EXPECT_OK(Admission(wider, clock_, metrics_, load_).Enter());
  EXPECT_EQ(ReasonOf(Admission(wider, clock_, metrics_, load_).Enter(2).status()), v1::UNAVAILABLE);
  *two = nullptr;
  EXPECT_OK(admission_.Enter(2));
  EXPECT_EQ(load_->in_flight, 1);
}

TEST_F(AdmissionTest, WithoutLimitsEverythingIsGranted) {
  const RateLimits none;
  const Admission admission(none, clock_, metrics_, load_);
  std::vector<Admission::Place> places;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_OK(admission.Issue(Guest("192.0.2.1")));
    EXPECT_OK(admission.Call(service_, 1000));
    EXPECT_OK(admission.Dispatch(service_, 1000));
    EXPECT_EQ(ReasonOf(admission.Unauthenticated(Refuse(v1::AUTHENTICATION_FAILED), "")), v1::AUTHENTICATION_FAILED);
    auto place = admission.Enter(1000);
    ASSERT_OK(place);
    places.push_back(*place);
  }
  EXPECT_EQ(load_->buckets.size(), 0U);
}

}  // namespace
}  // namespace livekit::token
