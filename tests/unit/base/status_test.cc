#include "base/status.h"

#include <cctype>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using testing::IsRefusal;
using ::testing::Not;

TEST(ReasonTable, HasEachReasonOnceInOrder) {
  const auto* type = v1::ErrorReason_descriptor();
  std::size_t row = 0;
  std::map<v1::ErrorReason, int> count;
  for (const ReasonInfo& info : AllReasons()) ++count[info.reason];
  for (int i = 0; i < type->value_count(); ++i) {
    const auto reason = static_cast<v1::ErrorReason>(type->value(i)->number());
    if (reason == v1::ERROR_REASON_UNSPECIFIED) continue;
    EXPECT_EQ(count[reason], 1) << v1::ErrorReason_Name(reason);
    ++row;
  }
  EXPECT_EQ(AllReasons().size(), row);
  EXPECT_EQ(count.count(v1::ERROR_REASON_UNSPECIFIED), 0u);
}

TEST(ReasonTable, HasPlainShortSentences) {
  for (const ReasonInfo& info : AllReasons()) {
    const std::string sentence(info.sentence);
    SCOPED_TRACE(sentence);
    ASSERT_FALSE(sentence.empty());
    EXPECT_LE(sentence.size(), 200u);
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(sentence.front())));
    EXPECT_EQ(sentence.back(), '.');
    for (const char c : sentence) EXPECT_TRUE(c >= ' ' && c < 0x7f && c != '"' && c != '\\');
    // An Android client takes any body with one of these names for a success.
    EXPECT_THAT(sentence, Not(HasSubstr("server_url")));
    EXPECT_THAT(sentence, Not(HasSubstr("participant_token")));
    EXPECT_NE(info.code, absl::StatusCode::kOk);
  }
}

TEST(ReasonTable, HasTheHttpStatusesOfTheContract) {
  const std::map<v1::ErrorReason, int> contract = {
      {v1::INVALID_JSON, 400},
      {v1::FIELD_INVALID, 400},
      {v1::FIELD_REQUIRED, 400},
      {v1::FIELD_TOO_LONG, 400},
      {v1::TOKEN_TOO_LARGE, 400},
      {v1::AMBIGUOUS_CREDENTIALS, 400},
      {v1::MALFORMED_REQUEST, 400},
      {v1::AUTHENTICATION_REQUIRED, 401},
      {v1::AUTHENTICATION_FAILED, 401},
      {v1::NO_POLICY, 403},
      {v1::FIELD_NOT_PERMITTED, 403},
      {v1::ROOM_NOT_PERMITTED, 403},
      {v1::IDENTITY_NOT_PERMITTED, 403},
      {v1::AGENT_NOT_PERMITTED, 403},
      {v1::GRANT_NOT_PERMITTED, 403},
      {v1::CLAIM_MISSING, 403},
      {v1::CLAIM_AMBIGUOUS, 403},
      {v1::CREDENTIALS_IN_ROOM_CONFIG, 403},
      {v1::PARTICIPANT_BLOCKED, 403},
      {v1::ORIGIN_NOT_ALLOWED, 403},
      {v1::NOT_FOUND, 404},
      {v1::METHOD_NOT_ALLOWED, 405},
      {v1::REQUEST_TIMEOUT, 408},
      {v1::BODY_TOO_LARGE, 413},
      {v1::UNSUPPORTED_MEDIA_TYPE, 415},
      {v1::RATE_LIMITED, 429},
      {v1::HEADERS_TOO_LARGE, 431},
      {v1::INTERNAL, 500},
      {v1::UNAVAILABLE, 503},
      {v1::DEADLINE_EXCEEDED, 504},
  };
  for (const auto& [reason, status] : contract) {
    EXPECT_EQ(GetReasonInfo(reason).reason, reason);
    EXPECT_EQ(GetReasonInfo(reason).http_status, status) << v1::ErrorReason_Name(reason);
  }
  // An end user cannot mend the gateway's own credential.
  EXPECT_EQ(GetReasonInfo(v1::CALLER_AUTHENTICATION_FAILED).http_status, 500);
}

