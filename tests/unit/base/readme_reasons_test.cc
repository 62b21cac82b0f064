// The README's table of reasons against the one in the code.

#include <fstream>
#include <sstream>
#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

TEST(Readme, ListsEveryReasonAsTheTableHasIt) {
  std::ifstream file(SOURCE_DIR "/README.md");
  std::stringstream readme;
  readme << file.rdbuf();
  for (const ReasonInfo& row : AllReasons()) {
    EXPECT_THAT(
        readme.str(),
        ::testing::HasSubstr("| `" + v1::ErrorReason_Name(row.reason) + "` | " + std::to_string(row.http_status) +
                             " | `" + absl::StatusCodeToString(row.code) + "` | " + std::string(row.sentence) + " |"));
  }
}

}  // namespace
}  // namespace livekit::token
