#include "service/grpc_heartbeat.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <optional>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Clock = std::chrono::steady_clock;

constexpr seconds kPatience{30};

// Whether there is a beat after `when`. A heart that beat then is late an hour after it, and one that has beaten since
// is not.
bool BeatsAfter(const Heartbeats& hearts, Clock::time_point when) {
  const auto end = Clock::now() + kPatience;
  while (!hearts.Late(when + hours(1) + Clock::duration(1)).empty()) {
    if (Clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(GrpcHeartbeat, GoesOnBeating) {
  Heartbeats hearts(milliseconds(5), hours(1));
  const GrpcHeartbeat heartbeat(hearts);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(BeatsAfter(hearts, Clock::now())) << i;
}

TEST(GrpcHeartbeat, IsCalledGrpcAndEndsWithTheObject) {
  Heartbeats hearts(milliseconds(5), hours(1));
  std::optional<GrpcHeartbeat> heartbeat(std::in_place, hearts);
  EXPECT_THAT(hearts.Late(Clock::now() + hours(2)), ElementsAre("grpc"));
  heartbeat.reset();
  EXPECT_THAT(hearts.Late(Clock::now() + hours(2)), IsEmpty());
}

TEST(GrpcHeartbeat, EndsAtOnceBetweenTwoBeats) {
  Heartbeats hearts(hours(1), hours(1));
  const auto begin = Clock::now();
  std::optional<GrpcHeartbeat> heartbeat(std::in_place, hearts);
  heartbeat.reset();
  EXPECT_LT(Clock::now() - begin, kPatience);
}

}  // namespace
}  // namespace livekit::token
