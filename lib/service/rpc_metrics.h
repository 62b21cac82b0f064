// What is counted of one RPC.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <string>

#include "absl/status/status.h"

namespace prometheus {
class Counter;
class Histogram;
}  // namespace prometheus

namespace livekit::token {

template <typename T>
class Series;

// grpc_server_call_*. Thread safety: all methods may be called concurrently.
class RpcMetrics {
 public:
  RpcMetrics(std::string method, Series<prometheus::Counter>& started, Series<prometheus::Histogram>& durations);

  const std::string& method() const { return method_; }
  void Started();
  void Ended(absl::StatusCode code, std::chrono::nanoseconds duration);

 private:
  const std::string method_;
  prometheus::Counter& started_;
  Series<prometheus::Histogram>& durations_;
  std::array<std::atomic<prometheus::Histogram*>, 17> by_code_{};  // null before the first call that ended so
};

}  // namespace livekit::token