TEST(ReasonTable, TakesUnknownNumbersForInternal) {
  EXPECT_EQ(GetReasonInfo(static_cast<v1::ErrorReason>(9999)).reason, v1::INTERNAL);
  EXPECT_EQ(GetReasonInfo(v1::ERROR_REASON_UNSPECIFIED).reason, v1::INTERNAL);
}

TEST(Refuse, CarriesReasonCodeAndSentence) {
  const absl::Status status = Refuse(v1::NO_POLICY);
  EXPECT_THAT(status, IsRefusal(v1::NO_POLICY));
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ToError(status).message(), GetReasonInfo(v1::NO_POLICY).sentence);
  EXPECT_EQ(ToError(Refuse(v1::NO_POLICY, "Own.")).message(), "Own.");
}

TEST(RefuseField, NamesTheField) {
  const v1::Error error = ToError(RefuseField(v1::FIELD_INVALID, "room_name", "must be text"));
  ASSERT_EQ(error.fields_size(), 1);
  EXPECT_EQ(error.fields(0).field(), "room_name");
  EXPECT_EQ(error.fields(0).message(), "must be text");
}

TEST(PrefixFields, PutsThePathInFront) {
  const auto path = [](std::string_view field) {
    return ToError(PrefixFields(RefuseField(v1::FIELD_INVALID, field, ""), "items[3]")).fields(0).field();
  };
  EXPECT_EQ(path("room_name"), "items[3].room_name");
  EXPECT_EQ(path(""), "items[3]");
  EXPECT_EQ(PrefixFields(absl::InternalError("x"), "p"), absl::InternalError("x"));
}

TEST(ToError, DoesNotPassOnForeignMessages) {
  for (const auto& [status, reason] : std::map<absl::StatusCode, v1::ErrorReason>{
           {absl::StatusCode::kUnavailable, v1::UNAVAILABLE},
           {absl::StatusCode::kCancelled, v1::UNAVAILABLE},
           {absl::StatusCode::kDeadlineExceeded, v1::DEADLINE_EXCEEDED},
           {absl::StatusCode::kResourceExhausted, v1::RATE_LIMITED},
           {absl::StatusCode::kInvalidArgument, v1::INTERNAL},
           {absl::StatusCode::kUnknown, v1::INTERNAL},
       }) {
    const v1::Error error = ToError(absl::Status(status, "secret detail"));
    EXPECT_EQ(error.reason(), reason);
    EXPECT_EQ(error.message(), GetReasonInfo(reason).sentence);
    EXPECT_EQ(HttpStatusOf(status), GetReasonInfo(reason).http_status);
  }
}

TEST(FromError, KeepsEverythingAndKnowsTheCode) {
  absl::Status original =
      WithRetryDelay(WithCredentialPresented(RefuseField(v1::RATE_LIMITED, "f", "m")), std::chrono::milliseconds(1500));
  const v1::Error error = ToError(original);
  EXPECT_TRUE(error.credential_presented());
  EXPECT_EQ(error.retry_delay().seconds(), 1);
  EXPECT_EQ(error.retry_delay().nanos(), 500'000'000);
  EXPECT_EQ(FromError(error), original);
  v1::Error unknown;
  unknown.set_reason(static_cast<v1::ErrorReason>(9999));
  EXPECT_THAT(FromError(unknown), IsRefusal(v1::INTERNAL));
  EXPECT_EQ(FromError(unknown).code(), absl::StatusCode::kInternal);
}

absl::Status UseMacros(const absl::StatusOr<int>& input, int& output) {
  LKT_RETURN_IF_ERROR(absl::OkStatus());
  LKT_ASSIGN_OR_RETURN(output, absl::StatusOr<int>(input));
  LKT_RETURN_IF_ERROR(output == 0 ? Refuse(v1::FIELD_INVALID) : absl::OkStatus());
  return absl::OkStatus();
}

TEST(Macros, ReturnTheFirstError) {
  int output = 0;
  EXPECT_OK(UseMacros(7, output));
  EXPECT_EQ(output, 7);
  EXPECT_THAT(UseMacros(Refuse(v1::NOT_FOUND), output), IsRefusal(v1::NOT_FOUND));
  EXPECT_THAT(UseMacros(0, output), IsRefusal(v1::FIELD_INVALID));
}

}  // namespace
}  // namespace livekit::token
