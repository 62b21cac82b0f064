// What a configuration must prove before it is used.
#include "server/self_test.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

TEST(SelfTest, AGoodProjectPasses) {
  Project project;
  project.name = "main";
  auto ring = std::make_shared<KeyRing>();
  for (const auto& [id, secret] : {std::pair("one", testing::kMainSecret), {"two", testing::kSpareSecret}}) {
    ASSERT_OK_AND_ASSIGN(const auto key, ApiKey::Create(id, secret));
    ASSERT_OK(ring->Add(key));
    project.signing_key = key;
  }
  project.keys = ring;
  EXPECT_OK(TestKeys(project, testing::FakeClock().now));
  EXPECT_OK(TestKeys(project, SystemClock().Now()));
}

}  // namespace
}  // namespace livekit::token
