// Whether gRPC's own threads still run.
#pragma once

#include <grpcpp/alarm.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "service/heartbeat.h"

namespace livekit::token {

// Beats as long as gRPC's timers and the threads that run callbacks get their turn.
class GrpcHeartbeat {
 public:
  // Begins to beat. `heartbeats` must outlive this.
  explicit GrpcHeartbeat(Heartbeats& heartbeats);
  // Waits for the callback that may be running.
  ~GrpcHeartbeat();
  GrpcHeartbeat(const GrpcHeartbeat&) = delete;
  GrpcHeartbeat& operator=(const GrpcHeartbeat&) = delete;

 private:
  void Schedule();

  const Heartbeats::Duration interval_;
  const std::shared_ptr<Heartbeats::Heart> heart_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<grpc::Alarm> alarm_;  // guarded by mutex_
  bool stopping_ = false;               // guarded by mutex_
  bool ended_ = false;                  // guarded by mutex_
};

}  // namespace livekit::token
