// Matchers for absl::Status and absl::StatusOr.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token::testing {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

inline std::string Describe(const absl::Status& status) { return status.ok() ? "OK" : status.ToString(); }

MATCHER(IsOk, "is OK") {
  *result_listener << Describe(GetStatus(arg));
  return GetStatus(arg).ok();
}

// The refusal has this reason.
MATCHER_P(IsRefusal, reason, "is the refusal " + v1::ErrorReason_Name(reason)) {
  const absl::Status& status = GetStatus(arg);
  *result_listener << Describe(status) << ", reason "
                   << (status.ok() ? "none" : v1::ErrorReason_Name(ReasonOf(status)));
  return !status.ok() && ReasonOf(status) == reason;
}

// The refusal has this reason and names exactly this field.
MATCHER_P2(IsFieldRefusal, reason, field, "is the refusal " + v1::ErrorReason_Name(reason) + " of " + field) {
  const absl::Status& status = GetStatus(arg);
  if (status.ok()) {
    *result_listener << "OK";
    return false;
  }
  const v1::Error error = ToError(status);
  *result_listener << v1::ErrorReason_Name(error.reason());
  for (const auto& violation : error.fields()) *result_listener << " " << violation.field();
  return error.reason() == reason && error.fields_size() == 1 && error.fields(0).field() == field;
}

#define ASSERT_OK(expr) ASSERT_THAT((expr), ::livekit::token::testing::IsOk())
#define EXPECT_OK(expr) EXPECT_THAT((expr), ::livekit::token::testing::IsOk())
#define ASSERT_OK_AND_ASSIGN(lhs, expr) ASSERT_OK_AND_ASSIGN_IMPL(LKT_CONCAT(lkt_result_, __LINE__), lhs, expr)
#define ASSERT_OK_AND_ASSIGN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  ASSERT_OK(tmp);                                 \
  lhs = *std::move(tmp)

}  // namespace livekit::token::testing
