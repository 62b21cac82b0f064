#include "service/grpc_heartbeat.h"

#include <chrono>

// Of gRPC's iomgr/timer.h, which it does not install: wakes the thread that waits for the next timer. Weak, so that
// versions that no longer have it are linked all the same.
void grpc_kick_poller() __attribute__((weak));

namespace livekit::token {

using Clock = std::chrono::steady_clock;

GrpcHeartbeat::GrpcHeartbeat(Heartbeats& heartbeats)
    : interval_(heartbeats.interval()), heart_(heartbeats.Add("grpc", Clock::now())), thread_([this] { Run(); }) {}

GrpcHeartbeat::~GrpcHeartbeat() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GrpcHeartbeat::Run() {
  std::unique_ptr<grpc::Alarm> alarm;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!pending_) {
      pending_ = true;
      lock.unlock();
      // A new one each time: an alarm must not be set again before its callback has returned.
      alarm = std::make_unique<grpc::Alarm>();
      alarm->Set(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(1, GPR_TIMESPAN)),
                 [this](bool expired) {
                   if (expired) heart_->Beat(Clock::now());
                   const std::lock_guard done(mutex_);
                   pending_ = false;
                   changed_.notify_all();
                 });
      lock.lock();
    }
    changed_.wait_for(lock, interval_, [this] { return stopping_; });
    if (grpc_kick_poller != nullptr) grpc_kick_poller();
  }
  lock.unlock();
  if (alarm != nullptr) alarm->Cancel();
  lock.lock();
  changed_.wait(lock, [this] { return !pending_; });
}

}  // namespace livekit::token
