#include "http/descriptors.h"

#include <sys/resource.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token::http {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

class DescriptorsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &former_), 0); }
  void TearDown() override { setrlimit(RLIMIT_NOFILE, &former_); }

  void SetSoft(rlim_t soft) const {
    const rlimit limit{soft, former_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  static rlim_t Soft() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
  }

  rlimit former_{};
};

TEST_F(DescriptorsTest, KeepsTheLastQuarterAndNotMoreThan256) {
  for (const auto& [soft, first] : {std::pair<rlim_t, int>{64, 48}, {1000, 750}, {1024, 768}, {1028, 772}}) {
    SetSoft(soft);
    EXPECT_EQ(FirstReservedDescriptor(), first) << soft;
  }
}

TEST_F(DescriptorsTest, RaisesTheSoftLimitOnlyIfItIsTooLow) {
  SetSoft(356);
  RaiseDescriptorLimit(100);
  EXPECT_EQ(Soft(), 356U);
  SetSoft(355);
  CaptureStderr();
  RaiseDescriptorLimit(100);
  EXPECT_EQ(GetCapturedStderr(), "");
  EXPECT_EQ(Soft(), 356U);
}

TEST_F(DescriptorsTest, RaisesItAsFarAsTheHardOneAllowsAndWarns) {
  ASSERT_GE(former_.rlim_max, 512U);
  ASSERT_LT(former_.rlim_max, 1U << 30);
  const int fits = static_cast<int>(former_.rlim_max) - 256;
  SetSoft(300);
  CaptureStderr();
  RaiseDescriptorLimit(fits);
  EXPECT_EQ(GetCapturedStderr(), "");
  EXPECT_EQ(Soft(), former_.rlim_max);
  SetSoft(300);
  CaptureStderr();
  RaiseDescriptorLimit(fits + 1);
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("few_descriptors"));
  EXPECT_EQ(Soft(), former_.rlim_max);
}

}  // namespace
}  // namespace livekit::token::http
