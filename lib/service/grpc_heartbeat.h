// Whether gRPC's own threads still run.
#pragma once

#include <grpcpp/alarm.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "service/heartbeat.h"

namespace livekit::token {

// Beats as long as gRPC's timers and the threads that run callbacks get their turn, and keeps the timers going: gRPC
// 1.51 waits for the next one by the wall clock (sync_abseil.cc, gpr_cv_wait), and so sleeps on for two hours when that
// clock is set back by two hours. This wakes it with every beat, so that no timer is late by more than that.
class GrpcHeartbeat {
 public:
  // Begins to beat. `heartbeats` must outlive this.
  explicit GrpcHeartbeat(Heartbeats& heartbeats);
  // Waits for the callback that may be running.
  ~GrpcHeartbeat();
  GrpcHeartbeat(const GrpcHeartbeat&) = delete;
  GrpcHeartbeat& operator=(const GrpcHeartbeat&) = delete;

 private:
  void Run();

  const Heartbeats::Duration interval_;
  const std::shared_ptr<Heartbeats::Heart> heart_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  bool pending_ = false;   // guarded by mutex_
  std::thread thread_;
};

}  // namespace livekit::token
