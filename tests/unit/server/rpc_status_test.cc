#include "server/rpc_status.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

template <typename T>
bool Find(const google::rpc::Status& details, T& found) {
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&found)) return true;
  }
  return false;
}

TEST(ToRpcStatus, LeavesSuccessAlone) { EXPECT_TRUE(ToRpcStatus(absl::OkStatus(), "r-1").ok()); }

TEST(ToRpcStatus, GivesEveryReasonItsCodeSentenceAndErrorInfo) {
  for (const auto& row : AllReasons()) {
    const grpc::Status status = ToRpcStatus(Refuse(row.reason), "");
    EXPECT_EQ(static_cast<int>(status.error_code()), static_cast<int>(row.code));
    EXPECT_EQ(status.error_message(), row.sentence);
    const auto details = DetailsOf(status);
    EXPECT_EQ(details.code(), static_cast<int>(status.error_code()));
    EXPECT_EQ(details.message(), status.error_message());
    google::rpc::ErrorInfo info;
    ASSERT_TRUE(Find(details, info));
    EXPECT_EQ(info.domain(), "livekit.token.v1");
    EXPECT_EQ(info.reason(), v1::ErrorReason_Name(row.reason));
    EXPECT_TRUE(info.metadata().empty());
    EXPECT_EQ(details.details_size(), 1);
  }
}

TEST(ToRpcStatus, NamesTheFields) {
  const auto details =
      DetailsOf(ToRpcStatus(RefuseField(v1::FIELD_INVALID, "requests[2].ttl", "must be whole seconds"), ""));
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(Find(details, bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "requests[2].ttl");
  EXPECT_EQ(bad_request.field_violations(0).description(), "must be whole seconds");
}

TEST(ToRpcStatus, TellsWhenToTryAgain) {
  const auto details =
      DetailsOf(ToRpcStatus(WithRetryDelay(Refuse(v1::RATE_LIMITED), std::chrono::milliseconds(1500)), ""));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(Find(details, retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(ToRpcStatus, NamesTheRequest) {
  google::rpc::RequestInfo request;
  ASSERT_TRUE(Find(DetailsOf(ToRpcStatus(Refuse(v1::INTERNAL), "r-1")), request));
  EXPECT_EQ(request.request_id(), "r-1");
  EXPECT_EQ(request.serving_data(), "");
}

// Clients refuse trailers of more than 8 KB, and then see another error than ours.
TEST(ToRpcStatus, KeepsDetailsUnderFourKilobytes) {
  const std::string longest_id(128, 'r');
  for (const std::size_t field_bytes : {1UL, 10UL, 100UL, 1000UL, 2900UL, 3100UL, 10'000UL}) {
    v1::Error error;
    error.set_reason(v1::FIELD_INVALID);
    error.set_message(std::string(GetReasonInfo(v1::FIELD_INVALID).sentence));
    for (int i = 0; i < 2000; ++i) {
      auto* field = error.add_fields();
      field->set_field(std::string(field_bytes, 'f'));
      field->set_message("m");
    }
    error.mutable_retry_delay()->set_seconds(1);
    const grpc::Status status = ToRpcStatus(FromError(error), longest_id);
    EXPECT_LT(status.error_details().size(), 4096U) << field_bytes;
    google::rpc::ErrorInfo info;
    EXPECT_TRUE(Find(DetailsOf(status), info));
    google::rpc::RetryInfo retry;
    EXPECT_TRUE(Find(DetailsOf(status), retry));
    google::rpc::RequestInfo request;
    EXPECT_TRUE(Find(DetailsOf(status), request));
    EXPECT_EQ(request.request_id(), longest_id);
    google::rpc::BadRequest bad_request;
    Find(DetailsOf(status), bad_request);
    EXPECT_EQ(bad_request.field_violations_size() > 0, field_bytes < 3000) << field_bytes;
  }
}

TEST(ToRpcStatus, PassesNoMessageOnThatIsNotOurs) {
  const grpc::Status status = ToRpcStatus(absl::InternalError("MARKSECRET"), "r-1");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message() + status.error_details(), Not(HasSubstr("MARKSECRET")));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(Find(DetailsOf(status), info));
  EXPECT_EQ(info.reason(), "INTERNAL");
}

}  // namespace
}  // namespace livekit::token
