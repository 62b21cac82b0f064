#include "server/grpc_heartbeat.h"

#include <chrono>

namespace livekit::token {

using Clock = std::chrono::steady_clock;

GrpcHeartbeat::GrpcHeartbeat(Heartbeats& heartbeats)
    : interval_(heartbeats.interval()), heart_(heartbeats.Add("grpc", Clock::now())) {
  std::lock_guard lock(mutex_);
  Schedule();
}

GrpcHeartbeat::~GrpcHeartbeat() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  alarm_->Cancel();
  changed_.wait(lock, [this] { return ended_; });
}

void GrpcHeartbeat::Schedule() {
  // A new one each time: an alarm must not be set again from its own callback, which it would replace while it runs.
  alarm_ = std::make_unique<grpc::Alarm>();
  const gpr_timespec interval =
      gpr_time_from_nanos(std::chrono::duration_cast<std::chrono::nanoseconds>(interval_).count(), GPR_TIMESPAN);
  alarm_->Set(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), interval), [this](bool /*expired*/) {
    heart_->Beat(Clock::now());
    const std::lock_guard lock(mutex_);
    if (!stopping_) return Schedule();
    ended_ = true;
    changed_.notify_all();
  });
}

}  // namespace livekit::token
