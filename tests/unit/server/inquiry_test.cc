// Questions to a service, and what is remembered of its answers.
#include "server/authn/inquiry.h"

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server_fixture.h"
#include "service/log.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::IsRefusal;
using ::testing::Not;

const Time kNow = testing::FakeClock().now;

// Answers when the test says, and what is left at its end.
class FakeClient final : public http::Client {
 public:
  explicit FakeClient(std::list<Done>& waiting, int& asked) : waiting_(waiting), asked_(asked) {}
  ~FakeClient() override {
    while (!waiting_.empty()) {
      const Done done = std::move(waiting_.front());
      waiting_.pop_front();
      done(absl::CancelledError("the client is being stopped"));
    }
  }
  void Fetch(http::ClientRequest, Done done) override {
    ++asked_;
    waiting_.push_back(std::move(done));
  }
  void After(std::chrono::milliseconds, std::function<void()>) override {}

 private:
  std::list<Done>& waiting_;
  int& asked_;
};

// The principal whose subject is the body; none with an empty one, and no opinion with `?`.
absl::StatusOr<InquiryAnswer> ReadBody(const http::ClientResponse& response, Time /*now*/) {
  if (response.body == "?") return WithDetail(Refuse(v1::UNAVAILABLE), "it says nothing");
  if (response.body.empty()) return WithDetail(Refuse(v1::AUTHENTICATION_FAILED), "it knows nobody");
  InquiryAnswer answer;
  answer.principal.subject = response.body;
  return answer;
}

class InquiryTest : public ::testing::Test {
 protected:
  InquiryTest() {
    options_.authenticator = "session";
    options_.read = ReadBody;
  }
  ~InquiryTest() override { EXPECT_OK(SetLogLevel("info")); }

  using Result = std::optional<absl::StatusOr<Principal>>;

  Result& Begin(const std::string& key, Time now = kNow) {
    if (inquiry_ == nullptr) {
      inquiry_ = std::make_unique<Inquiry>(std::make_unique<FakeClient>(waiting_, asked_), options_);
    }
    auto& result = results_.emplace_back();
    inquiry_->Ask(key, {}, now, [&result](auto principal) {
      EXPECT_FALSE(result.has_value()) << "answered twice";
      result = std::move(principal);
    });
    return result;
  }
  void Answer(absl::StatusOr<http::ClientResponse> response) {
    ASSERT_FALSE(waiting_.empty());
    const auto done = std::move(waiting_.front());
    waiting_.pop_front();
    done(std::move(response));
  }
  static http::ClientResponse Saying(const std::string& body, int status = 200) {
    http::ClientResponse response;
    response.status = status;
    response.body = body;
    return response;
  }
  // The answer to a question that must be asked.
  absl::StatusOr<Principal> Ask(const std::string& key, absl::StatusOr<http::ClientResponse> response,
                                Time now = kNow) {
    Result& result = Begin(key, now);
    Answer(std::move(response));
    return result.value_or(absl::InternalError("not answered"));
  }
  // Whether the answer for `key` is remembered.
  bool IsRemembered(const std::string& key, Time now = kNow) {
    const int before = asked_;
    Result& result = Begin(key, now);
    if (asked_ == before) return result.has_value() && result->ok();
    waiting_.pop_back();
    return false;
  }
  std::string LogOf(const std::function<void()>& act) {
    EXPECT_OK(SetLogLevel("debug"));
    ::testing::internal::CaptureStderr();
    act();
    return ::testing::internal::GetCapturedStderr();
  }

  InquiryOptions options_;
  std::list<http::Client::Done> waiting_;
  std::list<Result> results_;
  int asked_ = 0;
  std::unique_ptr<Inquiry> inquiry_;
};

TEST_F(InquiryTest, RemembersNothingByDefault) {
  ASSERT_OK(Ask("k", Saying("ann")));
  EXPECT_FALSE(IsRemembered("k"));
  EXPECT_EQ(inquiry_->remembered(), 0U);
}

TEST_F(InquiryTest, RemembersUntilTheTimeIsUpAndNotAtIt) {
  options_.cache_ttl = seconds(30);
  ASSERT_OK_AND_ASSIGN(const Principal principal, Ask("k", Saying("ann")));
  EXPECT_EQ(principal.subject, "ann");
  EXPECT_TRUE(IsRemembered("k"));
  EXPECT_TRUE(IsRemembered("k", kNow + seconds(29)));
  EXPECT_FALSE(IsRemembered("k", kNow + seconds(30)));
  // What was looked up does not live longer for it.
  EXPECT_FALSE(IsRemembered("k", kNow));
}

TEST_F(InquiryTest, RemembersNotPastTheEndOfTheCredential) {
  options_.cache_ttl = seconds(30);
  options_.read = [](const http::ClientResponse& response, Time now) {
    auto answer = ReadBody(response, now);
    if (answer.ok()) answer->expires = now + seconds(5);
    return answer;
  };
  ASSERT_OK(Ask("k", Saying("ann")));
  EXPECT_TRUE(IsRemembered("k", kNow + seconds(4)));
  EXPECT_FALSE(IsRemembered("k", kNow + seconds(5)));
}

TEST_F(InquiryTest, RemembersByTheWholeKey) {
  options_.cache_ttl = seconds(30);
  ASSERT_OK(Ask("key", Saying("ann")));
  for (const char* other : {"", "ke", "keyy", "Key", "key "}) EXPECT_FALSE(IsRemembered(other)) << other;
  ASSERT_OK_AND_ASSIGN(const Principal bob, Ask("key2", Saying("bob")));
  EXPECT_EQ(bob.subject, "bob");
  EXPECT_EQ((*Begin("key"))->subject, "ann");
}

TEST_F(InquiryTest, RemembersNoRefusals) {
  options_.cache_ttl = seconds(30);
  EXPECT_THAT(Ask("k", Saying("")), IsRefusal(v1::AUTHENTICATION_FAILED));
  EXPECT_THAT(Ask("k", Saying("?")), IsRefusal(v1::UNAVAILABLE));
  EXPECT_THAT(Ask("k", absl::UnavailableError("no connection")), IsRefusal(v1::UNAVAILABLE));
  EXPECT_EQ(inquiry_->remembered(), 0U);
}

TEST_F(InquiryTest, RemembersAsManyAsItMay) {
  options_.cache_ttl = seconds(30);
  options_.cache_entries = 2;
  for (const char* key : {"a", "b", "c"}) ASSERT_OK(Ask(key, Saying("ann")));
  EXPECT_EQ(inquiry_->remembered(), 2U);
  EXPECT_FALSE(IsRemembered("a"));
}

// Whatever is wrong with the service, the credential may be good.
TEST_F(InquiryTest, WithoutAnswerIsUnavailableAndSaysWhyToTheOperator) {
  for (const auto& error :
       {absl::DeadlineExceededError("too late"), absl::ResourceExhaustedError("too large"),
        absl::PermissionDeniedError("link-local"), absl::UnauthenticatedError("certificate"),
        absl::InvalidArgumentError("a header"), absl::CancelledError("stopped"), absl::UnavailableError("down")}) {
    const auto principal = Ask("k", error);
    EXPECT_THAT(principal, IsRefusal(v1::UNAVAILABLE));
    EXPECT_EQ(DetailOf(principal.status()), std::string(error.message()));
    EXPECT_FALSE(ToError(principal.status()).credential_presented());
  }
}

TEST_F(InquiryTest, AnswersWhatWaitsAtItsEnd) {
  const Result& first = Begin("a");
  const Result& second = Begin("b");
  EXPECT_FALSE(first.has_value());
  inquiry_.reset();
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_THAT(*first, IsRefusal(v1::UNAVAILABLE));
  EXPECT_THAT(*second, IsRefusal(v1::UNAVAILABLE));
}

TEST_F(InquiryTest, WarnsOnceOfAServiceThatIsDown) {
  const std::string log = LogOf([&] {
    for (int i = 0; i < 5; ++i) (void)Ask("MARKSECRET", absl::UnavailableError("no connection"));
  });
  const std::size_t first = log.find("authentication_service_failed");
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_THAT(log, HasSubstr("no connection"));
  EXPECT_THAT(log, HasSubstr("session"));
  // Two, if the period ended meanwhile.
  const std::size_t second = log.find("authentication_service_failed", first + 1);
  const bool often =
      second != std::string::npos && log.find("authentication_service_failed", second + 1) != std::string::npos;
  EXPECT_FALSE(often) << log;
  EXPECT_THAT(log, Not(HasSubstr("MARKSECRET")));
}

// All users are refused then, and only the operator can help.
TEST_F(InquiryTest, WarnsOfAServiceThatHasFailedWhateverTheVerdict) {
  for (const int status : {500, 503, 599}) {
    inquiry_.reset();
    const std::string log = LogOf([&] { (void)Ask("k", Saying("", status)); });
    EXPECT_THAT(log, HasSubstr("authentication_service_failed")) << status;
    EXPECT_THAT(log, HasSubstr("it knows nobody"));
  }
  // Sessions that have ended are everyday business.
  for (const int status : {200, 302, 401, 403, 499}) {
    inquiry_.reset();
    const std::string log = LogOf([&] { (void)Ask("k", Saying("", status)); });
    EXPECT_THAT(log, Not(HasSubstr("authentication_service_failed"))) << status;
    EXPECT_THAT(log, HasSubstr("credential_refused"));
  }
}

TEST_F(InquiryTest, LogsNothingOfWhoIsKnown) {
  EXPECT_EQ(LogOf([&] { EXPECT_OK(Ask("MARKSECRET", Saying("MARKSECRET-ann"))); }), "");
}

}  // namespace
}  // namespace livekit::token
